// The weighted contrastive loss on tiles of similarities: sums over an anchor's negatives, and the weights with which
// rows pull on each other (the gradient with respect to similarities).
//
// With x = e^((s - shift)/tau) and the importance weight w = x^beta an anchor needs, over its selected negatives,
//   sum of w x   and   sum of w,
// and each selected pair then pulls with  scaleWX * w x + scaleW * w.  The two scales come from the sums (see
// src/negatives/anchor-loss.ts). Exponents are base 2: `exponent` is log2(e)/tau.
import { C1, C2, C3, C4, C5, C6, exp2, LOWEST, ROUNDING } from './lib/exp';
import { madd, maxLanes, sumLanes } from './lib/vector';

// Fields of the anchors' table: float32 or int32 arrays, one entry an anchor, `fieldStride` bytes apart.
const SHIFT: usize = 0;
const SCALE_WX: usize = 1;
const SCALE_W: usize = 2;
const FIRST_IN: usize = 3;
const FIRST_IN_INDEX: usize = 4;
const FIRST_OUT: usize = 5;
const FIRST_OUT_INDEX: usize = 6;
const NEIGHBOUR_SHIFT: usize = 7;
const NEIGHBOUR_SCALE: usize = 8;

// How w follows from x.
const UNIFORM = 0; // beta 0: w = 1
const LINEAR = 1; // beta 1: w = x, so one exponential a pair
const POWER = 2; // any other beta: a second exponential

/** Similarities are added up in float32 by runs of this many columns, and the runs in float64. */
const RUN = 512;

/** Masks what the batch never contrasts: an anchor with its own two views (rows i and i ± half), and the padding. */
export function maskViews(
  tile: usize,
  stride: usize,
  firstRow: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  half: i32,
): void {
  const end = min<i32>(firstRow + rows, half * 2);
  for (let i = firstRow; i < end; i++) {
    const row = tile + <usize>(i - firstRow) * stride;
    const self = i - firstColumn;
    const other = (i < half ? i + half : i - half) - firstColumn;
    if (self >= 0 && self < columns) store<f32>(row + ((<usize>self) << 2), -Infinity);
    if (other >= 0 && other < columns) store<f32>(row + ((<usize>other) << 2), -Infinity);
  }
  maskPadding(tile, stride, rows, half * 2 - firstColumn, columns);
}

/** Masks the candidates whose id is the anchor's, and the columns from `present` on. */
export function maskEqual(
  tile: usize,
  stride: usize,
  rows: i32,
  columns: i32,
  anchorIds: usize,
  candidateIds: usize,
  present: i32,
): void {
  const masked = f32x4.splat(-Infinity);
  for (let r = 0; r < rows; r++) {
    const id = v128.load32_splat(anchorIds + ((<usize>r) << 2));
    let at = tile + <usize>r * stride;
    let ids = candidateIds;
    for (let j = 0; j < columns; j += 4, at += 16, ids += 16) {
      const same = i32x4.eq(id, v128.load(ids));
      if (v128.any_true(same)) v128.store(at, v128.bitselect(masked, v128.load(at), same));
    }
  }
  maskPadding(tile, stride, rows, present, columns);
}

/** Masks the columns from `present` on. */
export function maskPadding(tile: usize, stride: usize, rows: i32, present: i32, columns: i32): void {
  for (let j = max<i32>(0, present); j < columns; j++) {
    let at = tile + ((<usize>j) << 2);
    for (let r = 0; r < rows; r++, at += stride) store<f32>(at, -Infinity);
  }
}

/** All ones where a candidate ranks ahead of a boundary (its similarity and index). */
// @ts-ignore: decorator
@inline
function ahead(s: v128, index: v128, boundary: v128, boundaryIndex: v128): v128 {
  return v128.or(
    f32x4.gt(s, boundary),
    v128.and(f32x4.eq(s, boundary), i32x4.lt_s(index, boundaryIndex)),
  );
}

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

/**
 * Replaces a tile of similarities by the weights with which its pairs pull: of row anchor i on column j, and with
 * `mirrored` of column j as an anchor on row i as well, which makes the tile symmetric in the two.
 *
 * `rowTable` and `columnTable` point at the tile's first anchors; `firstRow` and `firstColumn` are their indices. An
 * anchor whose scales are 0 contributes nothing.
 */
export function pairWeights(
  tile: usize,
  stride: usize,
  firstRow: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  exponent: f32,
  beta: f32,
  fixedShift: i32,
  ring: i32,
  neighbours: i32,
  mirrored: i32,
  rowTable: usize,
  columnTable: usize,
  fieldStride: usize,
): void {
  for (let r = 0; r < rows; r++, tile += stride, rowTable += 4) {
    const i = firstRow + r;
    if (ring) {
      if (beta == 0) ringRow(tile, i, firstColumn, columns, exponent, beta, neighbours, mirrored, rowTable, columnTable, fieldStride, UNIFORM);
      else if (beta == 1) ringRow(tile, i, firstColumn, columns, exponent, beta, neighbours, mirrored, rowTable, columnTable, fieldStride, LINEAR);
      else ringRow(tile, i, firstColumn, columns, exponent, beta, neighbours, mirrored, rowTable, columnTable, fieldStride, POWER);
    } else {
      if (beta == 0) plainRow(tile, columns, exponent, beta, fixedShift, mirrored, rowTable, columnTable, fieldStride, UNIFORM);
      else if (beta == 1) plainRow(tile, columns, exponent, beta, fixedShift, mirrored, rowTable, columnTable, fieldStride, LINEAR);
      else plainRow(tile, columns, exponent, beta, fixedShift, mirrored, rowTable, columnTable, fieldStride, POWER);
    }
  }
}

/** scaleWX * w x + scaleW * w for y = log2 x. */
// @ts-ignore: decorator
@inline
function pull(
  y: v128,
  scaleWX: v128,
  scaleW: v128,
  power: v128,
  rounding: v128,
  lowest: v128,
  one: v128,
  c1: v128,
  c2: v128,
  c3: v128,
  c4: v128,
  c5: v128,
  c6: v128,
  weighting: i32,
): v128 {
  const x = exp2(y, rounding, lowest, one, c1, c2, c3, c4, c5, c6);
  if (weighting == UNIFORM) return f32x4.mul(scaleWX, x);
  if (weighting == LINEAR) return f32x4.mul(x, madd(scaleWX, x, scaleW));
  const w = exp2(f32x4.mul(y, power), rounding, lowest, one, c1, c2, c3, c4, c5, c6);
  return f32x4.mul(w, madd(scaleWX, x, scaleW));
}

// @ts-ignore: decorator
@inline
function plainRow(
  at: usize,
  columns: i32,
  exponent: f32,
  beta: f32,
  fixedShift: i32,
  mirrored: i32,
  row: usize,
  column: usize,
  fieldStride: usize,
  weighting: i32,
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
  const shift = v128.load32_splat(row + SHIFT * fieldStride);
  const scaleWX = v128.load32_splat(row + SCALE_WX * fieldStride);
  const scaleW = v128.load32_splat(row + SCALE_W * fieldStride);
  const end = at + ((<usize>columns) << 2);
  const columnWX = column + SCALE_WX * fieldStride;
  const columnW = column + SCALE_W * fieldStride;
  let j: usize = 0;
  if (!mirrored) {
    for (; at < end; at += 16) {
      const y = f32x4.mul(f32x4.sub(v128.load(at), shift), factor);
      v128.store(at, pull(y, scaleWX, scaleW, power, rounding, lowest, one, c1, c2, c3, c4, c5, c6, weighting));
    }
  } else if (fixedShift) {
    // Both anchors see the same x and w: one evaluation with the sum of their scales.
    for (; at < end; at += 16, j += 16) {
      const y = f32x4.mul(f32x4.sub(v128.load(at), one), factor);
      const bothWX = f32x4.add(scaleWX, v128.load(columnWX + j));
      const bothW = f32x4.add(scaleW, v128.load(columnW + j));
      v128.store(at, pull(y, bothWX, bothW, power, rounding, lowest, one, c1, c2, c3, c4, c5, c6, weighting));
    }
  } else {
    for (; at < end; at += 16, j += 16) {
      const s = v128.load(at);
      const y = f32x4.mul(f32x4.sub(s, shift), factor);
      const z = f32x4.mul(f32x4.sub(s, v128.load(column + SHIFT * fieldStride + j)), factor);
      const mine = pull(y, scaleWX, scaleW, power, rounding, lowest, one, c1, c2, c3, c4, c5, c6, weighting);
      const theirs = pull(
        z,
        v128.load(columnWX + j),
        v128.load(columnW + j),
        power, rounding, lowest, one, c1, c2, c3, c4, c5, c6, weighting,
      );
      v128.store(at, f32x4.add(mine, theirs));
    }
  }
}

// @ts-ignore: decorator
@inline
function ringRow(
  at: usize,
  i: i32,
  firstColumn: i32,
  columns: i32,
  exponent: f32,
  beta: f32,
  neighbours: i32,
  mirrored: i32,
  row: usize,
  column: usize,
  fieldStride: usize,
  weighting: i32,
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
  const shift = v128.load32_splat(row + SHIFT * fieldStride);
  const scaleWX = v128.load32_splat(row + SCALE_WX * fieldStride);
  const scaleW = v128.load32_splat(row + SCALE_W * fieldStride);
  const firstIn = v128.load32_splat(row + FIRST_IN * fieldStride);
  const firstInIndex = v128.load32_splat(row + FIRST_IN_INDEX * fieldStride);
  const firstOut = v128.load32_splat(row + FIRST_OUT * fieldStride);
  const firstOutIndex = v128.load32_splat(row + FIRST_OUT_INDEX * fieldStride);
  const neighbourShift = v128.load32_splat(row + NEIGHBOUR_SHIFT * fieldStride);
  const neighbourScale = v128.load32_splat(row + NEIGHBOUR_SCALE * fieldStride);
  const rowIndex = i32x4.splat(i);
  const four = i32x4.splat(4);
  let index = i32x4.add(i32x4.splat(firstColumn), i32x4(0, 1, 2, 3));
  const end = at + ((<usize>columns) << 2);
  for (; at < end; at += 16, column += 16) {
    const s = v128.load(at);
    const before = ahead(s, index, firstIn, firstInIndex);
    const inside = v128.andnot(ahead(s, index, firstOut, firstOutIndex), before);
    let result = f32x4.splat(0);
    // Rings are narrow: most groups of four hold no selected pair.
    if (v128.any_true(inside)) {
      const y = f32x4.mul(f32x4.sub(s, shift), factor);
      const mine = pull(y, scaleWX, scaleW, power, rounding, lowest, one, c1, c2, c3, c4, c5, c6, weighting);
      result = v128.and(mine, inside);
    }
    if (neighbours) {
      const y = f32x4.mul(f32x4.sub(s, neighbourShift), factor);
      const x = exp2(y, rounding, lowest, one, c1, c2, c3, c4, c5, c6);
      result = f32x4.add(result, v128.and(f32x4.mul(neighbourScale, x), before));
    }
    if (mirrored) {
      const theirBefore = ahead(
        s, rowIndex,
        v128.load(column + FIRST_IN * fieldStride),
        v128.load(column + FIRST_IN_INDEX * fieldStride),
      );
      const theirInside = v128.andnot(
        ahead(
          s, rowIndex,
          v128.load(column + FIRST_OUT * fieldStride),
          v128.load(column + FIRST_OUT_INDEX * fieldStride),
        ),
        theirBefore,
      );
      if (v128.any_true(theirInside)) {
        const y = f32x4.mul(f32x4.sub(s, v128.load(column + SHIFT * fieldStride)), factor);
        const theirs = pull(
          y,
          v128.load(column + SCALE_WX * fieldStride),
          v128.load(column + SCALE_W * fieldStride),
          power, rounding, lowest, one, c1, c2, c3, c4, c5, c6, weighting,
        );
        result = f32x4.add(result, v128.and(theirs, theirInside));
      }
      if (neighbours) {
        const y = f32x4.mul(f32x4.sub(s, v128.load(column + NEIGHBOUR_SHIFT * fieldStride)), factor);
        const x = exp2(y, rounding, lowest, one, c1, c2, c3, c4, c5, c6);
        const theirs = f32x4.mul(v128.load(column + NEIGHBOUR_SCALE * fieldStride), x);
        result = f32x4.add(result, v128.and(theirs, theirBefore));
      }
    }
    v128.store(at, result);
    index = i32x4.add(index, four);
  }
}

/** Adds the pull of each anchor on its positive, row i ± half, where that pair lies in the tile. */
export function addPositivePairs(
  tile: usize,
  stride: usize,
  firstRow: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  half: i32,
  mirrored: i32,
  positiveScales: usize,
): void {
  const end = min<i32>(firstRow + rows, half * 2);
  for (let i = firstRow; i < end; i++) {
    const j = i < half ? i + half : i - half;
    if (j < firstColumn || j >= firstColumn + columns) continue;
    const at = tile + <usize>(i - firstRow) * stride + ((<usize>(j - firstColumn)) << 2);
    let scale = load<f32>(positiveScales + ((<usize>i) << 2));
    if (mirrored) scale += load<f32>(positiveScales + ((<usize>j) << 2));
    store<f32>(at, load<f32>(at) + scale);
  }
}
