// k-means over codes: rows are compared with centroids in the rotated space, where codes are, so no vector has to be read.

import { CODES, SCALES } from './lib/verdict';
import { madd, sumLanes } from './lib/vector';

/** Writes scale * code of rows first … first + count - 1 to `out`: f32 [count, dim]. */
export function decodeRows(segment: usize, first: i32, count: i32, dim: i32, stride: i32, out: usize): void {
  for (let i = first; i < first + count; i++) {
    const scale = load<f32>(<usize>load<u32>(segment, SCALES) + ((<usize>i) << 2));
    const code = <usize>load<u32>(segment, CODES) + (<usize>i) * (<usize>stride);
    for (let j = 0; j < dim; j++) {
      store<f32>(out, <f32>load<i8>(code + j) * scale);
      out += 4;
    }
  }
}

/** <query, row> - penalty of each row: rows f32 [count, dim], penalties f32 [count], out f32 [count]. */
export function scoreRows(query: usize, rows: usize, penalties: usize, count: i32, dim: i32, out: usize): void {
  const bytes = (<usize>dim) << 2;
  const quads = bytes & ~15;
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>count; i++, rows += bytes) {
    let sum = zero;
    let j: usize = 0;
    for (; j < quads; j += 16) sum = madd(v128.load(query + j), v128.load(rows + j), sum);
    let score = sumLanes(sum);
    for (; j < bytes; j += 4) score += load<f32>(query + j) * load<f32>(rows + j);
    store<f32>(out + (i << 2), score - load<f32>(penalties + (i << 2)));
  }
}

/** The lane of the largest number, the lowest of equal ones, of eight; `index` gets what stands beside it. */
function bestLane(low: v128, high: v128, lowIndex: v128, highIndex: v128, best: usize): void {
  v128.store(best, low);
  v128.store(best, high, 16);
  v128.store(best, lowIndex, 32);
  v128.store(best, highIndex, 48);
  let top: f32 = -Infinity;
  let index = 0x7fffffff;
  for (let lane: usize = 0; lane < 32; lane += 4) {
    const score = load<f32>(best + lane);
    const at = load<i32>(best + lane, 32);
    if (score > top || (score == top && at < index)) {
      top = score;
      index = at;
    }
  }
  store<f32>(best, top, 64);
  store<i32>(best, index, 68);
}

/**
 * For each vector the centroid with the largest <vector, centroid> - penalty; ties go to the lower.
 * vectors: f32 [count, dim], count a multiple of 4; panels: f32 [centroids / 8, dim, 8]; penalties: f32 [centroids], +Infinity
 * for the padding of the last panel; scratch: 128 bytes; lists: i32 [count]; scores: f32 [count].
 */
export function assignRows(
  vectors: usize,
  count: i32,
  dim: i32,
  panels: usize,
  penalties: usize,
  centroids: i32,
  scratch: usize,
  lists: usize,
  scores: usize,
): void {
  const bytes = (<usize>dim) << 2;
  const zero = f32x4.splat(0);
  const least = f32x4.splat(-Infinity);
  const lanes = i32x4(0, 1, 2, 3);
  for (let n = 0; n < count; n += 4) {
    let best00 = least;
    let best01 = least;
    let best10 = least;
    let best11 = least;
    let best20 = least;
    let best21 = least;
    let best30 = least;
    let best31 = least;
    let at00 = lanes;
    let at01 = lanes;
    let at10 = lanes;
    let at11 = lanes;
    let at20 = lanes;
    let at21 = lanes;
    let at30 = lanes;
    let at31 = lanes;
    const row1 = vectors + bytes;
    const row2 = row1 + bytes;
    const row3 = row2 + bytes;
    let q = panels;
    for (let c = 0; c < centroids; c += 8) {
      let r00 = zero;
      let r01 = zero;
      let r10 = zero;
      let r11 = zero;
      let r20 = zero;
      let r21 = zero;
      let r30 = zero;
      let r31 = zero;
      for (let j: usize = 0; j < bytes; j += 4) {
        const lo = v128.load(q);
        const hi = v128.load(q, 16);
        q += 32;
        let x = v128.load32_splat(vectors + j);
        r00 = madd(lo, x, r00);
        r01 = madd(hi, x, r01);
        x = v128.load32_splat(row1 + j);
        r10 = madd(lo, x, r10);
        r11 = madd(hi, x, r11);
        x = v128.load32_splat(row2 + j);
        r20 = madd(lo, x, r20);
        r21 = madd(hi, x, r21);
        x = v128.load32_splat(row3 + j);
        r30 = madd(lo, x, r30);
        r31 = madd(hi, x, r31);
      }
      const penalty = penalties + ((<usize>c) << 2);
      const p0 = v128.load(penalty);
      const p1 = v128.load(penalty, 16);
      const c0 = i32x4.add(i32x4.splat(c), lanes);
      const c1 = i32x4.add(i32x4.splat(c + 4), lanes);
      r00 = f32x4.sub(r00, p0);
      let better = f32x4.gt(r00, best00);
      best00 = v128.bitselect(r00, best00, better);
      at00 = v128.bitselect(c0, at00, better);
      r01 = f32x4.sub(r01, p1);
      better = f32x4.gt(r01, best01);
      best01 = v128.bitselect(r01, best01, better);
      at01 = v128.bitselect(c1, at01, better);
      r10 = f32x4.sub(r10, p0);
      better = f32x4.gt(r10, best10);
      best10 = v128.bitselect(r10, best10, better);
      at10 = v128.bitselect(c0, at10, better);
      r11 = f32x4.sub(r11, p1);
      better = f32x4.gt(r11, best11);
      best11 = v128.bitselect(r11, best11, better);
      at11 = v128.bitselect(c1, at11, better);
      r20 = f32x4.sub(r20, p0);
      better = f32x4.gt(r20, best20);
      best20 = v128.bitselect(r20, best20, better);
      at20 = v128.bitselect(c0, at20, better);
      r21 = f32x4.sub(r21, p1);
      better = f32x4.gt(r21, best21);
      best21 = v128.bitselect(r21, best21, better);
      at21 = v128.bitselect(c1, at21, better);
      r30 = f32x4.sub(r30, p0);
      better = f32x4.gt(r30, best30);
      best30 = v128.bitselect(r30, best30, better);
      at30 = v128.bitselect(c0, at30, better);
      r31 = f32x4.sub(r31, p1);
      better = f32x4.gt(r31, best31);
      best31 = v128.bitselect(r31, best31, better);
      at31 = v128.bitselect(c1, at31, better);
    }
    bestLane(best00, best01, at00, at01, scratch);
    store<f32>(scores, load<f32>(scratch, 64));
    store<i32>(lists, load<i32>(scratch, 68));
    bestLane(best10, best11, at10, at11, scratch);
    store<f32>(scores, load<f32>(scratch, 64), 4);
    store<i32>(lists, load<i32>(scratch, 68), 4);
    bestLane(best20, best21, at20, at21, scratch);
    store<f32>(scores, load<f32>(scratch, 64), 8);
    store<i32>(lists, load<i32>(scratch, 68), 8);
    bestLane(best30, best31, at30, at31, scratch);
    store<f32>(scores, load<f32>(scratch, 64), 12);
    store<i32>(lists, load<i32>(scratch, 68), 12);
    vectors = row3 + bytes;
    lists += 16;
    scores += 16;
  }
}
