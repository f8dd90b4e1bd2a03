/** Kernels of assembly/take.ts: addresses, then sizes; `slice` and `bytes` in bytes, multiples of 4. */
export interface TakeExports {
  /** out[o][i] = x[o][indices[i]] of x [outer, length, slice] and int32 indices [count] within 0 … length - 1. */
  take(x: number, indices: number, out: number, outer: number, length: number, count: number, slice: number): void;
  /** out [outer, times, bytes]: each of x [outer, bytes] repeated. */
  repeat(x: number, out: number, outer: number, bytes: number, times: number): void;
}
