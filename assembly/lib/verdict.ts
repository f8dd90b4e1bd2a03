// What all scans share: the blocks that describe a query and a segment of rows, and the exact score of a row that a bound
// could not exclude.
//
//   query block (`QUERY_BYTES`)                      segment block (`SEGMENT_BYTES`), rows of one part of the index
//    0 exact        -> f64 [dim]                      0 codes  -> i8 [rows, stride]
//    4 floats       -> f32 [dim]                      4 scale  -> f32 [rows], a code's unit
//    8 fine         -> i16 [stride]                   8 error  -> f32 [rows], at least |x - x̂|
//   12 coarse       -> u8 [stride]                   12 sum    -> i32 [rows], 16 * the sum of a row's codes
//   16 heap         -> k entries (lib/hits.ts)       16 norm   -> f32 [rows], at least |x| and |x̂|
//   20 k              i32                            20 offset -> f32 [rows], at least -|x|² / 2 (l2; else 0)
//   24 dim            i32                            24 floats -> f32 [rows, dim], or 0: vectors are outside
//   28 stride         i32, bytes of a code           28 rows   -> i32 [rows], their numbers, or 0: first, first + 1, …
//   32 l2             i32, 0 or 1                    32 first     i32
//   36 refined        i32, counts fine bounds        36 mask   -> a bit a row, 1 = may be found
//   40 exactChecks    i32, counts exact scores
//   44 threshold      f32, what a bound must exceed
//   48 fineScale      f32
//   52 coarseScale    f32
//   56 errorFactor    f32, at least |q|
//   60 fineFactor     f32    bound of a scan = estimate + errorFactor * error + (its factor) * norm + offset + slack
//   64 coarseFactor   f32
//   68 floatFactor    f32
//   72 slack          f32
//   80 squared        f64, |q|²
import { offerHit } from './hits';

/** Writes the vector of a row that is not in this memory somewhere in it, and returns where: f32 [dim]. */
// @ts-ignore: decorator
@external("rows", "read")
declare function readRow(row: i32): usize;

export const EXACT: usize = 0;
export const FLOATS: usize = 4;
export const FINE: usize = 8;
export const COARSE: usize = 12;
export const HEAP: usize = 16;
export const TOP: usize = 20;
export const DIM: usize = 24;
export const STRIDE: usize = 28;
export const L2: usize = 32;
export const REFINED: usize = 36;
export const CHECKS: usize = 40;
export const THRESHOLD: usize = 44;
export const FINE_SCALE: usize = 48;
export const COARSE_SCALE: usize = 52;
export const ERROR_FACTOR: usize = 56;
export const FINE_FACTOR: usize = 60;
export const COARSE_FACTOR: usize = 64;
export const FLOAT_FACTOR: usize = 68;
export const SLACK: usize = 72;
export const SQUARED: usize = 80;

export const CODES: usize = 0;
export const SCALES: usize = 4;
export const ERRORS: usize = 8;
export const SUMS: usize = 12;
export const NORMS: usize = 16;
export const OFFSETS: usize = 20;
export const VECTORS: usize = 24;
export const NUMBERS: usize = 28;
export const FIRST: usize = 32;
export const MASK: usize = 36;

/** The high two floats of four, as float64. */
// @ts-ignore: decorator
@inline
function promoteHigh(x: v128): v128 {
  return f64x2.promote_low_f32x4(i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
}

/** <q, x> in float64: the products of float32 numbers are exact there. */
export function exactProduct(query: usize, row: usize, dim: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  const quads = dim & ~3;
  let j = 0;
  for (; j < quads; j += 4) {
    const x = v128.load(row);
    a = f64x2.add(a, f64x2.mul(v128.load(query), f64x2.promote_low_f32x4(x)));
    b = f64x2.add(b, f64x2.mul(v128.load(query, 16), promoteHigh(x)));
    query += 32;
    row += 16;
  }
  a = f64x2.add(a, b);
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; j < dim; j++) {
    sum += load<f64>(query) * <f64>load<f32>(row);
    query += 8;
    row += 4;
  }
  return sum;
}

/** |q - x|² in float64. */
function exactDistance(query: usize, row: usize, dim: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  const quads = dim & ~3;
  let j = 0;
  for (; j < quads; j += 4) {
    const x = v128.load(row);
    const lo = f64x2.sub(v128.load(query), f64x2.promote_low_f32x4(x));
    const hi = f64x2.sub(v128.load(query, 16), promoteHigh(x));
    a = f64x2.add(a, f64x2.mul(lo, lo));
    b = f64x2.add(b, f64x2.mul(hi, hi));
    query += 32;
    row += 16;
  }
  a = f64x2.add(a, b);
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; j < dim; j++) {
    const difference = load<f64>(query) - <f64>load<f32>(row);
    sum += difference * difference;
    query += 8;
    row += 4;
  }
  return sum;
}

/**
 * Sets the query's threshold from the worst hit it holds: a number strictly below what a bound on <q, x>, or under l2 on
 * <q, x> - |x|² / 2, must reach for the row to belong among the hits. There |q - x|² = |q|² - 2 (<q, x> - |x|² / 2), so a
 * hit at distance² D stands at (|q|² - D) / 2. Sums of 2^14 terms in float64 are off by less than 2^-39 of themselves: the
 * threshold is lowered by 2^-38 (|q|² + D).
 */
export function setThreshold(query: usize): void {
  let worst = load<f64>(load<u32>(query, HEAP));
  if (load<i32>(query, L2)) {
    const squared = load<f64>(query, SQUARED);
    worst = 0.5 * (squared + worst) - 3.637978807091713e-12 * (squared - worst);
  }
  // 2^-22 of its size and a subnormal lower: below the float32 neighbour, whatever the rounding of the conversion.
  const rounded = <f32>worst;
  store<f32>(query, rounded - abs<f32>(rounded) * 2.384185791015625e-7 - 7.174648137343064e-43, THRESHOLD);
}

/** Scores row i of a segment exactly and offers it to the query's hits: the product, or minus the squared distance. */
export function verify(query: usize, segment: usize, i: i32): void {
  const dim = load<i32>(query, DIM);
  const numbers = <usize>load<u32>(segment, NUMBERS);
  const row = numbers ? load<i32>(numbers + ((<usize>i) << 2)) : load<i32>(segment, FIRST) + i;
  const vectors = <usize>load<u32>(segment, VECTORS);
  const vector = vectors ? vectors + (<usize>i) * ((<usize>dim) << 2) : readRow(row);
  const exact = <usize>load<u32>(query, EXACT);
  store<i32>(query, load<i32>(query, CHECKS) + 1, CHECKS);
  const score = load<i32>(query, L2) ? -exactDistance(exact, vector, dim) : exactProduct(exact, vector, dim);
  if (offerHit(load<u32>(query, HEAP), load<i32>(query, TOP), score, row)) setThreshold(query);
}

/** Which of rows i … i + 3 are in first … end - 1 and may be found, as 4 bits; `mask` 0 allows all. */
// @ts-ignore: decorator
@inline
export function lanesOf(mask: usize, i: i32, first: i32, end: i32): i32 {
  let lanes = 15;
  if (mask) lanes = (<i32>load<u8>(mask + (i >> 3)) >> (i & 4)) & 15;
  if (i < first) lanes &= 15 << (first - i);
  if (i + 4 > end) lanes &= 15 >> (i + 4 - end);
  return lanes;
}
