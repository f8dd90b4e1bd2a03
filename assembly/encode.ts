// int8 codes of vectors: x is rotated to y (rotate.ts), which spreads its length evenly over the components, and y_j is kept
// as scale * code_j with one scale a row. Beside the code stand what the proof (scan-codes.ts) needs of the row:
//
//   error  >= |y - ŷ|            ŷ = scale * code, in exact arithmetic; computed in float64 from the code as stored
//   norm   >= |x|, |ŷ|
//   offset >= -|x|² / 2          under l2
//
// float64 sums of up to 2^14 terms are off by 2^-39 of themselves at most; the factors below round up by far more.
//
// A code record, as it is kept outside: scale f32, error f32, norm f32, (l2: offset f32,) codes i8 [stride].
import { CODES, ERRORS, NORMS, OFFSETS, SCALES, SUMS } from './lib/verdict';
import { rotate } from './rotate';

/** 1 + 2^-22: lifts the float32 nearest to a number of float64 above it. */
const UP: f64 = 1.0000002384185791;
/** Vectors shorter than 2^-90 have no code: their products with queries could underflow in float32. */
const TINY: f64 = 8.077935669463161e-28;

/** Largest magnitude of `count` floats. */
function peak(x: usize, count: i32): f32 {
  let most: f32 = 0;
  const end = x + ((<usize>count) << 2);
  for (; x < end; x += 4) most = max<f32>(most, abs<f32>(load<f32>(x)));
  return most;
}

/**
 * Encodes vectors into rows first … first + count - 1 of a segment; the layout of its block is in lib/verdict.ts.
 * vectors: f32 [count, dim], as they are searched (of length 1 under cosine); rotated: f32 [dim], scratch.
 */
export function encodeRows(
  vectors: usize,
  count: i32,
  dim: i32,
  stride: i32,
  block: i32,
  rounds: i32,
  signs: usize,
  segment: usize,
  first: i32,
  rotated: usize,
): void {
  const bytes = (<usize>dim) << 2;
  for (let n = 0; n < count; n++) {
    const at = (<usize>(first + n)) << 2;
    const code = (<usize>load<u32>(segment, CODES)) + (<usize>(first + n)) * (<usize>stride);
    let squared: f64 = 0;
    for (let j: usize = 0; j < bytes; j += 4) {
      const x = <f64>load<f32>(vectors + j);
      squared += x * x;
    }
    const length = sqrt(squared);
    memory.fill(code, 0, stride);
    let scale: f32 = 0;
    let error: f64 = TINY;
    let norm: f64 = TINY;
    let sum = 0;
    if (length >= TINY) {
      memory.copy(rotated, vectors, bytes);
      rotate(rotated, dim, block, rounds, signs);
      const most = peak(rotated, dim);
      scale = most / 127;
      const unit = <f64>scale;
      const inverse = 1 / unit;
      let missed: f64 = 0;
      for (let j = 0; j < dim; j++) {
        const y = <f64>load<f32>(rotated + ((<usize>j) << 2));
        // Rounding the scale may put the peak beyond 127; the code stays within it, and the error counts what is lost.
        const z = min<f64>(127, max<f64>(-127, nearest<f64>(y * inverse)));
        store<i8>(code + j, <i8>z);
        sum += <i32>z;
        const rest = y - z * unit;
        missed += rest * rest;
      }
      error = sqrt(missed);
      // |ŷ| <= |y| + error, and |y| is |x| but for the roundings of the rotation, below 2^-17 of it.
      norm = length * 1.00001 + error;
    }
    store<f32>(<usize>load<u32>(segment, SCALES) + at, scale);
    store<f32>(<usize>load<u32>(segment, ERRORS) + at, <f32>(error * UP));
    store<f32>(<usize>load<u32>(segment, NORMS) + at, <f32>(norm * UP));
    store<i32>(<usize>load<u32>(segment, SUMS) + at, sum << 4);
    const offsets = <usize>load<u32>(segment, OFFSETS);
    // Up by 2^-19 of itself: more than the sum of a bound's terms can round by (scan-codes.ts).
    if (offsets) store<f32>(offsets + at, <f32>(-0.5 * squared * (1 - 1.9073486328125e-6)));
    vectors += bytes;
  }
}

/** Writes the code records of rows first … first + count - 1 to `records`. */
export function packCodes(segment: usize, first: i32, count: i32, stride: i32, records: usize): void {
  const offsets = <usize>load<u32>(segment, OFFSETS);
  for (let i = first; i < first + count; i++) {
    const at = (<usize>i) << 2;
    store<f32>(records, load<f32>(<usize>load<u32>(segment, SCALES) + at));
    store<f32>(records, load<f32>(<usize>load<u32>(segment, ERRORS) + at), 4);
    store<f32>(records, load<f32>(<usize>load<u32>(segment, NORMS) + at), 8);
    records += 12;
    if (offsets) {
      store<f32>(records, load<f32>(offsets + at));
      records += 4;
    }
    memory.copy(records, <usize>load<u32>(segment, CODES) + (<usize>i) * (<usize>stride), stride);
    records += stride;
  }
}

/** Is x a number from 0 to 2^62? False for NaN. */
// @ts-ignore: decorator
@inline
function sane(x: f32): bool {
  return x >= 0 && x <= 4611686018427387904;
}

/**
 * Reads code records into rows first … first + count - 1; returns the first record that `encodeRows` cannot have written, or -1.
 * Records: see the head of this file; `dim` tells where the padding of a code starts, which is zero.
 */
export function unpackCodes(records: usize, segment: usize, first: i32, count: i32, dim: i32, stride: i32): i32 {
  const offsets = <usize>load<u32>(segment, OFFSETS);
  for (let n = 0; n < count; n++) {
    const at = (<usize>(first + n)) << 2;
    const scale = load<f32>(records);
    const error = load<f32>(records, 4);
    const norm = load<f32>(records, 8);
    if (!sane(scale) || !sane(error) || !sane(norm)) return n;
    store<f32>(<usize>load<u32>(segment, SCALES) + at, scale);
    store<f32>(<usize>load<u32>(segment, ERRORS) + at, error);
    store<f32>(<usize>load<u32>(segment, NORMS) + at, norm);
    records += 12;
    if (offsets) {
      const offset = load<f32>(records);
      if (!(offset <= 0) || offset < -1.4e36) return n;
      store<f32>(offsets + at, offset);
      records += 4;
    }
    const code = <usize>load<u32>(segment, CODES) + (<usize>(first + n)) * (<usize>stride);
    memory.copy(code, records, stride);
    let sum = 0;
    for (let j = 0; j < stride; j++) {
      const z = <i32>load<i8>(code + j);
      if (z == -128 || (j >= dim && z != 0)) return n;
      sum += z;
    }
    store<i32>(<usize>load<u32>(segment, SUMS) + at, sum << 4);
    records += stride;
  }
  return -1;
}
