/**
 * Kernels of assembly/reduce.ts: addresses of x [rows, length], int32 segments [rows] and out [count, length]; of sums
 * and addends [length].
 */
export interface ReduceExports {
  unsortedSegmentSum(x: number, segments: number, out: number, rows: number, length: number, count: number): void;
  accumulate(sum: number, addend: number, length: number): void;
}
