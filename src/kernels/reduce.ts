/** Kernels of assembly/reduce.ts: addresses of x [rows, length], int32 segments [rows] and out [count, length]. */
export interface ReduceExports {
  unsortedSegmentSum(x: number, segments: number, out: number, rows: number, length: number, count: number): void;
}
