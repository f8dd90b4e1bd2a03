// Anchors against rows of their own choice: bank rows drawn per anchor, generated negatives, further positives. A list
// [anchors, entries] of row numbers says which; a number below 0 is an entry that is not there.
import { madd, sumLanes } from './lib/vector';

/** a . b over `dim` floats. */
// @ts-ignore: decorator
@inline
function dot(a: usize, b: usize, dim: i32): f32 {
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
function addScaled(scale: f32, row: usize, dim: i32, to: usize): void {
  const factor = f32x4.splat(scale);
  const end = row + ((<usize>dim) << 2);
  for (; row + 16 <= end; row += 16, to += 16) v128.store(to, madd(factor, v128.load(row), v128.load(to)));
  for (; row < end; row += 4, to += 4) store<f32>(to, load<f32>(to) + scale * load<f32>(row));
}

/**
 * out[i][e] = anchor_i . row[list[i][e]] for `entries` entries an anchor; an entry that is not there, and those up to
 * `padded`, are -Infinity. `listStride` and `stride` are the bytes between the lists and between rows of out.
 */
export function gatherDots(
  anchors: usize,
  count: i32,
  dim: i32,
  rows: usize,
  list: usize,
  listStride: usize,
  entries: i32,
  padded: i32,
  out: usize,
  stride: usize,
): void {
  const bytes = (<usize>dim) << 2;
  for (let i = 0; i < count; i++, anchors += bytes, list += listStride, out += stride) {
    for (let e = 0; e < padded; e++) {
      const at = (<usize>e) << 2;
      const row = e < entries ? load<i32>(list + at) : -1;
      store<f32>(out + at, row < 0 ? -Infinity : dot(anchors, rows + <usize>row * bytes, dim));
    }
  }
}

/** out_i += sum over e of weights[i][e] * row[list[i][e]]. */
export function addGatheredRows(
  weights: usize,
  stride: usize,
  list: usize,
  listStride: usize,
  count: i32,
  entries: i32,
  rows: usize,
  dim: i32,
  out: usize,
): void {
  const bytes = (<usize>dim) << 2;
  for (let i = 0; i < count; i++, out += bytes, list += listStride, weights += stride) {
    for (let e = 0; e < entries; e++) {
      const row = load<i32>(list + ((<usize>e) << 2));
      const weight = load<f32>(weights + ((<usize>e) << 2));
      if (row >= 0 && weight != 0) addScaled(weight, rows + <usize>row * bytes, dim, out);
    }
  }
}

/** out[list[i][e]] += weights[i][e] * anchor_i: what the anchors do to the rows they chose. */
export function scatterAnchors(
  weights: usize,
  stride: usize,
  list: usize,
  listStride: usize,
  count: i32,
  entries: i32,
  anchors: usize,
  dim: i32,
  out: usize,
): void {
  const bytes = (<usize>dim) << 2;
  for (let i = 0; i < count; i++, anchors += bytes, list += listStride, weights += stride) {
    for (let e = 0; e < entries; e++) {
      const row = load<i32>(list + ((<usize>e) << 2));
      const weight = load<f32>(weights + ((<usize>e) << 2));
      if (row >= 0 && weight != 0) addScaled(weight, anchors, dim, out + <usize>row * bytes);
    }
  }
}
