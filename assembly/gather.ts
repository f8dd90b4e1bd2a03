// Anchors against rows of their own choice: bank rows drawn per anchor, generated negatives, further positives. A list
// [anchors, entries] of row numbers says which; a number below 0 is an entry that is not there.
import { addScaled, dot } from './lib/rows';

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
