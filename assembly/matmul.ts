import { narrowRows, packPanels, packTransposed, widenRows } from './lib/panels';
import {
  addOuterProducts1,
  addOuterProducts4,
  multiplyRows,
  multiplyTile1,
  multiplyTile4,
  PANEL,
  panelled,
  TILE,
} from './lib/tiles';
import { addOuterProducts1x8, addOuterProducts4x8 } from './lib/tiles-narrow';

/** Rows that are worked on at a time: they stay in the second-level cache while the panels pass by. */
const BLOCK: i32 = 256;

/** Rows of A [rows, depth] (`rowStep` bytes apart) times packed panels, out [rows, columns] (`outStep` apart). */
export function multiplyPanels(
  a: usize,
  rowStep: usize,
  rows: i32,
  depth: i32,
  panels: usize,
  out: usize,
  outStep: usize,
  columns: i32,
): void {
  const panelBytes = (<usize>depth) * (PANEL * 4);
  for (let first = 0; first < rows; first += BLOCK) {
    const last = min(rows, first + BLOCK);
    let panel = panels;
    for (let column = 0; column < columns; column += PANEL) {
      const lanes = min(PANEL, columns - column);
      const target = out + (<usize>column) * 4;
      let row = first;
      if (lanes == PANEL) {
        const r = <usize>row;
        const whole = (last - first) & ~(TILE - 1);
        multiplyRows(a + r * rowStep, rowStep, whole, depth, panel, target + r * outStep, outStep);
        row += whole;
      }
      for (; row + TILE <= last; row += TILE) {
        const r = <usize>row;
        multiplyTile4(a + r * rowStep, rowStep, 1, 0, 1, 0, depth, panel, target + r * outStep, outStep, lanes);
      }
      for (; row < last; row++) {
        const r = <usize>row;
        multiplyTile1(a + r * rowStep, 1, 0, 1, 0, depth, panel, target + r * outStep, lanes);
      }
      panel += panelBytes;
    }
  }
}

/** Bytes of scratch that `matmul` needs. */
export function matmulScratch(depth: i32, columns: i32): usize {
  return (<usize>depth) * (<usize>panelled(columns)) * 4;
}

/** out [rows, columns] = A [rows, depth] · B, B [depth, columns], or [columns, depth] when `transposeB`. */
export function matmul(
  a: usize,
  b: usize,
  out: usize,
  rows: i32,
  depth: i32,
  columns: i32,
  transposeB: bool,
  scratch: usize,
): void {
  if (transposeB) {
    packTransposed(b, (<usize>depth) * 4, depth, columns, scratch, (<usize>depth) * (PANEL * 4));
  } else {
    packPanels(b, (<usize>columns) * 4, depth, columns, scratch);
  }
  multiplyPanels(a, (<usize>depth) * 4, rows, depth, scratch, out, (<usize>columns) * 4, columns);
}

/** Bytes of scratch that `matmulTransposedA` needs. */
export function matmulTransposedAScratch(rows: i32, depth: i32, columns: i32): usize {
  if (columns % PANEL == 0) return 0;
  return (<usize>(rows + min(BLOCK, depth))) * (<usize>panelled(columns)) * 4;
}

/** out [rows, columns] = Aᵀ · B with A [depth, rows] and B [depth, columns]. */
export function matmulTransposedA(
  a: usize,
  b: usize,
  out: usize,
  rows: i32,
  depth: i32,
  columns: i32,
  scratch: usize,
): void {
  const wide = panelled(columns);
  const whole = wide == columns;
  const sum = whole ? out : scratch;
  const widened = scratch + (<usize>rows) * (<usize>wide) * 4;
  memory.fill(sum, 0, (<usize>rows) * (<usize>wide) * 4);
  for (let first = 0; first < depth; first += BLOCK) {
    const count = min(BLOCK, depth - first);
    let block = b + (<usize>first) * (<usize>columns) * 4;
    if (!whole) {
      widenRows(block, widened, count, columns);
      block = widened;
    }
    const rowsBlock = a + (<usize>first) * (<usize>rows) * 4;
    addTransposedProduct(rowsBlock, (<usize>rows) * 4, rows, block, (<usize>wide) * 4, wide, count, sum);
  }
  if (!whole) narrowRows(sum, out, rows, columns);
}

/**
 * sum [rows, wide] += Aᵀ · B over `count` rows of A and of B (`aStep` and `bStep` bytes apart); `wide` is a multiple of
 * eight.
 */
export function addTransposedProduct(
  a: usize,
  aStep: usize,
  rows: i32,
  b: usize,
  bStep: usize,
  wide: i32,
  count: i32,
  sum: usize,
): void {
  const step = (<usize>wide) * 4;
  let column = 0;
  for (; column + PANEL <= wide; column += PANEL) {
    const from = b + (<usize>column) * 4;
    let target = sum + (<usize>column) * 4;
    let row = 0;
    for (; row + TILE <= rows; row += TILE) {
      addOuterProducts4(a + (<usize>row) * 4, aStep, 0, 0, from, bStep, 0, 0, count, 1, 1, target, step);
      target += (<usize>TILE) * step;
    }
    for (; row < rows; row++) {
      addOuterProducts1(a + (<usize>row) * 4, aStep, 0, 0, from, bStep, 0, 0, count, 1, 1, target);
      target += step;
    }
  }
  if (PANEL > 8) {
    for (; column < wide; column += 8) {
      const from = b + (<usize>column) * 4;
      let target = sum + (<usize>column) * 4;
      let row = 0;
      for (; row + TILE <= rows; row += TILE) {
        addOuterProducts4x8(a + (<usize>row) * 4, aStep, 0, 0, from, bStep, 0, 0, count, 1, 1, target, step);
        target += (<usize>TILE) * step;
      }
      for (; row < rows; row++) {
        addOuterProducts1x8(a + (<usize>row) * 4, aStep, 0, 0, from, bStep, 0, 0, count, 1, 1, target);
        target += step;
      }
    }
  }
}

/** target [columns, rows] = source [rows, columns] transposed, in blocks of 4x4. */
export function transpose(source: usize, target: usize, rows: i32, columns: i32): void {
  const from = (<usize>columns) * 4;
  const to = (<usize>rows) * 4;
  for (let row = 0; row < rows; row += 4) {
    for (let column = 0; column < columns; column += 4) {
      const p = source + (<usize>row) * from + (<usize>column) * 4;
      const q = target + (<usize>column) * to + (<usize>row) * 4;
      if (row + 4 <= rows && column + 4 <= columns) transposeBlock(p, from, q, to);
      else transposeSingly(p, from, q, to, min(4, rows - row), min(4, columns - column));
    }
  }
}

/** A 4x4 block: pairs of rows are interleaved twice. */
// @ts-ignore: decorator
@inline
function transposeBlock(p: usize, from: usize, q: usize, to: usize): void {
  const a = v128.load(p);
  const b = v128.load(p + from);
  const c = v128.load(p + 2 * from);
  const d = v128.load(p + 3 * from);
  const abLow = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cdLow = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(q, v128.shuffle<f32>(abLow, cdLow, 0, 1, 4, 5));
  v128.store(q + to, v128.shuffle<f32>(abLow, cdLow, 2, 3, 6, 7));
  v128.store(q + 2 * to, v128.shuffle<f32>(abHigh, cdHigh, 0, 1, 4, 5));
  v128.store(q + 3 * to, v128.shuffle<f32>(abHigh, cdHigh, 2, 3, 6, 7));
}

function transposeSingly(p: usize, from: usize, q: usize, to: usize, rows: i32, columns: i32): void {
  for (let row: usize = 0; row < (<usize>rows); row++) {
    for (let column: usize = 0; column < (<usize>columns); column++) {
      store<f32>(q + column * to + row * 4, load<f32>(p + row * from + column * 4));
    }
  }
}
