import { type ConvolutionShape, SHAPE_BYTES, writeShape } from './convolution.js';
import type { BoundKernels } from './heap.js';

/** Kernels of assembly/pool.ts: all arguments are addresses. */
export interface PoolExports {
  maxPoolGradient(shape: number, x: number, dy: number, dx: number): void;
  averagePoolGradient(shape: number, dy: number, dx: number): void;
}

/** Runs `work` with the address of a shape block for pooling; its filter is the window, its channels are equal. */
export function withPoolShape(
  kernels: BoundKernels<PoolExports>,
  shape: ConvolutionShape,
  work: (block: number) => void,
): void {
  const block = kernels.heap.malloc(SHAPE_BYTES);
  try {
    writeShape(kernels.heap, block, shape);
    work(block);
  } finally {
    kernels.heap.free(block);
  }
}
