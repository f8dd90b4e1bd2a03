import { PANEL, panelled, TILE } from './panel';
import { addOuterProducts1x8, addOuterProducts4x8, multiplyRows8, multiplyTile1x8, multiplyTile4x8 } from './tiles-narrow';
import { addOuterProducts4x16, multiplyRows16, multiplyTile4x16 } from './tiles-wide';

// The register tiles that all matrix work is made of, in the build target's width. An element is the same sum in the same
// order in either width, so the relaxed and the paired tier agree to the bit.

export { PANEL, panelled, TILE };

/** Columns of a narrow tile, and bytes to the second one. */
const NARROW: i32 = 8;
const NEXT: usize = 32;

/**
 * Four rows of A times one panel of B, out[4][lanes]. A row of A is `rowRuns` x `columnRuns` runs of `length`
 * contiguous floats; rows are `rowStep` bytes apart. The panel holds `PANEL` columns for each float of a row.
 *
 *     a0 ▪▪▪▪▪ … ▪▪▪▪▪        b ████████        out ████████
 *     a1 ▪▪▪▪▪ … ▪▪▪▪▪    x     ████████   =        ████████
 *     a2 ▪▪▪▪▪ … ▪▪▪▪▪          ████████            ████████
 *     a3 ▪▪▪▪▪ … ▪▪▪▪▪          …                   ████████
 */
// @ts-ignore: decorator
@inline
export function multiplyTile4(
  a: usize,
  rowStep: usize,
  rowRuns: i32,
  rowRunStep: usize,
  columnRuns: i32,
  columnRunStep: usize,
  length: i32,
  b: usize,
  out: usize,
  outStep: usize,
  lanes: i32,
): void {
  if (PANEL == 16) {
    if (lanes == PANEL) {
      multiplyTile4x16(a, rowStep, rowRuns, rowRunStep, columnRuns, columnRunStep, length, b, out, outStep);
    } else {
      const first = min(lanes, NARROW);
      multiplyTile4x8(a, rowStep, rowRuns, rowRunStep, columnRuns, columnRunStep, length, b, out, outStep, first);
      if (lanes > NARROW) {
        multiplyTile4x8(
          a, rowStep, rowRuns, rowRunStep, columnRuns, columnRunStep, length, b + NEXT, out + NEXT, outStep, lanes - NARROW,
        );
      }
    }
  } else {
    multiplyTile4x8(a, rowStep, rowRuns, rowRunStep, columnRuns, columnRunStep, length, b, out, outStep, lanes);
  }
}

/** `rows` (a multiple of four) rows of A, of `length` floats each, times one panel of B: all `PANEL` columns of out. */
// @ts-ignore: decorator
@inline
export function multiplyRows(
  a: usize,
  rowStep: usize,
  rows: i32,
  length: i32,
  panel: usize,
  out: usize,
  outStep: usize,
): void {
  if (PANEL == 16) multiplyRows16(a, rowStep, rows, length, panel, out, outStep);
  else multiplyRows8(a, rowStep, rows, length, panel, out, outStep);
}

/** One row of A times one panel of B; as `multiplyTile4`. */
// @ts-ignore: decorator
@inline
export function multiplyTile1(
  a: usize,
  rowRuns: i32,
  rowRunStep: usize,
  columnRuns: i32,
  columnRunStep: usize,
  length: i32,
  b: usize,
  out: usize,
  lanes: i32,
): void {
  multiplyTile1x8(a, rowRuns, rowRunStep, columnRuns, columnRunStep, length, b, out, min(lanes, NARROW));
  if (PANEL == 16) {
    if (lanes > NARROW) {
      multiplyTile1x8(a, rowRuns, rowRunStep, columnRuns, columnRunStep, length, b + NEXT, out + NEXT, lanes - NARROW);
    }
  }
}

/**
 * out[4][PANEL] += sum over images, rows and pixels of a[0…3] ⊗ b[0…PANEL): four values of A and a panel's width of B at
 * every pixel. The sum of a call is formed on its own before it is added, which keeps long sums accurate.
 */
// @ts-ignore: decorator
@inline
export function addOuterProducts4(
  a: usize,
  aPixel: usize,
  aRow: usize,
  aImage: usize,
  b: usize,
  bPixel: usize,
  bRow: usize,
  bImage: usize,
  width: i32,
  height: i32,
  images: i32,
  out: usize,
  outStep: usize,
): void {
  if (PANEL == 16) {
    addOuterProducts4x16(a, aPixel, aRow, aImage, b, bPixel, bRow, bImage, width, height, images, out, outStep);
  } else {
    addOuterProducts4x8(a, aPixel, aRow, aImage, b, bPixel, bRow, bImage, width, height, images, out, outStep);
  }
}

/** out[PANEL] += sum over images, rows and pixels of one value of A times a panel's width of B; as `addOuterProducts4`. */
// @ts-ignore: decorator
@inline
export function addOuterProducts1(
  a: usize,
  aPixel: usize,
  aRow: usize,
  aImage: usize,
  b: usize,
  bPixel: usize,
  bRow: usize,
  bImage: usize,
  width: i32,
  height: i32,
  images: i32,
  out: usize,
): void {
  addOuterProducts1x8(a, aPixel, aRow, aImage, b, bPixel, bRow, bImage, width, height, images, out);
  if (PANEL == 16) {
    addOuterProducts1x8(a, aPixel, aRow, aImage, b + NEXT, bPixel, bRow, bImage, width, height, images, out + NEXT);
  }
}
