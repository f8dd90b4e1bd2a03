import { PANEL, panelled } from './panel';

/**
 * Packs a matrix [rows, columns] (rows `rowStep` bytes apart) into panels of `PANEL` columns (here eight), the last one
 * filled with zeros; returns the address behind them.
 *
 *     a b c d e f g h │ i j          a b c d e f g h    panel 0, row 0
 *     k l m n o p q r │ s t    →     k l m n o p q r             row 1
 *                                    i j 0 0 0 0 0 0    panel 1, row 0
 *                                    s t 0 0 0 0 0 0             row 1
 */
export function packPanels(source: usize, rowStep: usize, rows: i32, columns: i32, panels: usize): usize {
  for (let column = 0; column < columns; column += PANEL) {
    let from = source + (<usize>column) * 4;
    const width = min(PANEL, columns - column);
    for (let row = 0; row < rows; row++) {
      if (width == PANEL) {
        v128.store(panels, v128.load(from));
        v128.store(panels, v128.load(from, 16), 16);
        if (PANEL == 16) {
          v128.store(panels, v128.load(from, 32), 32);
          v128.store(panels, v128.load(from, 48), 48);
        }
      } else {
        memory.fill(panels, 0, PANEL * 4);
        memory.copy(panels, from, (<usize>width) * 4);
      }
      from += rowStep;
      panels += PANEL * 4;
    }
  }
  return panels;
}

/**
 * Packs the transpose of a matrix [columns, rows] (`columnStep` bytes between its rows): panel p holds its rows
 * from p · PANEL on as columns. Panels of `panelStep` bytes are written from `panels` on; only `rows` rows of each are filled,
 * so several matrices can share them.
 */
export function packTransposed(
  source: usize,
  columnStep: usize,
  rows: i32,
  columns: i32,
  panels: usize,
  panelStep: usize,
): void {
  for (let column = 0; column < columns; column += PANEL) {
    const width = min(PANEL, columns - column);
    const from = source + (<usize>column) * columnStep;
    if (width < PANEL) memory.fill(panels, 0, (<usize>rows) * (PANEL * 4));
    for (let lane = 0; lane < width; lane++) {
      let p = from + (<usize>lane) * columnStep;
      let q = panels + (<usize>lane) * 4;
      const end = p + (<usize>rows) * 4;
      while (p < end) {
        store<f32>(q, load<f32>(p));
        p += 4;
        q += PANEL * 4;
      }
    }
    panels += panelStep;
  }
}

/** Copies rows [count, columns] to rows of whole panels, filled up with zeros. */
export function widenRows(source: usize, target: usize, count: i32, columns: i32): void {
  const wide = (<usize>panelled(columns)) * 4;
  const bytes = (<usize>columns) * 4;
  for (let row = 0; row < count; row++) {
    memory.copy(target, source, bytes);
    memory.fill(target + bytes, 0, wide - bytes);
    source += bytes;
    target += wide;
  }
}

/** Copies rows of whole panels back to rows [count, columns]. */
export function narrowRows(source: usize, target: usize, count: i32, columns: i32): void {
  const wide = (<usize>panelled(columns)) * 4;
  const bytes = (<usize>columns) * 4;
  for (let row = 0; row < count; row++) {
    memory.copy(target, source, bytes);
    source += wide;
    target += bytes;
  }
}
