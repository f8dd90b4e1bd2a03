import type { BoundKernels } from './heap.js';

/** Kernels of assembly/matmul.ts: addresses of row-major float32 matrices and their sizes. */
export interface MatmulExports {
  matmul(
    a: number,
    b: number,
    out: number,
    rows: number,
    depth: number,
    columns: number,
    transposeB: boolean,
    scratch: number,
  ): void;
  matmulScratch(depth: number, columns: number): number;
  matmulTransposedA(
    a: number,
    b: number,
    out: number,
    rows: number,
    depth: number,
    columns: number,
    scratch: number,
  ): void;
  matmulTransposedAScratch(rows: number, depth: number, columns: number): number;
  transpose(source: number, target: number, rows: number, columns: number): void;
}

/** A product out [rows, columns] = A · B summed over `depth`; either side may be stored transposed. */
export interface MatrixProduct {
  readonly a: number;
  readonly b: number;
  readonly out: number;
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Multiplies two matrices at addresses in the kernels' heap. */
export function multiplyMatrices(kernels: BoundKernels<MatmulExports>, product: MatrixProduct): void {
  const { heap, exports } = kernels;
  const { a, b, out, rows, depth, columns, transposeA, transposeB } = product;
  if (rows * columns === 0) return;
  if (depth === 0) {
    new Float32Array(heap.memory.buffer, out, rows * columns).fill(0);
    return;
  }
  if (transposeA && !transposeB) {
    const scratch = heap.malloc(exports.matmulTransposedAScratch(rows, depth, columns) >>> 0);
    try {
      exports.matmulTransposedA(a, b, out, rows, depth, columns, scratch);
    } finally {
      heap.free(scratch);
    }
    return;
  }
  const packed = exports.matmulScratch(depth, columns) >>> 0;
  // Both transposed is rare: A is turned round first.
  const turned = transposeA ? 4 * rows * depth : 0;
  const scratch = heap.malloc(packed + turned);
  try {
    if (transposeA) exports.transpose(a, scratch + packed, depth, rows);
    exports.matmul(transposeA ? scratch + packed : a, b, out, rows, depth, columns, transposeB, scratch);
  } finally {
    heap.free(scratch);
  }
}
