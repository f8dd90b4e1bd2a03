import type { BoundKernels } from './heap.js';

type Elementwise = (x: number, out: number, length: number, table: number) => void;

/** Kernels of assembly/elementary.ts: addresses of `length` floats, and of a table that they fill. */
export interface ElementaryExports {
  readonly expFloats: Elementwise;
  readonly expm1Floats: Elementwise;
  readonly logFloats: Elementwise;
  readonly log1pFloats: Elementwise;
  readonly tanhFloats: Elementwise;
  readonly softplusFloats: Elementwise;
  readonly erfFloats: Elementwise;
  eluFloats(x: number, out: number, length: number, scale: number, negative: number, table: number): void;
  leakyReluFloats(x: number, out: number, length: number, slope: number): void;
  elementaryTableBytes(): number;
}

/** Runs a function of this file with the memory for its table (`softplus` takes two). */
export function withElementaryTable(kernels: BoundKernels<ElementaryExports>, run: (table: number) => void): void {
  const { heap, exports } = kernels;
  const table = heap.malloc(2 * exports.elementaryTableBytes());
  try {
    run(table);
  } finally {
    heap.free(table);
  }
}
