import { NearmissError } from '../errors.js';

/** Rows of queries that are scored at a time: bounds memory to this many rows of the gallery's length. */
const BLOCK = 64;

/** Rows [length / width] of a matrix; `NM_SHAPE_MISMATCH` where they are not whole. */
export function rowCount(rows: Float32Array, width: number, what: string): number {
  const count = rows.length / width;
  if (Number.isInteger(count) && width > 0) return count;
  throw new NearmissError('NM_SHAPE_MISMATCH', `${what}: found ${rows.length} numbers, allowed: rows of ${width}`);
}

/**
 * Calls `visit` with each query's inner products with all gallery rows, in order. The array that it gets is reused for
 * the next query. Sums are float64 in a fixed order, the same for equal rows wherever they stand, so ties are exact.
 *
 * @param queries [count, width]
 * @param gallery [size, width]
 */
export function eachQuery(
  queries: Float32Array,
  gallery: Float32Array,
  width: number,
  visit: (query: number, scores: Float64Array) => void,
): void {
  const count = rowCount(queries, width, 'queries');
  const size = rowCount(gallery, width, 'gallery');
  const scores = new Float64Array(Math.min(BLOCK, count) * size);
  for (let first = 0; first < count; first += BLOCK) {
    const block = Math.min(BLOCK, count - first);
    multiply(queries, first, block, gallery, size, width, scores);
    for (let i = 0; i < block; i++) visit(first + i, scores.subarray(i * size, (i + 1) * size));
  }
}

/** scores[i, j] = queries[first + i] · gallery[j], in tiles of 4 x 4 so that each loaded number is used four times. */
function multiply(
  queries: Float32Array,
  first: number,
  count: number,
  gallery: Float32Array,
  size: number,
  width: number,
  scores: Float64Array,
): void {
  const tiledRows = count - (count % 4);
  const tiledColumns = size - (size % 4);
  for (let i = 0; i < tiledRows; i += 4) {
    for (let j = 0; j < tiledColumns; j += 4) tile(queries, first + i, gallery, j, width, scores, i * size + j, size);
  }
  for (let i = 0; i < count; i++) {
    for (let j = i < tiledRows ? tiledColumns : 0; j < size; j++) {
      const p = (first + i) * width;
      const q = j * width;
      let sum = 0;
      for (let k = 0; k < width; k++) sum += queries[p + k]! * gallery[q + k]!;
      scores[i * size + j] = sum;
    }
  }
}

function tile(
  a: Float32Array,
  rowA: number,
  b: Float32Array,
  rowB: number,
  width: number,
  into: Float64Array,
  at: number,
  stride: number,
): void {
  const p = rowA * width;
  const q = rowB * width;
  let [s00, s01, s02, s03] = [0, 0, 0, 0];
  let [s10, s11, s12, s13] = [0, 0, 0, 0];
  let [s20, s21, s22, s23] = [0, 0, 0, 0];
  let [s30, s31, s32, s33] = [0, 0, 0, 0];
  for (let k = 0; k < width; k++) {
    const a0 = a[p + k]!;
    const a1 = a[p + width + k]!;
    const a2 = a[p + 2 * width + k]!;
    const a3 = a[p + 3 * width + k]!;
    const b0 = b[q + k]!;
    const b1 = b[q + width + k]!;
    const b2 = b[q + 2 * width + k]!;
    const b3 = b[q + 3 * width + k]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  into[at] = s00;
  into[at + 1] = s01;
  into[at + 2] = s02;
  into[at + 3] = s03;
  into[at + stride] = s10;
  into[at + stride + 1] = s11;
  into[at + stride + 2] = s12;
  into[at + stride + 3] = s13;
  into[at + 2 * stride] = s20;
  into[at + 2 * stride + 1] = s21;
  into[at + 2 * stride + 2] = s22;
  into[at + 2 * stride + 3] = s23;
  into[at + 3 * stride] = s30;
  into[at + 3 * stride + 1] = s31;
  into[at + 3 * stride + 2] = s32;
  into[at + 3 * stride + 3] = s33;
}
