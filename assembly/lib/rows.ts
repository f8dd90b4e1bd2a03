import { madd, sumLanes } from './vector';

// Arithmetic on single rows of floats, for kernels that pick rows one by one.

/** a . b over `dim` floats. */
// @ts-ignore: decorator
@inline
export function dot(a: usize, b: usize, dim: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = a + ((<usize>dim) << 2);
  for (; a + 64 <= end; a += 64, b += 64) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3);
  }
  for (; a + 16 <= end; a += 16, b += 16) s0 = madd(v128.load(a), v128.load(b), s0);
  let total = sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  for (; a < end; a += 4, b += 4) total += load<f32>(a) * load<f32>(b);
  return total;
}

/** to += scale * row over `dim` floats. */
// @ts-ignore: decorator
@inline
export function addScaled(scale: f32, row: usize, dim: i32, to: usize): void {
  const factor = f32x4.splat(scale);
  const end = row + ((<usize>dim) << 2);
  for (; row + 16 <= end; row += 16, to += 16) v128.store(to, madd(factor, v128.load(row), v128.load(to)));
  for (; row < end; row += 4, to += 4) store<f32>(to, load<f32>(to) + scale * load<f32>(row));
}
