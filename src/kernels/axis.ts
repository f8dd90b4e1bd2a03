import type { BoundKernels } from './heap.js';

/** Kernels of assembly/axis.ts: addresses of float32 tensors, then sizes. */
export interface AxisExports {
  reduceAxis(kind: number, x: number, out: number, outer: number, length: number, inner: number, scratch: number): void;
  reduceAxisScratch(inner: number): number;
  divideBy(values: number, divisor: number, count: number): void;
  cumulativeSum(
    x: number,
    out: number,
    outer: number,
    length: number,
    inner: number,
    exclusive: boolean,
    reverse: boolean,
  ): void;
}

const KINDS = { sum: 0, max: 1, min: 2 } as const;

/** Sum, maximum or minimum of x [outer, length, inner] along `length`, one or more; out is [outer, inner]. */
export function reduceAxis(
  kernels: BoundKernels<AxisExports>,
  kind: keyof typeof KINDS,
  x: number,
  out: number,
  sizes: { readonly outer: number; readonly length: number; readonly inner: number },
): void {
  const { heap, exports } = kernels;
  const { outer, length, inner } = sizes;
  if (outer * inner === 0) return;
  const scratch = heap.malloc(exports.reduceAxisScratch(inner) >>> 0);
  try {
    exports.reduceAxis(KINDS[kind], x, out, outer, length, inner, scratch);
  } finally {
    heap.free(scratch);
  }
}
