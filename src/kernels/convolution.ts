import { type BoundKernels, floats, type Heap } from './heap.js';

/** Sizes of a convolution in elements: x [batch, inHeight, inWidth, inChannels], y [batch, outHeight, outWidth, outChannels]. */
export interface ConvolutionShape {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** For a depthwise convolution inChannels times the channel multiplier. */
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  /** Zero rows above and columns before the image; those behind follow from the output's size. */
  readonly padTop: number;
  readonly padLeft: number;
}

/** One pass: addresses of a shape block, two inputs, the output and scratch memory. */
export type ConvolutionPass = (shape: number, a: number, b: number, out: number, scratch: number) => void;
/** Bytes of scratch that a pass needs, by the address of a shape block. */
export type ConvolutionScratch = (shape: number) => number;

/** Kernels of assembly/convolution.ts: all arguments are addresses. */
export interface ConvolutionExports {
  readonly conv2dForward: ConvolutionPass;
  readonly conv2dForwardScratch: ConvolutionScratch;
  readonly conv2dInputGradient: ConvolutionPass;
  readonly conv2dInputGradientScratch: ConvolutionScratch;
  readonly conv2dFilterGradient: ConvolutionPass;
  readonly conv2dFilterGradientScratch: ConvolutionScratch;
}

/** Bytes of a shape block. */
export const SHAPE_BYTES = 64;

/** Writes a shape block, as the kernels read it, at `address`. */
export function writeShape(heap: Heap, address: number, shape: ConvolutionShape): void {
  new Int32Array(heap.memory.buffer, address, 15).set([
    shape.batch,
    shape.inHeight,
    shape.inWidth,
    shape.inChannels,
    shape.outHeight,
    shape.outWidth,
    shape.outChannels,
    shape.filterHeight,
    shape.filterWidth,
    shape.strideHeight,
    shape.strideWidth,
    shape.dilationHeight,
    shape.dilationWidth,
    shape.padTop,
    shape.padLeft,
  ]);
}

/** True where there is nothing to sum: an empty batch or an empty output. */
export function isEmpty(shape: ConvolutionShape): boolean {
  return shape.batch * shape.outHeight * shape.outWidth * shape.outChannels * shape.inChannels === 0;
}

/**
 * Runs one pass of a convolution with its scratch memory; `out` gets zeros where there is nothing to sum (an empty
 * batch, an empty output). Addresses are those of float32 tensors in the kernels' heap.
 */
export function runConvolution(
  kernels: BoundKernels<unknown>,
  pass: ConvolutionPass,
  passScratch: ConvolutionScratch,
  shape: ConvolutionShape,
  a: number,
  b: number,
  out: { readonly address: number; readonly length: number },
): void {
  const { heap } = kernels;
  if (isEmpty(shape) || out.length === 0) {
    floats(heap, out.address, out.length).fill(0);
    return;
  }
  const block = heap.malloc(SHAPE_BYTES);
  try {
    writeShape(heap, block, shape);
    const scratch = heap.malloc(passScratch(block) >>> 0);
    try {
      pass(block, a, b, out.address, scratch);
    } finally {
      heap.free(scratch);
    }
  } finally {
    heap.free(block);
  }
}
