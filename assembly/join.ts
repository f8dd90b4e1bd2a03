import { madd } from './lib/vector';

/**
 * out = a' + b' over a, b, out [rows, channels], with ReLU when `relu`. A side is normalised on the way,
 * a' = scale · a + shift with ReLU when `aRelu`, unless the address of its scale is 0: the join of a residual block with
 * batch norms before it, in one pass. `channels` is a multiple of eight.
 */
export function joinNormed(
  a: usize,
  aScale: usize,
  aShift: usize,
  aRelu: bool,
  b: usize,
  bScale: usize,
  bShift: usize,
  bRelu: bool,
  out: usize,
  rows: i32,
  channels: i32,
  relu: bool,
): void {
  const aLeast = f32x4.splat(aRelu ? 0 : -Infinity);
  const bLeast = f32x4.splat(bRelu ? 0 : -Infinity);
  const least = f32x4.splat(relu ? 0 : -Infinity);
  const bytes = (<usize>channels) * 4;
  for (let row = 0; row < rows; row++) {
    for (let c: usize = 0; c < bytes; c += 32) {
      let low = v128.load(a + c);
      let high = v128.load(a + c, 16);
      if (aScale != 0) {
        low = f32x4.max(madd(low, v128.load(aScale + c), v128.load(aShift + c)), aLeast);
        high = f32x4.max(madd(high, v128.load(aScale + c, 16), v128.load(aShift + c, 16)), aLeast);
      }
      let otherLow = v128.load(b + c);
      let otherHigh = v128.load(b + c, 16);
      if (bScale != 0) {
        otherLow = f32x4.max(madd(otherLow, v128.load(bScale + c), v128.load(bShift + c)), bLeast);
        otherHigh = f32x4.max(madd(otherHigh, v128.load(bScale + c, 16), v128.load(bShift + c, 16)), bLeast);
      }
      v128.store(out + c, f32x4.max(f32x4.add(low, otherLow), least));
      v128.store(out + c, f32x4.max(f32x4.add(high, otherHigh), least), 16);
    }
    a += bytes;
    b += bytes;
    out += bytes;
  }
}
