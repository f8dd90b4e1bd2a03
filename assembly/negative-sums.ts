// The sums of the weighted contrastive loss over an anchor's negatives, from tiles of similarities.
//
// With x = e^((s - shift)/tau) and the importance weight w = x^beta an anchor needs, over its selected negatives,
//   sum of w x   and   sum of w
// for its loss and the scales of its gradient (src/negatives/anchor-loss.ts; pair-weights.ts). Exponents are base 2:
// `exponent` is log2(e)/tau.
import {
  ahead,
  FIRST_IN,
  FIRST_IN_INDEX,
  FIRST_OUT,
  FIRST_OUT_INDEX,
  LINEAR,
  NEIGHBOUR_SHIFT,
  POWER,
  SHIFT,
  UNIFORM,
} from './lib/anchors';
import { C1, C2, C3, C4, C5, C6, exp2, LOWEST, ROUNDING } from './lib/exp';
import { madd, maxLanes, sumLanes } from './lib/vector';

/** Similarities are added up in float32 by runs of this many columns, and the runs in float64. */
const RUN = 512;

// An anchor's record of sums, 64 bytes: what is asked for, and the lanes of a run that is not complete.
const SUM_WX: usize = 0; // float64
const SUM_W: usize = 8; // float64; 0 for beta 0
const SUM_AHEAD: usize = 16; // float64
const HARDEST: usize = 24; // float64
const LANES_WX: usize = 32;
const LANES_W: usize = 48;
const RECORD: usize = 64;

/**
 * The sums of `rows` anchors over columns [firstColumn, firstColumn + columns) of `allColumns` (multiples of 4); masked
 * similarities count for nothing. Column 0 begins an anchor's record and the last column completes it; between them the
 * additions are the same, in the same order, whether a row comes whole or in parts.
 *
 * `table` points at the first of these anchors. With `fixedShift` exponents are of (s - 1)/tau, which the gradient can
 * share between two anchors; without it (whole rows only) the shift is the largest selected similarity, so that nothing
 * underflows at any temperature. Shifts are written to the table.
 */
export function sumNegatives(
  similarities: usize,
  stride: usize,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  allColumns: i32,
  exponent: f32,
  beta: f32,
  fixedShift: i32,
  ring: i32,
  neighbours: i32,
  table: usize,
  fieldStride: usize,
  records: usize,
): void {
  for (let r = 0; r < rows; r++, similarities += stride, table += 4, records += RECORD) {
    if (firstColumn == 0) {
      memory.fill(records, 0, RECORD);
      store<f64>(records, -Infinity, HARDEST);
    }
    const hardest = max<f32>(<f32>load<f64>(records, HARDEST), largest(similarities, columns));
    store<f64>(records, hardest, HARDEST);
    const firstIn = ring ? load<f32>(table + FIRST_IN * fieldStride) : Infinity;
    let shift: f32 = 1;
    if (!fixedShift) shift = abs(firstIn) < Infinity ? firstIn : hardest;
    // An anchor without a negative: any finite shift will do.
    if (!(abs(shift) < Infinity)) shift = 0;
    store<f32>(table + SHIFT * fieldStride, shift);
    const neighbourShift: f32 = abs(hardest) < Infinity ? hardest : 0;
    store<f32>(table + NEIGHBOUR_SHIFT * fieldStride, neighbourShift);
    if (neighbours) {
      const ahead = sumAhead(similarities, columns, exponent, neighbourShift, table, fieldStride);
      store<f64>(records, ahead, SUM_AHEAD);
    }
    if (ring) {
      if (beta == 0) sumRow(similarities, firstColumn, columns, allColumns, exponent, beta, shift, table, fieldStride, records, UNIFORM, true);
      else if (beta == 1) sumRow(similarities, firstColumn, columns, allColumns, exponent, beta, shift, table, fieldStride, records, LINEAR, true);
      else sumRow(similarities, firstColumn, columns, allColumns, exponent, beta, shift, table, fieldStride, records, POWER, true);
    } else {
      if (beta == 0) sumRow(similarities, firstColumn, columns, allColumns, exponent, beta, shift, table, fieldStride, records, UNIFORM, false);
      else if (beta == 1) sumRow(similarities, firstColumn, columns, allColumns, exponent, beta, shift, table, fieldStride, records, LINEAR, false);
      else sumRow(similarities, firstColumn, columns, allColumns, exponent, beta, shift, table, fieldStride, records, POWER, false);
    }
  }
}

function largest(row: usize, columns: i32): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  const end = row + ((<usize>columns) << 2);
  for (; row + 32 <= end; row += 32) {
    m0 = f32x4.pmax(m0, v128.load(row));
    m1 = f32x4.pmax(m1, v128.load(row, 16));
  }
  for (; row < end; row += 16) m0 = f32x4.pmax(m0, v128.load(row));
  return maxLanes(f32x4.pmax(m0, m1));
}

// @ts-ignore: decorator
@inline
function sumRow(
  row: usize,
  firstColumn: i32,
  columns: i32,
  allColumns: i32,
  exponent: f32,
  beta: f32,
  shift: f32,
  table: usize,
  fieldStride: usize,
  record: usize,
  weighting: i32,
  ring: bool,
): void {
  const rounding = f32x4.splat(ROUNDING);
  const lowest = f32x4.splat(LOWEST);
  const one = f32x4.splat(1);
  const c1 = f32x4.splat(C1);
  const c2 = f32x4.splat(C2);
  const c3 = f32x4.splat(C3);
  const c4 = f32x4.splat(C4);
  const c5 = f32x4.splat(C5);
  const c6 = f32x4.splat(C6);
  const factor = f32x4.splat(exponent);
  const power = f32x4.splat(beta);
  const middle = f32x4.splat(shift);
  const firstIn = v128.load32_splat(table + FIRST_IN * fieldStride);
  const firstInIndex = v128.load32_splat(table + FIRST_IN_INDEX * fieldStride);
  const firstOut = v128.load32_splat(table + FIRST_OUT * fieldStride);
  const firstOutIndex = v128.load32_splat(table + FIRST_OUT_INDEX * fieldStride);
  const four = i32x4.splat(4);
  let index = i32x4(0, 1, 2, 3);
  let sumWX = v128.load(record, LANES_WX);
  let sumW = v128.load(record, LANES_W);
  const zero = f32x4.splat(0);
  let column = firstColumn;
  const lastColumn = firstColumn + columns;
  while (column < lastColumn) {
    // Runs begin at multiples of RUN, wherever this part of the row begins.
    const runEnd = min<i32>(lastColumn, column - (column % RUN) + RUN);
    const end = row + ((<usize>(runEnd - column)) << 2);
    column = runEnd;
    for (; row < end; row += 16) {
      const s = v128.load(row);
      const y = f32x4.mul(f32x4.sub(s, middle), factor);
      let x = exp2(y, rounding, lowest, one, c1, c2, c3, c4, c5, c6);
      if (ring) {
        const inside = v128.andnot(
          ahead(s, index, firstOut, firstOutIndex),
          ahead(s, index, firstIn, firstInIndex),
        );
        x = v128.and(x, inside);
        index = i32x4.add(index, four);
        if (weighting == POWER) {
          const w = v128.and(exp2(f32x4.mul(y, power), rounding, lowest, one, c1, c2, c3, c4, c5, c6), inside);
          sumWX = madd(w, x, sumWX);
          sumW = f32x4.add(sumW, w);
        }
      } else if (weighting == POWER) {
        const w = exp2(f32x4.mul(y, power), rounding, lowest, one, c1, c2, c3, c4, c5, c6);
        sumWX = madd(w, x, sumWX);
        sumW = f32x4.add(sumW, w);
      }
      if (weighting == UNIFORM) {
        sumWX = f32x4.add(sumWX, x);
      } else if (weighting == LINEAR) {
        sumWX = madd(x, x, sumWX);
        sumW = f32x4.add(sumW, x);
      }
    }
    if (column % RUN == 0 || column == allColumns) {
      store<f64>(record, load<f64>(record, SUM_WX) + <f64>sumLanes(sumWX), SUM_WX);
      store<f64>(record, load<f64>(record, SUM_W) + <f64>sumLanes(sumW), SUM_W);
      sumWX = zero;
      sumW = zero;
    }
  }
  v128.store(record, sumWX, LANES_WX);
  v128.store(record, sumW, LANES_W);
}

/** Sum of x over the candidates ahead of the ring. */
function sumAhead(row: usize, columns: i32, exponent: f32, shift: f32, table: usize, fieldStride: usize): f64 {
  const rounding = f32x4.splat(ROUNDING);
  const lowest = f32x4.splat(LOWEST);
  const one = f32x4.splat(1);
  const c1 = f32x4.splat(C1);
  const c2 = f32x4.splat(C2);
  const c3 = f32x4.splat(C3);
  const c4 = f32x4.splat(C4);
  const c5 = f32x4.splat(C5);
  const c6 = f32x4.splat(C6);
  const factor = f32x4.splat(exponent);
  const middle = f32x4.splat(shift);
  const firstIn = v128.load32_splat(table + FIRST_IN * fieldStride);
  const firstInIndex = v128.load32_splat(table + FIRST_IN_INDEX * fieldStride);
  const none = f32x4.splat(Infinity);
  // Without a boundary nothing is ahead of it; `ahead` alone would say so too, this only saves the pass.
  if (v128.any_true(f32x4.eq(firstIn, none))) return 0;
  const four = i32x4.splat(4);
  let index = i32x4(0, 1, 2, 3);
  let total: f64 = 0;
  for (let start = 0; start < columns; start += RUN) {
    const end = row + ((<usize>min<i32>(RUN, columns - start)) << 2);
    let sum = f32x4.splat(0);
    for (; row < end; row += 16) {
      const s = v128.load(row);
      const y = f32x4.mul(f32x4.sub(s, middle), factor);
      const x = exp2(y, rounding, lowest, one, c1, c2, c3, c4, c5, c6);
      sum = f32x4.add(sum, v128.and(x, ahead(s, index, firstIn, firstInIndex)));
      index = i32x4.add(index, four);
    }
    total += <f64>sumLanes(sum);
  }
  return total;
}
