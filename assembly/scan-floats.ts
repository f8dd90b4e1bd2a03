// Exact top-k from float32 rows, for sets so small that codes do not pay. As in scan-codes.ts a bound decides which rows are
// scored in float64: the float32 product is within dim u |q| |x| of <q, x>, in whatever order and fused or not it is added,
// so both kernels give the same hits to the bit. Rows are read in order, one at a time: four interleaved rows were three
// times slower (the hardware prefetcher follows one stream).
import { madd, sumLanes } from './lib/vector';
import {
  DIM,
  FLOAT_FACTOR,
  FLOATS,
  lanesOf,
  MASK,
  NORMS,
  OFFSETS,
  SLACK,
  THRESHOLD,
  VECTORS,
  verify,
} from './lib/verdict';

/** Rows first … end - 1 of a segment against one query; arguments as `scanFine`. */
export function scanFloats(query: usize, segment: usize, first: i32, end: i32, masked: i32): void {
  const dim = load<i32>(query, DIM);
  const floats = <usize>load<u32>(query, FLOATS);
  const norms = <usize>load<u32>(segment, NORMS);
  const offsets = <usize>load<u32>(segment, OFFSETS);
  const mask = masked ? <usize>load<u32>(segment, MASK) : 0;
  const factor = load<f32>(query, FLOAT_FACTOR);
  const slack = load<f32>(query, SLACK);
  const bytes = (<usize>dim) << 2;
  const blocks = bytes & ~63;
  const quads = bytes & ~15;
  const zero = f32x4.splat(0);
  let threshold = load<f32>(query, THRESHOLD);
  let row = <usize>load<u32>(segment, VECTORS) + (<usize>first) * bytes;
  for (let i = first; i < end; i++, row += bytes) {
    if (mask && !((load<u8>(mask + (i >> 3)) >> (<u8>(i & 7))) & 1)) continue;
    let a = zero;
    let b = zero;
    let c = zero;
    let d = zero;
    let j: usize = 0;
    for (; j < blocks; j += 64) {
      a = madd(v128.load(floats + j), v128.load(row + j), a);
      b = madd(v128.load(floats + j, 16), v128.load(row + j, 16), b);
      c = madd(v128.load(floats + j, 32), v128.load(row + j, 32), c);
      d = madd(v128.load(floats + j, 48), v128.load(row + j, 48), d);
    }
    for (; j < quads; j += 16) a = madd(v128.load(floats + j), v128.load(row + j), a);
    let product = sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
    for (; j < bytes; j += 4) product += load<f32>(floats + j) * load<f32>(row + j);
    const at = (<usize>i) << 2;
    const bound = product + factor * load<f32>(norms + at) + ((offsets ? load<f32>(offsets + at) : 0) + slack);
    if (bound > threshold) {
      verify(query, segment, i);
      threshold = load<f32>(query, THRESHOLD);
    }
  }
}

/** Verifies row i for the queries of four lanes whose bound exceeds their threshold, and renews the thresholds. */
function open(queries: usize, bytes: usize, thresholds: usize, lanes: i32, segment: usize, i: i32): void {
  for (; lanes; lanes &= lanes - 1) {
    const lane = <usize>ctz(lanes);
    const query = queries + lane * bytes;
    verify(query, segment, i);
    store<f32>(thresholds + (lane << 2), load<f32>(query, THRESHOLD));
  }
}

/**
 * Eight queries at once: lane = query, so no lanes are ever summed. Four rows share each load of the panel:
 *
 *   panel [dim][8]   q0 q1 q2 q3 | q4 q5 q6 q7     component j of eight queries
 *   row r, j         splat(x_rj)                   r00 += panel.lo * x, r01 += panel.hi * x, …
 *
 * queries: 8 query blocks, `queryBytes` apart; factors, thresholds: f32 [8], the thresholds +Infinity for unused lanes.
 */
export function scanPanel(
  queries: usize,
  queryBytes: i32,
  panel: usize,
  factors: usize,
  thresholds: usize,
  segment: usize,
  first: i32,
  end: i32,
  masked: i32,
): void {
  const dim = load<i32>(queries, DIM);
  const norms = <usize>load<u32>(segment, NORMS);
  const offsets = <usize>load<u32>(segment, OFFSETS);
  const mask = masked ? <usize>load<u32>(segment, MASK) : 0;
  const slack = load<f32>(queries, SLACK);
  const lowFactor = v128.load(factors);
  const highFactor = v128.load(factors, 16);
  const bytes = (<usize>dim) << 2;
  const upper = queries + ((<usize>queryBytes) << 2);
  const zero = f32x4.splat(0);
  let i = first & ~3;
  let row = <usize>load<u32>(segment, VECTORS) + (<usize>i) * bytes;
  for (; i < end; i += 4, row += bytes << 2) {
    const rows = lanesOf(mask, i, first, end);
    if (!rows) continue;
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
    for (let n = 0; n < 4; n++) {
      const at = (<usize>(i + n)) << 2;
      const norm = v128.load32_splat(norms + at);
      const rest = f32x4.splat((offsets ? load<f32>(offsets + at) : 0) + slack);
      const lo = f32x4.add(f32x4.add(n == 0 ? r00 : n == 1 ? r10 : n == 2 ? r20 : r30, f32x4.mul(lowFactor, norm)), rest);
      const hi = f32x4.add(
        f32x4.add(n == 0 ? r01 : n == 1 ? r11 : n == 2 ? r21 : r31, f32x4.mul(highFactor, norm)),
        rest,
      );
      if (!((rows >> n) & 1)) continue;
      const low = i32x4.bitmask(f32x4.gt(lo, v128.load(thresholds)));
      if (low) open(queries, queryBytes, thresholds, low, segment, i + n);
      const high = i32x4.bitmask(f32x4.gt(hi, v128.load(thresholds, 16)));
      if (high) open(upper, queryBytes, thresholds + 16, high, segment, i + n);
    }
  }
}
