import { madd } from './vector';

/** One lane of a multiply-add, for the self-check at load: must be a*b+c, rounded once or twice. */
export function probeMadd(a: f32, b: f32, c: f32): f32 {
  return f32x4.extract_lane(madd(f32x4.splat(a), f32x4.splat(b), f32x4.splat(c)), 0);
}
