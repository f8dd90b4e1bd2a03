// Exact top-k by inner product over float32 rows, which lie one after another without padding. Both kernels take a range
// of rows and a heap that outlives the call (lib/topk.ts), so segments are a loop outside; segments are visited in
// ascending order of their rows, because a later row must be strictly better to enter.
// A row whose components are NaN scores NaN, beats nothing and is never returned: that is how rows are deleted.
import { madd, sumLanes } from './lib/vector';
import { replaceWorst } from './lib/topk';
export { clearTop, sortTop } from './lib/topk';

/**
 * One query against rows first … end - 1. Rows are read in order, one at a time: four interleaved rows were three times
 * slower (the hardware prefetcher follows one stream).
 * rows: [end, dim]; query: [dim]; heap: k entries.
 */
export function scanRows(rows: usize, first: i32, end: i32, dim: i32, query: usize, heap: usize, k: i32): void {
  const bytes = (<usize>dim) << 2;
  const blocks = bytes & ~63;
  const quads = bytes & ~15;
  let row = rows + (<usize>first) * bytes;
  let worst = load<f32>(heap);
  const zero = f32x4.splat(0);
  for (let i = first; i < end; i++) {
    let a = zero;
    let b = zero;
    let c = zero;
    let d = zero;
    let j: usize = 0;
    for (; j < blocks; j += 64) {
      a = madd(v128.load(query + j), v128.load(row + j), a);
      b = madd(v128.load(query + j, 16), v128.load(row + j, 16), b);
      c = madd(v128.load(query + j, 32), v128.load(row + j, 32), c);
      d = madd(v128.load(query + j, 48), v128.load(row + j, 48), d);
    }
    for (; j < quads; j += 16) a = madd(v128.load(query + j), v128.load(row + j), a);
    let score = sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
    for (; j < bytes; j += 4) score += load<f32>(query + j) * load<f32>(row + j);
    if (score > worst) {
      replaceWorst(heap, k, score, i);
      worst = load<f32>(heap);
    }
    row += bytes;
  }
}

/** Offers four queries' scores of one row to their heaps; `worst` points at the four thresholds. */
function offer(scores: v128, worst: usize, heap: usize, k: i32, row: i32): void {
  const size = (<usize>k) << 3;
  if (f32x4.extract_lane(scores, 0) > load<f32>(worst)) {
    replaceWorst(heap, k, f32x4.extract_lane(scores, 0), row);
    store<f32>(worst, load<f32>(heap));
  }
  heap += size;
  if (f32x4.extract_lane(scores, 1) > load<f32>(worst, 4)) {
    replaceWorst(heap, k, f32x4.extract_lane(scores, 1), row);
    store<f32>(worst, load<f32>(heap), 4);
  }
  heap += size;
  if (f32x4.extract_lane(scores, 2) > load<f32>(worst, 8)) {
    replaceWorst(heap, k, f32x4.extract_lane(scores, 2), row);
    store<f32>(worst, load<f32>(heap), 8);
  }
  heap += size;
  if (f32x4.extract_lane(scores, 3) > load<f32>(worst, 12)) {
    replaceWorst(heap, k, f32x4.extract_lane(scores, 3), row);
    store<f32>(worst, load<f32>(heap), 12);
  }
}

/**
 * Eight queries at once against rows first … end - 1: lane = query, so no lanes are ever summed, and one comparison with
 * eight thresholds decides whether anything has to be done for a row. Four rows share each load of the panel:
 *
 *   panel [dim][8]   q0 q1 q2 q3 | q4 q5 q6 q7     component j of eight queries
 *   row r, j         splat(x_rj)                   r00 += panel.lo * x, r01 += panel.hi * x, …
 *
 * worst: 8 thresholds (the roots of the heaps; +Infinity for an unused lane); heaps: 8 x k entries.
 */
export function scanPanel(
  rows: usize,
  first: i32,
  end: i32,
  dim: i32,
  panel: usize,
  worst: usize,
  heaps: usize,
  k: i32,
): void {
  const bytes = (<usize>dim) << 2;
  const upper = heaps + ((<usize>k) << 5);
  const zero = f32x4.splat(0);
  let row = rows + (<usize>first) * bytes;
  let i = first;
  for (; i + 4 <= end; i += 4) {
    let r00 = zero;
    let r01 = zero;
    let r10 = zero;
    let r11 = zero;
    let r20 = zero;
    let r21 = zero;
    let r30 = zero;
    let r31 = zero;
    const row1 = row + bytes;
    const row2 = row1 + bytes;
    const row3 = row2 + bytes;
    let q = panel;
    for (let j: usize = 0; j < bytes; j += 4) {
      const lo = v128.load(q);
      const hi = v128.load(q, 16);
      q += 32;
      let x = v128.load32_splat(row + j);
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
    const t0 = v128.load(worst);
    const t1 = v128.load(worst, 16);
    const any01 = v128.or(
      v128.or(f32x4.gt(r00, t0), f32x4.gt(r01, t1)),
      v128.or(f32x4.gt(r10, t0), f32x4.gt(r11, t1)),
    );
    const any23 = v128.or(
      v128.or(f32x4.gt(r20, t0), f32x4.gt(r21, t1)),
      v128.or(f32x4.gt(r30, t0), f32x4.gt(r31, t1)),
    );
    if (v128.any_true(v128.or(any01, any23))) {
      offer(r00, worst, heaps, k, i);
      offer(r01, worst + 16, upper, k, i);
      offer(r10, worst, heaps, k, i + 1);
      offer(r11, worst + 16, upper, k, i + 1);
      offer(r20, worst, heaps, k, i + 2);
      offer(r21, worst + 16, upper, k, i + 2);
      offer(r30, worst, heaps, k, i + 3);
      offer(r31, worst + 16, upper, k, i + 3);
    }
    row = row3 + bytes;
  }
  for (; i < end; i++) {
    let r0 = zero;
    let r1 = zero;
    let q = panel;
    for (let j: usize = 0; j < bytes; j += 4) {
      const x = v128.load32_splat(row + j);
      r0 = madd(v128.load(q), x, r0);
      r1 = madd(v128.load(q, 16), x, r1);
      q += 32;
    }
    offer(r0, worst, heaps, k, i);
    offer(r1, worst + 16, upper, k, i);
    row += bytes;
  }
}
