// The gradient of the weighted contrastive loss with respect to tiles of similarities: the weights with which rows pull
// on each other. A selected pair pulls with  scaleWX * w x + scaleW * w,  where x = e^((s - shift)/tau), w = x^beta and the
// scales come from the anchor's sums (negative-sums.ts). Exponents are base 2: `exponent` is log2(e)/tau.
import {
  ahead,
  FIRST_IN,
  FIRST_IN_INDEX,
  FIRST_OUT,
  FIRST_OUT_INDEX,
  LINEAR,
  NEIGHBOUR_SCALE,
  NEIGHBOUR_SHIFT,
  POWER,
  SCALE_W,
  SCALE_WX,
  SHIFT,
  UNIFORM,
} from './lib/anchors';
import { C1, C2, C3, C4, C5, C6, exp2, LOWEST, ROUNDING } from './lib/exp';
import { madd } from './lib/vector';

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
