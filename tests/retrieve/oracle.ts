import { type Random, randomStream } from '../../src/random.js';

/** Inner product in float64 of two rows of float32 matrices. */
export function dot(a: Float32Array, rowA: number, b: Float32Array, rowB: number, dim: number): number {
  let sum = 0;
  for (let j = 0; j < dim; j++) sum += a[rowA * dim + j]! * b[rowB * dim + j]!;
  return sum;
}

/** Bound of a float32 inner product's error: eps * n * |x| |y| (any order of summation). */
export function dotError(a: Float32Array, rowA: number, b: Float32Array, rowB: number, dim: number): number {
  let sum = 0;
  for (let j = 0; j < dim; j++) sum += Math.abs(a[rowA * dim + j]! * b[rowB * dim + j]!);
  return 2 ** -24 * (dim + 2) * sum + 1e-37;
}

/** The k best rows by float64 score, ties to the lower row. */
export function bruteForce(rows: Float32Array, query: Float32Array, dim: number, k: number): number[] {
  const scores = Array.from({ length: rows.length / dim }, (_, row) => dot(rows, row, query, 0, dim));
  return scores
    .map((_, row) => row)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, k);
}

export function gaussian(length: number, random: Random): Float32Array {
  return Float32Array.from({ length }, () => random.normal());
}

/** Sets of rows that are hard for a top-k: name → rows [count, dim]. */
export const ROW_SETS: Readonly<Record<string, (count: number, dim: number) => Float32Array>> = {
  gaussian: (count, dim) => gaussian(count * dim, randomStream(11, count, dim)),
  'near-duplicate': (count, dim) => {
    const random = randomStream(12, count, dim);
    const centre = gaussian(dim, random);
    return Float32Array.from({ length: count * dim }, (_, i) => centre[i % dim]! + 1e-3 * random.normal());
  },
  // Whole numbers, so that float32 is exact and equal scores are equal to the bit.
  tied: (count, dim) => {
    const random = randomStream(13, count, dim);
    return Float32Array.from({ length: count * dim }, () => random.integer(3) - 1);
  },
  zero: (count, dim) => new Float32Array(count * dim),
  ascending: (count, dim) => Float32Array.from({ length: count * dim }, (_, i) => Math.floor(i / dim)),
};
