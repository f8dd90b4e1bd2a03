import { madd, nmadd } from './lib/vector';

// Exponentials, logarithms and the activations made of them, element by element over `length` floats. Every function
// takes a table of TABLE_BYTES, which it fills with its constants: loads cost nothing beside the arithmetic, where V8 of
// Node 24 would rebuild splats in each turn of a loop.

const LOG2_E: usize = 0;
const LN2_HIGH: usize = 16;
const LN2_LOW: usize = 32;
const E2: usize = 48;
const E3: usize = 64;
const E4: usize = 80;
const E5: usize = 96;
const E6: usize = 112;
const E7: usize = 128;
const ONE: usize = 144;
const LARGEST: usize = 160;
const LEAST: usize = 176;
const ROUNDING: usize = 192;
const BIAS: usize = 208;
const L: usize = 224; // nine coefficients of the logarithm
const ROOT_HALF: usize = 368;
const MANTISSA: usize = 384;
const HALF: usize = 400;
const SMALLEST: usize = 416;
const SIGN: usize = 432;
const T: usize = 448; // five coefficients of tanh
const SMALL: usize = 528;
const TWO: usize = 544;
const LARGE: usize = 560;
const LARGE_LOG: usize = 576;
const A: usize = 592;
const B: usize = 608;
const C: usize = 624;
const D: usize = 640;
const E: usize = 656;
const F: usize = 672;
const REST: usize = 688; // four floats for the tail, and as many results

/** Bytes of the table that each function of this file takes. */
export const TABLE_BYTES: usize = 720;

export function elementaryTableBytes(): usize {
  return TABLE_BYTES;
}

// @ts-ignore: decorator
@inline
function put(table: usize, place: usize, value: f32): void {
  v128.store(table + place, f32x4.splat(value));
}

/** Constants of `exp`: e^r = 1 + r + r² · (E2 + E3 · r + …) on |r| <= ln 2 / 2 (Cephes expf), ln 2 in two parts. */
function putExponential(t: usize): void {
  put(t, LOG2_E, 1.4426950408889634);
  put(t, LN2_HIGH, 0.693359375);
  put(t, LN2_LOW, -0.00021219444);
  put(t, E2, 0.50000001201);
  put(t, E3, 0.16666665459);
  put(t, E4, 0.041665795894);
  put(t, E5, 0.0083334519073);
  put(t, E6, 0.0013981999507);
  put(t, E7, 0.00019875691500);
  put(t, ONE, 1);
  put(t, LARGEST, 88.8);
  put(t, LEAST, -104);
  // Adding 1.5 * 2^23 rounds to an integer, which then sits in the lowest bits.
  put(t, ROUNDING, 12582912);
  v128.store(t + BIAS, i32x4.splat(127));
}

/** e^r - 1 with x = n · ln 2 + r; n + ROUNDING is `shifted`. */
// @ts-ignore: decorator
@inline
function remainder(t: usize, x: v128, n: v128): v128 {
  const r = nmadd(n, v128.load(t, LN2_LOW), nmadd(n, v128.load(t, LN2_HIGH), x));
  let p = madd(v128.load(t, E7), r, v128.load(t, E6));
  p = madd(p, r, v128.load(t, E5));
  p = madd(p, r, v128.load(t, E4));
  p = madd(p, r, v128.load(t, E3));
  p = madd(p, r, v128.load(t, E2));
  return madd(p, f32x4.mul(r, r), r);
}

/** e^x: 0 far below, infinity far above, NaN of NaN; subnormal results too. Relative error 1e-7. */
// @ts-ignore: decorator
@inline
function exp(t: usize, given: v128): v128 {
  const x = f32x4.max(f32x4.min(given, v128.load(t, LARGEST)), v128.load(t, LEAST));
  const rounding = v128.load(t, ROUNDING);
  const shifted = madd(x, v128.load(t, LOG2_E), rounding);
  const e = f32x4.add(remainder(t, x, f32x4.sub(shifted, rounding)), v128.load(t, ONE));
  // 2^n in two factors, as n runs from -150 to 128.
  const n = i32x4.sub(shifted, rounding);
  const half = i32x4.shr_s(n, 1);
  const bias = v128.load(t, BIAS);
  const first = i32x4.shl(i32x4.add(half, bias), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(n, half), bias), 23);
  return f32x4.mul(f32x4.mul(e, first), second);
}

/** e^x - 1, as exact near 0 as elsewhere: 2^n · (e^r - 1) + (2^n - 1). */
// @ts-ignore: decorator
@inline
function expm1(t: usize, given: v128): v128 {
  const x = f32x4.max(f32x4.min(given, v128.load(t, LARGEST)), v128.load(t, SMALLEST));
  const rounding = v128.load(t, ROUNDING);
  const shifted = madd(x, v128.load(t, LOG2_E), rounding);
  const e = remainder(t, x, f32x4.sub(shifted, rounding));
  // Half of 2^n, which is no float32 for n = 128.
  const n = i32x4.sub(shifted, rounding);
  const factor = i32x4.shl(i32x4.add(n, v128.load(t, BIAS)), 23);
  const halfResult = madd(factor, e, f32x4.sub(factor, v128.load(t, HALF)));
  return f32x4.add(halfResult, halfResult);
}

function putExpm1(t: usize): void {
  putExponential(t);
  v128.store(t + BIAS, i32x4.splat(126));
  put(t, SMALLEST, -30);
  put(t, HALF, 0.5);
}

/** Constants of `log` (Cephes logf): log(1 + m) = m - m² / 2 + m³ · (L0 + …) on sqrt(1/2) <= 1 + m < sqrt 2. */
function putLogarithm(t: usize): void {
  put(t, L, 0.070376836292);
  put(t, L + 16, -0.11514610310);
  put(t, L + 32, 0.11676998740);
  put(t, L + 48, -0.12420140846);
  put(t, L + 64, 0.14249322787);
  put(t, L + 80, -0.16668057665);
  put(t, L + 96, 0.20000714765);
  put(t, L + 112, -0.24999993993);
  put(t, L + 128, 0.33333331174);
  put(t, ONE, 1);
  put(t, HALF, 0.5);
  put(t, ROOT_HALF, 0.70710678118654752);
  v128.store(t + MANTISSA, i32x4.splat(0x007fffff));
  put(t, LN2_HIGH, 0.693359375);
  put(t, LN2_LOW, -0.00021219444);
  v128.store(t + SMALLEST, i32x4.splat(0x00800000));
  put(t, LARGE, 33554432);
  put(t, LARGE_LOG, 25);
  v128.store(t + SIGN, i32x4.splat(0x7f800000));
  v128.store(t + BIAS, i32x4.splat(126));
}

/** Natural logarithm: -infinity of 0, NaN below and of NaN, infinity of infinity; subnormal arguments too. */
// @ts-ignore: decorator
@inline
function log(t: usize, given: v128): v128 {
  const zero = f32x4.splat(0);
  // Subnormal numbers are scaled by 2^25.
  const tiny = f32x4.lt(given, v128.load(t, SMALLEST));
  const x = v128.bitselect(f32x4.mul(given, v128.load(t, LARGE)), given, tiny);
  // x = mantissa · 2^exponent with the mantissa in [1/2, 1)
  let exponent = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(x, 23), v128.load(t, BIAS)));
  exponent = f32x4.sub(exponent, v128.and(v128.load(t, LARGE_LOG), tiny));
  const mantissa = v128.or(v128.and(x, v128.load(t, MANTISSA)), v128.load(t, HALF));
  const low = f32x4.lt(mantissa, v128.load(t, ROOT_HALF));
  exponent = f32x4.sub(exponent, v128.and(v128.load(t, ONE), low));
  const m = f32x4.add(f32x4.sub(mantissa, v128.load(t, ONE)), v128.and(mantissa, low));
  const square = f32x4.mul(m, m);
  let p = madd(v128.load(t, L), m, v128.load(t, L + 16));
  p = madd(p, m, v128.load(t, L + 32));
  p = madd(p, m, v128.load(t, L + 48));
  p = madd(p, m, v128.load(t, L + 64));
  p = madd(p, m, v128.load(t, L + 80));
  p = madd(p, m, v128.load(t, L + 96));
  p = madd(p, m, v128.load(t, L + 112));
  p = madd(p, m, v128.load(t, L + 128));
  let y = f32x4.mul(f32x4.mul(p, m), square);
  y = madd(exponent, v128.load(t, LN2_LOW), y);
  y = nmadd(square, v128.load(t, HALF), y);
  y = madd(exponent, v128.load(t, LN2_HIGH), f32x4.add(m, y));
  const infinity = v128.load(t, SIGN);
  // What is not below infinity is infinity itself or NaN.
  y = v128.bitselect(y, given, f32x4.lt(given, infinity));
  y = v128.bitselect(f32x4.neg(infinity), y, f32x4.eq(given, zero));
  // 0 / 0, of which all that is below 0 becomes NaN.
  return v128.bitselect(f32x4.div(zero, zero), y, f32x4.lt(given, zero));
}

/** log(1 + x), as exact near 0 as elsewhere: what 1 + x rounds away is put back by the logarithm's slope. */
// @ts-ignore: decorator
@inline
function log1p(t: usize, x: v128): v128 {
  const one = v128.load(t, ONE);
  const sum = f32x4.add(x, one);
  const lost = f32x4.div(f32x4.sub(x, f32x4.sub(sum, one)), sum);
  // The slope is 0 / 0 at -1 and infinity / infinity at infinity.
  return f32x4.add(log(t, sum), v128.and(lost, f32x4.lt(f32x4.abs(lost), one)));
}

/** Constants of `tanh` (Cephes tanhf): x + x³ · (T0 · x⁸ + …) where |x| < SMALL. */
function putTanh(t: usize): void {
  putExponential(t);
  put(t, T, -0.00570498872745);
  put(t, T + 16, 0.0206390887954);
  put(t, T + 32, -0.0537397155531);
  put(t, T + 48, 0.133314422036);
  put(t, T + 64, -0.333332819422);
  put(t, SMALL, 0.625);
  put(t, TWO, 2);
  v128.store(t + SIGN, i32x4.splat(0x80000000));
}

// @ts-ignore: decorator
@inline
function tanh(t: usize, x: v128): v128 {
  const sign = v128.load(t, SIGN);
  const size = v128.andnot(x, sign);
  const square = f32x4.mul(x, x);
  let p = madd(v128.load(t, T), square, v128.load(t, T + 16));
  p = madd(p, square, v128.load(t, T + 32));
  p = madd(p, square, v128.load(t, T + 48));
  p = madd(p, square, v128.load(t, T + 64));
  const near = madd(f32x4.mul(p, square), x, x);
  const one = v128.load(t, ONE);
  const two = v128.load(t, TWO);
  const far = f32x4.sub(one, f32x4.div(two, f32x4.add(exp(t, f32x4.add(size, size)), one)));
  return v128.bitselect(near, v128.or(far, v128.and(x, sign)), f32x4.lt(size, v128.load(t, SMALL)));
}

/** max(x, 0) + log(1 + e^-|x|). */
// @ts-ignore: decorator
@inline
function softplus(t: usize, table: usize, x: v128): v128 {
  const tail = log1p(table, exp(t, f32x4.neg(f32x4.abs(x))));
  return f32x4.add(f32x4.max(x, f32x4.splat(0)), tail);
}

/** Abramowitz & Stegun 7.1.26, as tfjs's other backends: absolute error 2e-7. */
// @ts-ignore: decorator
@inline
function erf(t: usize, x: v128): v128 {
  const sign = v128.load(t, SIGN);
  const size = v128.andnot(x, sign);
  const one = v128.load(t, ONE);
  const u = f32x4.div(one, madd(v128.load(t, F), size, one));
  let p = madd(v128.load(t, E), u, v128.load(t, D));
  p = madd(p, u, v128.load(t, C));
  p = madd(p, u, v128.load(t, B));
  p = madd(p, u, v128.load(t, A));
  const tail = f32x4.mul(f32x4.mul(p, u), exp(t, f32x4.neg(f32x4.mul(size, size))));
  return v128.or(f32x4.sub(one, tail), v128.and(x, sign));
}

// ---- the functions themselves: whole vectors, then the last ones through the table

/** Copies the last `count` < 4 floats to the table, where a vector can be loaded. */
// @ts-ignore: decorator
@inline
function rest(table: usize, x: usize, count: i32): v128 {
  v128.store(table + REST, f32x4.splat(0));
  memory.copy(table + REST, x, (<usize>count) * 4);
  return v128.load(table + REST);
}

// @ts-ignore: decorator
@inline
function putBack(table: usize, value: v128, out: usize, count: i32): void {
  v128.store(table + REST, value);
  memory.copy(out, table + REST, (<usize>count) * 4);
}

/** out = e^x. */
export function expFloats(x: usize, out: usize, length: i32, table: usize): void {
  putExponential(table);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = exp(table, v128.load(x));
    const high = exp(table, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, exp(table, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = e^x - 1. */
export function expm1Floats(x: usize, out: usize, length: i32, table: usize): void {
  putExpm1(table);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = expm1(table, v128.load(x));
    const high = expm1(table, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, expm1(table, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = the natural logarithm of x. */
export function logFloats(x: usize, out: usize, length: i32, table: usize): void {
  putLogarithm(table);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = log(table, v128.load(x));
    const high = log(table, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, log(table, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = log(1 + x). */
export function log1pFloats(x: usize, out: usize, length: i32, table: usize): void {
  putLogarithm(table);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = log1p(table, v128.load(x));
    const high = log1p(table, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, log1p(table, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = tanh x. */
export function tanhFloats(x: usize, out: usize, length: i32, table: usize): void {
  putTanh(table);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = tanh(table, v128.load(x));
    const high = tanh(table, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, tanh(table, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = log(1 + e^x); takes two tables, one behind the other. */
export function softplusFloats(x: usize, out: usize, length: i32, table: usize): void {
  putExponential(table);
  putLogarithm(table + TABLE_BYTES);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = softplus(table, table + TABLE_BYTES, v128.load(x));
    const high = softplus(table, table + TABLE_BYTES, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, softplus(table, table + TABLE_BYTES, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = the error function of x. */
export function erfFloats(x: usize, out: usize, length: i32, table: usize): void {
  putExponential(table);
  v128.store(table + SIGN, i32x4.splat(0x80000000));
  put(table, A, 0.254829592);
  put(table, B, -0.284496736);
  put(table, C, 1.421413741);
  put(table, D, -1.453152027);
  put(table, E, 1.061405429);
  put(table, F, 0.3275911);
  const end = out + (<usize>(length & ~7)) * 4;
  while (out < end) {
    const low = erf(table, v128.load(x));
    const high = erf(table, v128.load(x, 16));
    v128.store(out, low);
    v128.store(out, high, 16);
    x += 32;
    out += 32;
  }
  for (let left = length & 7; left > 0; left -= 4) {
    const count = min(left, 4);
    putBack(table, erf(table, rest(table, x, count)), out, count);
    x += 16;
    out += 16;
  }
}

/** out = scale · x where x >= 0, else negative · (e^x - 1): SELU, and ELU with scale 1. */
export function eluFloats(x: usize, out: usize, length: i32, scale: f32, negative: f32, table: usize): void {
  putExpm1(table);
  put(table, A, scale);
  put(table, B, negative);
  for (let left = length; left > 0; left -= 4) {
    const count = min(left, 4);
    const value = count == 4 ? v128.load(x) : rest(table, x, count);
    const below = f32x4.mul(v128.load(table, B), expm1(table, value));
    const above = f32x4.mul(v128.load(table, A), value);
    const result = v128.bitselect(below, above, f32x4.lt(value, f32x4.splat(0)));
    if (count == 4) v128.store(out, result);
    else putBack(table, result, out, count);
    x += 16;
    out += 16;
  }
}

/** out = x where x >= 0, else slope · x. */
export function leakyReluFloats(x: usize, out: usize, length: i32, slope: f32): void {
  const factor = f32x4.splat(slope);
  const zero = f32x4.splat(0);
  const end = out + (<usize>(length & ~3)) * 4;
  while (out < end) {
    const value = v128.load(x);
    v128.store(out, v128.bitselect(f32x4.mul(value, factor), value, f32x4.lt(value, zero)));
    x += 16;
    out += 16;
  }
  for (let i = 0; i < (length & 3); i++) {
    const value = load<f32>(x);
    store<f32>(out, value < 0 ? value * slope : value);
    x += 4;
    out += 4;
  }
}
