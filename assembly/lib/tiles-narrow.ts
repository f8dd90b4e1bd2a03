import { PANEL } from './panel';
import { madd } from './vector';

// Tiles of eight columns: eight accumulators of four lanes are what V8 keeps in registers; more spill (measured: 53 GF/s
// for 4x8, 24-30 for 5x8 and larger).

/** Columns of a tile. */
const WIDTH: i32 = 8;

/** Stores the first `lanes` (1 … 8) of eight lanes. */
// @ts-ignore: decorator
@inline
function storeLanes(address: usize, low: v128, high: v128, lanes: i32): void {
  if (lanes == WIDTH) {
    v128.store(address, low);
    v128.store(address, high, 16);
    return;
  }
  let rest = low;
  if (lanes >= 4) {
    v128.store(address, low);
    address += 16;
    lanes -= 4;
    rest = high;
  }
  if (lanes > 0) v128.store_lane<f32>(address, rest, 0);
  if (lanes > 1) v128.store_lane<f32>(address, rest, 1, 4);
  if (lanes > 2) v128.store_lane<f32>(address, rest, 2, 8);
}

/** `multiplyTile4` of tiles.ts for 1 … 8 lanes; the panel may be wider. */
export function multiplyTile4x8(
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
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  const panelBytes = (<usize>length) * (PANEL * 4);
  for (let row = 0; row < rowRuns; row++) {
    let run = a;
    for (let column = 0; column < columnRuns; column++) {
      let a0 = run;
      let a1 = a0 + rowStep;
      let a2 = a1 + rowStep;
      let a3 = a2 + rowStep;
      const end = b + panelBytes;
      while (b < end) {
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        const x0 = v128.load32_splat(a0);
        c00 = madd(x0, b0, c00);
        c01 = madd(x0, b1, c01);
        const x1 = v128.load32_splat(a1);
        c10 = madd(x1, b0, c10);
        c11 = madd(x1, b1, c11);
        const x2 = v128.load32_splat(a2);
        c20 = madd(x2, b0, c20);
        c21 = madd(x2, b1, c21);
        const x3 = v128.load32_splat(a3);
        c30 = madd(x3, b0, c30);
        c31 = madd(x3, b1, c31);
        b += PANEL * 4;
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
      }
      run += columnRunStep;
    }
    a += rowRunStep;
  }
  storeLanes(out, c00, c01, lanes);
  storeLanes(out + outStep, c10, c11, lanes);
  storeLanes(out + 2 * outStep, c20, c21, lanes);
  storeLanes(out + 3 * outStep, c30, c31, lanes);
}

/** `multiplyTile1` of tiles.ts for 1 … 8 lanes; the panel may be wider. */
export function multiplyTile1x8(
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
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  const panelBytes = (<usize>length) * (PANEL * 4);
  for (let row = 0; row < rowRuns; row++) {
    let run = a;
    for (let column = 0; column < columnRuns; column++) {
      let a0 = run;
      const end = b + panelBytes;
      while (b < end) {
        const x0 = v128.load32_splat(a0);
        c0 = madd(x0, v128.load(b), c0);
        c1 = madd(x0, v128.load(b, 16), c1);
        b += PANEL * 4;
        a0 += 4;
      }
      run += columnRunStep;
    }
    a += rowRunStep;
  }
  storeLanes(out, c0, c1, lanes);
}

/** `addOuterProducts4` of tiles.ts, eight columns. */
export function addOuterProducts4x8(
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
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  const rowBytes = (<usize>width) * bPixel;
  for (let image = 0; image < images; image++) {
    let aStart = a;
    let bStart = b;
    for (let y = 0; y < height; y++) {
      let p = aStart;
      let q = bStart;
      const end = q + rowBytes;
      while (q < end) {
        const b0 = v128.load(q);
        const b1 = v128.load(q, 16);
        const x0 = v128.load32_splat(p);
        c00 = madd(x0, b0, c00);
        c01 = madd(x0, b1, c01);
        const x1 = v128.load32_splat(p, 4);
        c10 = madd(x1, b0, c10);
        c11 = madd(x1, b1, c11);
        const x2 = v128.load32_splat(p, 8);
        c20 = madd(x2, b0, c20);
        c21 = madd(x2, b1, c21);
        const x3 = v128.load32_splat(p, 12);
        c30 = madd(x3, b0, c30);
        c31 = madd(x3, b1, c31);
        p += aPixel;
        q += bPixel;
      }
      aStart += aRow;
      bStart += bRow;
    }
    a += aImage;
    b += bImage;
  }
  addEight(out, c00, c01);
  addEight(out + outStep, c10, c11);
  addEight(out + 2 * outStep, c20, c21);
  addEight(out + 3 * outStep, c30, c31);
}

/** `addOuterProducts1` of tiles.ts, eight columns. */
export function addOuterProducts1x8(
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
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  const rowBytes = (<usize>width) * bPixel;
  for (let image = 0; image < images; image++) {
    let aStart = a;
    let bStart = b;
    for (let y = 0; y < height; y++) {
      let p = aStart;
      let q = bStart;
      const end = q + rowBytes;
      while (q < end) {
        const x0 = v128.load32_splat(p);
        c0 = madd(x0, v128.load(q), c0);
        c1 = madd(x0, v128.load(q, 16), c1);
        p += aPixel;
        q += bPixel;
      }
      aStart += aRow;
      bStart += bRow;
    }
    a += aImage;
    b += bImage;
  }
  addEight(out, c0, c1);
}

// @ts-ignore: decorator
@inline
function addEight(out: usize, low: v128, high: v128): void {
  v128.store(out, f32x4.add(v128.load(out), low));
  v128.store(out, f32x4.add(v128.load(out, 16), high), 16);
}

/**
 * Rows of A (`rowStep` bytes apart, `length` floats each) times one panel of eight columns: as `multiplyTile4x8` over all
 * rows at once, without a call a tile, which matters where rows are short. `rows` is a multiple of four.
 */
export function multiplyRows8(
  a: usize,
  rowStep: usize,
  rows: i32,
  length: i32,
  panel: usize,
  out: usize,
  outStep: usize,
): void {
  const last = panel + (<usize>length) * (PANEL * 4);
  const lastRow = a + (<usize>rows) * rowStep;
  while (a < lastRow) {
    let c00 = f32x4.splat(0);
    let c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0);
    let c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0);
    let c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0);
    let c31 = f32x4.splat(0);
    let b = panel;
    let a0 = a;
    let a1 = a0 + rowStep;
    let a2 = a1 + rowStep;
    let a3 = a2 + rowStep;
    while (b < last) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const x0 = v128.load32_splat(a0);
      c00 = madd(x0, b0, c00);
      c01 = madd(x0, b1, c01);
      const x1 = v128.load32_splat(a1);
      c10 = madd(x1, b0, c10);
      c11 = madd(x1, b1, c11);
      const x2 = v128.load32_splat(a2);
      c20 = madd(x2, b0, c20);
      c21 = madd(x2, b1, c21);
      const x3 = v128.load32_splat(a3);
      c30 = madd(x3, b0, c30);
      c31 = madd(x3, b1, c31);
      b += PANEL * 4;
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    v128.store(out, c00);
    v128.store(out, c01, 16);
    out += outStep;
    v128.store(out, c10);
    v128.store(out, c11, 16);
    out += outStep;
    v128.store(out, c20);
    v128.store(out, c21, 16);
    out += outStep;
    v128.store(out, c30);
    v128.store(out, c31, 16);
    out += outStep;
    a += 4 * rowStep;
  }
}
