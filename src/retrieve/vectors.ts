import { NearmissError } from '../errors.js';

/**
 * `cosine`: inner product of vectors brought to length 1 (a zero vector scores 0); `inner-product`: as they are; `l2`:
 * Euclidean distance.
 */
export const METRICS = ['cosine', 'inner-product', 'l2'] as const;
export type Metric = (typeof METRICS)[number];

/** Vectors as one matrix [count, dimension], or one by one. Views into larger buffers are fine. */
export type Vectors = Float32Array | readonly Float32Array[];

/** Largest dimension of a vector. */
export const MAX_DIMENSION = 16384;
/** Largest length of a vector under the inner product: no score, and no part of one, can overflow float32 below it. */
export const MAX_LENGTH: number = 2 ** 60;

/** Throws `NM_OPTION_INVALID` unless `value` is a whole number from `least` to `most`. */
export function checkWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `${name}: found ${String(value)}, allowed: a whole number from ${least} to ${most}`,
  );
}

export function checkMetric(metric: string): asserts metric is Metric {
  if ((METRICS as readonly string[]).includes(metric)) return;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `metric: found ${JSON.stringify(metric)}, allowed: ${METRICS.join(', ')}`,
  );
}

/** True for a Float32Array of any realm (a worker's or a test runner's own is not `instanceof` this one's). */
export function isFloat32Array(value: unknown): value is Float32Array {
  return Object.prototype.toString.call(value) === '[object Float32Array]';
}

function found(value: unknown): string {
  return value === null ? 'null' : Object.prototype.toString.call(value).slice(8, -1);
}

/**
 * Vectors as one matrix [count, dimension]; the caller's own array where it is one already.
 *
 * @param what what the vectors are, for the message
 * @throws `NM_VECTOR_INVALID` for anything but Float32Arrays, `NM_SHAPE_MISMATCH` for another dimension
 */
export function vectorMatrix(vectors: Vectors, dimension: number, what: string): Float32Array {
  if (isFloat32Array(vectors)) {
    if (vectors.length % dimension === 0) return vectors;
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `${what}: found ${vectors.length} numbers, allowed: a multiple of ${dimension}`,
    );
  }
  if (!Array.isArray(vectors)) {
    throw new NearmissError(
      'NM_VECTOR_INVALID',
      `${what}: found ${found(vectors)}, allowed: a Float32Array or an array of them`,
    );
  }
  const matrix = new Float32Array(vectors.length * dimension);
  for (const [i, vector] of vectors.entries()) {
    if (!isFloat32Array(vector)) {
      throw new NearmissError('NM_VECTOR_INVALID', `${what} ${i}: found ${found(vector)}, allowed: a Float32Array`);
    }
    if (vector.length !== dimension) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `${what} ${i}: found ${vector.length} dimensions, allowed: ${dimension}`,
      );
    }
    matrix.set(vector, i * dimension);
  }
  return matrix;
}

function squaredLength(matrix: Float32Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) {
    const value = matrix[i]!;
    sum += value * value;
  }
  return sum;
}

/**
 * Checks that the rows of a matrix [count, dimension] can be searched under the metric: finite, and for the inner
 * product not longer than 2^60.
 *
 * @param name what to call row i in the message
 * @throws `NM_VECTOR_INVALID`
 */
export function checkRows(
  matrix: Float32Array,
  dimension: number,
  metric: Metric,
  name: (row: number) => string,
): void {
  for (let start = 0; start < matrix.length; start += dimension) {
    // No sum of squares of float32 numbers overflows float64, so it is finite just when all of them are.
    const squared = squaredLength(matrix, start, start + dimension);
    if (Number.isFinite(squared) && (metric === 'cosine' || squared <= MAX_LENGTH * MAX_LENGTH)) continue;
    const row = start / dimension;
    if (Number.isFinite(squared)) {
      throw new NearmissError(
        'NM_VECTOR_INVALID',
        `${name(row)}: found a length of ${Math.sqrt(squared)}, allowed: at most 2^60, so that scores fit float32`,
      );
    }
    const at = matrix.subarray(start, start + dimension).findIndex((value) => !Number.isFinite(value));
    throw new NearmissError(
      'NM_VECTOR_INVALID',
      `${name(row)}: found ${matrix[start + at]} at component ${at}, allowed: finite numbers`,
    );
  }
}

/** Brings the rows of a matrix [count, dimension] to length 1 in place, in float64; rows of zeros stay. */
export function normaliseRows(matrix: Float32Array, dimension: number): void {
  for (let start = 0; start < matrix.length; start += dimension) {
    const squared = squaredLength(matrix, start, start + dimension);
    if (squared === 0) continue;
    const scale = 1 / Math.sqrt(squared);
    for (let i = start; i < start + dimension; i++) matrix[i] = matrix[i]! * scale;
  }
}
