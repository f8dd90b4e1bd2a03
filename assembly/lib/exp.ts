import { madd } from './vector';

// 2^f on [-1/2, 1/2] as 1 + f * (C1 + f * (C2 + ...)): least largest relative error (Lawson's iteration), 2e-9 before
// rounding and 1e-7 in float32. Callers splat these before their loop: V8 of Node 24 would rebuild them in each turn.
export const C1: f32 = 0.6931472057374279;
export const C2: f32 = 0.24022646890611915;
export const C3: f32 = 0.05550328776612227;
export const C4: f32 = 0.009618488958269542;
export const C5: f32 = 0.0013399931362378138;
export const C6: f32 = 0.00015345812025371192;
/** Adding 1.5 * 2^23 rounds to an integer, which then sits in the lowest bits. */
export const ROUNDING: f32 = 12582912;
/** The least exponent of a normal float32: smaller arguments give 0. */
export const LOWEST: f32 = -126;

/**
 * 2^y for y in [-126, 127], exactly 0 below (also for -infinity); above 127 the result is meaningless. NaN gives 0.
 * Exponentials to the base e take log2(e) into the factor of their argument.
 */
// @ts-ignore: decorator
@inline
export function exp2(
  y: v128,
  rounding: v128,
  lowest: v128,
  one: v128,
  c1: v128,
  c2: v128,
  c3: v128,
  c4: v128,
  c5: v128,
  c6: v128,
): v128 {
  const shifted = f32x4.add(y, rounding);
  const f = f32x4.sub(y, f32x4.sub(shifted, rounding));
  let p = madd(c6, f, c5);
  p = madd(p, f, c4);
  p = madd(p, f, c3);
  p = madd(p, f, c2);
  p = madd(p, f, c1);
  p = madd(p, f, one);
  return v128.and(i32x4.add(p, i32x4.shl(shifted, 23)), f32x4.ge(y, lowest));
}

/** out[i] = 2^values[i] for any count; the kernels use `exp2` in registers, this is for its tests. */
export function exp2Array(values: usize, count: i32, out: usize): void {
  const rounding = f32x4.splat(ROUNDING);
  const lowest = f32x4.splat(LOWEST);
  const one = f32x4.splat(1);
  const c1 = f32x4.splat(C1);
  const c2 = f32x4.splat(C2);
  const c3 = f32x4.splat(C3);
  const c4 = f32x4.splat(C4);
  const c5 = f32x4.splat(C5);
  const c6 = f32x4.splat(C6);
  let i = 0;
  for (; i + 8 <= count; i += 8, values += 32, out += 32) {
    const low = exp2(v128.load(values), rounding, lowest, one, c1, c2, c3, c4, c5, c6);
    const high = exp2(v128.load(values, 16), rounding, lowest, one, c1, c2, c3, c4, c5, c6);
    v128.store(out, low);
    v128.store(out, high, 16);
  }
  for (; i < count; i++, values += 4, out += 4) {
    const y = v128.load32_splat(values);
    store<f32>(out, f32x4.extract_lane(exp2(y, rounding, lowest, one, c1, c2, c3, c4, c5, c6), 0));
  }
}
