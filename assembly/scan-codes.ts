// Exact top-k from int8 codes. A scan bounds the score of each row from its code; a row whose bound exceeds the worst hit so
// far is scored in float64 at once (lib/verdict.ts), so the hits are exact from the first rows on, and when every row was
// scored or excluded, they are the answer of a full scan, ties broken by row.
//
// The bound. With * for the rotation in exact arithmetic, <q, x> = <q*, x*>. Let y and p be the computed rotations of x and
// q, ŷ = scale * code, p̂ = the quantised query, and (rotate.ts, R u = the rotation's rounding, u = 2^-24)
//   |x* - y| <= R u |x|,  |y - ŷ| <= error,  |q* - p| <= R u |q|,  |p - p̂| = e.
// Then <q*, x*> - <p̂, ŷ> = <q*, x* - ŷ> + <q* - p̂, ŷ>, and by Cauchy and Schwarz, with norm >= |x|, |ŷ|,
//   <q, x> <= <p̂, ŷ> + |q| error + (e + 2 R u |q|) norm.
// <p̂, ŷ> is scale * queryScale * (a sum of whole numbers, exact in i32; prepare.ts keeps it below 2^31). What is computed
// from it in float32 rounds a product of three and a sum of up to five terms, each at most 3 |q| norm (error <= 1.1 norm, since
// 0 would be a code; |p̂| <= 1.1 |q|), so by less than 40 u |q| norm in all: `fineFactor` and `coarseFactor` are
// (e + (2 R + 40) u |q|). Under l2 the score is <q, x> - |x|² / 2: `offset` is lifted by 2^-19 = 32 u of itself for its share
// of those roundings. Underflow: rows shorter than 2^-90 have error >= 2^-90, and against a query of length 1 or more every
// other term that matters is normal; under l2, where queries may be of any length, it is off by less than 2^-130, and
// `slack` = 2^-100 is added. All of this is relative to |q| |x|: no norm is assumed.
//
// The coarse query has 5 bits: c in 1 … 31, standing for c - 16; <c - 16, code> = <c, code> - 16 sum(code). Two products of
// i8 and 5 bits make at most 7,874, four such pairs 31,496: no i16 lane overflows or saturates.
import {
  CHECKS,
  CODES,
  COARSE,
  COARSE_FACTOR,
  COARSE_SCALE,
  ERROR_FACTOR,
  ERRORS,
  FINE,
  FINE_FACTOR,
  FINE_SCALE,
  lanesOf,
  MASK,
  NORMS,
  OFFSETS,
  REFINED,
  SCALES,
  SLACK,
  STRIDE,
  SUMS,
  THRESHOLD,
  verify,
} from './lib/verdict';

/** The sums of the lanes of four vectors, as one. */
// @ts-ignore: decorator
@inline
function sumEach(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab0 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab1 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd0 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd1 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const ab = i32x4.add(ab0, ab1);
  const cd = i32x4.add(cd0, cd1);
  const even = i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  const odd = i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  return i32x4.add(even, odd);
}

/** Four partial sums of <fine query, code>. */
// @ts-ignore: decorator
@inline
function fineProduct(code: usize, query: usize, stride: usize): v128 {
  let sum = i32x4.splat(0);
  for (let j: usize = 0; j < stride; j += 16) {
    const q = query + (j << 1);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q), v128.load8x8_s(code + j)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(q, 16), v128.load8x8_s(code + j, 8)));
  }
  return sum;
}

/** Four partial sums of <coarse query, code>, the query still offset by 16. */
// @ts-ignore: decorator
@inline
function coarseProduct(code: usize, query: usize, stride: usize): v128 {
  let sum = i32x4.splat(0);
  if (ASC_FEATURE_RELAXED_SIMD) {
    const blocks = stride & ~63;
    let j: usize = 0;
    for (; j < blocks; j += 64) {
      const a = i16x8.add(
        i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(code + j), v128.load(query + j)),
        i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(code + j, 16), v128.load(query + j, 16)),
      );
      const b = i16x8.add(
        i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(code + j, 32), v128.load(query + j, 32)),
        i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(code + j, 48), v128.load(query + j, 48)),
      );
      sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(i16x8.add(a, b)));
    }
    for (; j < stride; j += 16) {
      const a = i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(code + j), v128.load(query + j));
      sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(a));
    }
  }
  return sum;
}

/** The second look at row i: its bound by the fine query, then its exact score. */
function refine(query: usize, segment: usize, i: i32): void {
  const at = (<usize>i) << 2;
  const stride = <usize>load<u32>(query, STRIDE);
  store<i32>(query, load<i32>(query, REFINED) + 1, REFINED);
  const sum = fineProduct(<usize>load<u32>(segment, CODES) + (<usize>i) * stride, load<u32>(query, FINE), stride);
  const product =
    i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + (i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3));
  const offsets = <usize>load<u32>(segment, OFFSETS);
  const bound =
    <f32>product * (load<f32>(query, FINE_SCALE) * load<f32>(<usize>load<u32>(segment, SCALES) + at)) +
    load<f32>(query, ERROR_FACTOR) * load<f32>(<usize>load<u32>(segment, ERRORS) + at) +
    load<f32>(query, FINE_FACTOR) * load<f32>(<usize>load<u32>(segment, NORMS) + at) +
    ((offsets ? load<f32>(offsets + at) : 0) + load<f32>(query, SLACK));
  if (bound > load<f32>(query, THRESHOLD)) verify(query, segment, i);
}

/**
 * Rows first … end - 1 of a segment against one query, whose heap and threshold outlive the call; with `masked`, only rows
 * whose bit is set in the segment's mask. Both blocks are described in lib/verdict.ts.
 */
export function scanFine(query: usize, segment: usize, first: i32, end: i32, masked: i32): void {
  const stride = <usize>load<u32>(query, STRIDE);
  const fine = <usize>load<u32>(query, FINE);
  const scales = <usize>load<u32>(segment, SCALES);
  const errors = <usize>load<u32>(segment, ERRORS);
  const norms = <usize>load<u32>(segment, NORMS);
  const offsets = <usize>load<u32>(segment, OFFSETS);
  const mask = masked ? <usize>load<u32>(segment, MASK) : 0;
  const unit = f32x4.splat(load<f32>(query, FINE_SCALE));
  const errorFactor = f32x4.splat(load<f32>(query, ERROR_FACTOR));
  const normFactor = f32x4.splat(load<f32>(query, FINE_FACTOR));
  const slack = f32x4.splat(load<f32>(query, SLACK));
  let threshold = f32x4.splat(load<f32>(query, THRESHOLD));
  let i = first & ~3;
  let code = <usize>load<u32>(segment, CODES) + (<usize>i) * stride;
  for (; i < end; i += 4, code += stride << 2) {
    const lanes = lanesOf(mask, i, first, end);
    if (!lanes) continue;
    const sums = sumEach(
      fineProduct(code, fine, stride),
      fineProduct(code + stride, fine, stride),
      fineProduct(code + (stride << 1), fine, stride),
      fineProduct(code + stride * 3, fine, stride),
    );
    const at = (<usize>i) << 2;
    let bound = f32x4.mul(f32x4.convert_i32x4_s(sums), f32x4.mul(unit, v128.load(scales + at)));
    bound = f32x4.add(bound, f32x4.mul(errorFactor, v128.load(errors + at)));
    bound = f32x4.add(bound, f32x4.mul(normFactor, v128.load(norms + at)));
    bound = f32x4.add(bound, offsets ? f32x4.add(v128.load(offsets + at), slack) : slack);
    const open = i32x4.bitmask(f32x4.gt(bound, threshold)) & lanes;
    if (open) {
      if (open & 1) verify(query, segment, i);
      if (open & 2) verify(query, segment, i + 1);
      if (open & 4) verify(query, segment, i + 2);
      if (open & 8) verify(query, segment, i + 3);
      threshold = f32x4.splat(load<f32>(query, THRESHOLD));
    }
  }
}

/** As `scanFine`, with the 5-bit query first; only where relaxed SIMD is and passed its check (`checkCoarse`). */
export function scanCoarse(query: usize, segment: usize, first: i32, end: i32, masked: i32): void {
  const stride = <usize>load<u32>(query, STRIDE);
  const coarse = <usize>load<u32>(query, COARSE);
  const scales = <usize>load<u32>(segment, SCALES);
  const errors = <usize>load<u32>(segment, ERRORS);
  const norms = <usize>load<u32>(segment, NORMS);
  const sums = <usize>load<u32>(segment, SUMS);
  const offsets = <usize>load<u32>(segment, OFFSETS);
  const mask = masked ? <usize>load<u32>(segment, MASK) : 0;
  const unit = f32x4.splat(load<f32>(query, COARSE_SCALE));
  const errorFactor = f32x4.splat(load<f32>(query, ERROR_FACTOR));
  const normFactor = f32x4.splat(load<f32>(query, COARSE_FACTOR));
  const slack = f32x4.splat(load<f32>(query, SLACK));
  let threshold = f32x4.splat(load<f32>(query, THRESHOLD));
  let i = first & ~3;
  let code = <usize>load<u32>(segment, CODES) + (<usize>i) * stride;
  for (; i < end; i += 4, code += stride << 2) {
    const lanes = lanesOf(mask, i, first, end);
    if (!lanes) continue;
    const products = sumEach(
      coarseProduct(code, coarse, stride),
      coarseProduct(code + stride, coarse, stride),
      coarseProduct(code + (stride << 1), coarse, stride),
      coarseProduct(code + stride * 3, coarse, stride),
    );
    const at = (<usize>i) << 2;
    const whole = f32x4.convert_i32x4_s(i32x4.sub(products, v128.load(sums + at)));
    let bound = f32x4.mul(whole, f32x4.mul(unit, v128.load(scales + at)));
    bound = f32x4.add(bound, f32x4.mul(errorFactor, v128.load(errors + at)));
    bound = f32x4.add(bound, f32x4.mul(normFactor, v128.load(norms + at)));
    bound = f32x4.add(bound, offsets ? f32x4.add(v128.load(offsets + at), slack) : slack);
    const open = i32x4.bitmask(f32x4.gt(bound, threshold)) & lanes;
    if (open) {
      if (open & 1) refine(query, segment, i);
      if (open & 2) refine(query, segment, i + 1);
      if (open & 4) refine(query, segment, i + 2);
      if (open & 8) refine(query, segment, i + 3);
      threshold = f32x4.splat(load<f32>(query, THRESHOLD));
    }
  }
}

/** <query, code> as the coarse scan computes it, for the self-check at load; 0 without relaxed SIMD. */
export function coarseDot(code: usize, query: usize, stride: i32): i32 {
  const sum = coarseProduct(code, query, stride);
  return (
    i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3)
  );
}
