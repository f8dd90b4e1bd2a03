import { madd } from './vector';

// Tiles of sixteen columns for the paired tier: V8 makes eight 256-bit accumulators of the sixteen (106 GF/s against 54 of
// 4x8). All sixteen columns are always there: what is narrower goes to tiles-narrow.ts.

/** Columns of a tile, and of the panel. */
const WIDTH: i32 = 16;

/** `multiplyTile4` of tiles.ts, all sixteen columns. */
export function multiplyTile4x16(
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
): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c02 = f32x4.splat(0);
  let c03 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c12 = f32x4.splat(0);
  let c13 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c22 = f32x4.splat(0);
  let c23 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c32 = f32x4.splat(0);
  let c33 = f32x4.splat(0);
  const panelBytes = (<usize>length) * (WIDTH * 4);
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
        const b2 = v128.load(b, 32);
        const b3 = v128.load(b, 48);
        const x0 = v128.load32_splat(a0);
        c00 = madd(x0, b0, c00);
        c01 = madd(x0, b1, c01);
        c02 = madd(x0, b2, c02);
        c03 = madd(x0, b3, c03);
        const x1 = v128.load32_splat(a1);
        c10 = madd(x1, b0, c10);
        c11 = madd(x1, b1, c11);
        c12 = madd(x1, b2, c12);
        c13 = madd(x1, b3, c13);
        const x2 = v128.load32_splat(a2);
        c20 = madd(x2, b0, c20);
        c21 = madd(x2, b1, c21);
        c22 = madd(x2, b2, c22);
        c23 = madd(x2, b3, c23);
        const x3 = v128.load32_splat(a3);
        c30 = madd(x3, b0, c30);
        c31 = madd(x3, b1, c31);
        c32 = madd(x3, b2, c32);
        c33 = madd(x3, b3, c33);
        b += WIDTH * 4;
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
      }
      run += columnRunStep;
    }
    a += rowRunStep;
  }
  storeRow(out, c00, c01, c02, c03);
  storeRow(out + outStep, c10, c11, c12, c13);
  storeRow(out + 2 * outStep, c20, c21, c22, c23);
  storeRow(out + 3 * outStep, c30, c31, c32, c33);
}

// @ts-ignore: decorator
@inline
function storeRow(out: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  v128.store(out, c0);
  v128.store(out, c1, 16);
  v128.store(out, c2, 32);
  v128.store(out, c3, 48);
}

/** `addOuterProducts4` of tiles.ts. */
export function addOuterProducts4x16(
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
  let c02 = f32x4.splat(0);
  let c03 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c12 = f32x4.splat(0);
  let c13 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c22 = f32x4.splat(0);
  let c23 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c32 = f32x4.splat(0);
  let c33 = f32x4.splat(0);
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
        const b2 = v128.load(q, 32);
        const b3 = v128.load(q, 48);
        const x0 = v128.load32_splat(p);
        c00 = madd(x0, b0, c00);
        c01 = madd(x0, b1, c01);
        c02 = madd(x0, b2, c02);
        c03 = madd(x0, b3, c03);
        const x1 = v128.load32_splat(p, 4);
        c10 = madd(x1, b0, c10);
        c11 = madd(x1, b1, c11);
        c12 = madd(x1, b2, c12);
        c13 = madd(x1, b3, c13);
        const x2 = v128.load32_splat(p, 8);
        c20 = madd(x2, b0, c20);
        c21 = madd(x2, b1, c21);
        c22 = madd(x2, b2, c22);
        c23 = madd(x2, b3, c23);
        const x3 = v128.load32_splat(p, 12);
        c30 = madd(x3, b0, c30);
        c31 = madd(x3, b1, c31);
        c32 = madd(x3, b2, c32);
        c33 = madd(x3, b3, c33);
        p += aPixel;
        q += bPixel;
      }
      aStart += aRow;
      bStart += bRow;
    }
    a += aImage;
    b += bImage;
  }
  addRow(out, c00, c01, c02, c03);
  addRow(out + outStep, c10, c11, c12, c13);
  addRow(out + 2 * outStep, c20, c21, c22, c23);
  addRow(out + 3 * outStep, c30, c31, c32, c33);
}

// All loads come before the first store: V8 packs no pair that would move a load across a store.
// @ts-ignore: decorator
@inline
function addRow(out: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  const r0 = f32x4.add(v128.load(out), c0);
  const r1 = f32x4.add(v128.load(out, 16), c1);
  const r2 = f32x4.add(v128.load(out, 32), c2);
  const r3 = f32x4.add(v128.load(out, 48), c3);
  v128.store(out, r0);
  v128.store(out, r1, 16);
  v128.store(out, r2, 32);
  v128.store(out, r3, 48);
}

/**
 * Rows of A (`rowStep` bytes apart, `length` floats each) times one panel of sixteen columns: as `multiplyTile4x16` over
 * all rows at once, without a call a tile, which matters where rows are short. `rows` is a multiple of four.
 */
export function multiplyRows16(
  a: usize,
  rowStep: usize,
  rows: i32,
  length: i32,
  panel: usize,
  out: usize,
  outStep: usize,
): void {
  const last = panel + (<usize>length) * (WIDTH * 4);
  const lastRow = a + (<usize>rows) * rowStep;
  while (a < lastRow) {
    let c00 = f32x4.splat(0);
    let c01 = f32x4.splat(0);
    let c02 = f32x4.splat(0);
    let c03 = f32x4.splat(0);
    let c10 = f32x4.splat(0);
    let c11 = f32x4.splat(0);
    let c12 = f32x4.splat(0);
    let c13 = f32x4.splat(0);
    let c20 = f32x4.splat(0);
    let c21 = f32x4.splat(0);
    let c22 = f32x4.splat(0);
    let c23 = f32x4.splat(0);
    let c30 = f32x4.splat(0);
    let c31 = f32x4.splat(0);
    let c32 = f32x4.splat(0);
    let c33 = f32x4.splat(0);
    let b = panel;
    let a0 = a;
    let a1 = a0 + rowStep;
    let a2 = a1 + rowStep;
    let a3 = a2 + rowStep;
    while (b < last) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const b2 = v128.load(b, 32);
      const b3 = v128.load(b, 48);
      const x0 = v128.load32_splat(a0);
      c00 = madd(x0, b0, c00);
      c01 = madd(x0, b1, c01);
      c02 = madd(x0, b2, c02);
      c03 = madd(x0, b3, c03);
      const x1 = v128.load32_splat(a1);
      c10 = madd(x1, b0, c10);
      c11 = madd(x1, b1, c11);
      c12 = madd(x1, b2, c12);
      c13 = madd(x1, b3, c13);
      const x2 = v128.load32_splat(a2);
      c20 = madd(x2, b0, c20);
      c21 = madd(x2, b1, c21);
      c22 = madd(x2, b2, c22);
      c23 = madd(x2, b3, c23);
      const x3 = v128.load32_splat(a3);
      c30 = madd(x3, b0, c30);
      c31 = madd(x3, b1, c31);
      c32 = madd(x3, b2, c32);
      c33 = madd(x3, b3, c33);
      b += WIDTH * 4;
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    storeRow(out, c00, c01, c02, c03);
    out += outStep;
    storeRow(out, c10, c11, c12, c13);
    out += outStep;
    storeRow(out, c20, c21, c22, c23);
    out += outStep;
    storeRow(out, c30, c31, c32, c33);
    out += outStep;
    a += 4 * rowStep;
  }
}
