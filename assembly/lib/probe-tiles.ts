import { multiplyTile4, PANEL } from './tiles';
import { multiplyTile4x8 } from './tiles-narrow';

/** Columns of this build's panels. */
export function panelColumns(): i32 {
  return PANEL;
}

/**
 * out [4][PANEL] = a [4][depth] · panel [depth][PANEL], `times` times over; by tiles of the build's width, or of eight
 * columns. Both do the same work, so their times show whether the engine packs pairs of vectors.
 */
export function probeTile(wide: bool, times: i32, depth: i32, a: usize, panel: usize, out: usize): void {
  const row = (<usize>depth) * 4;
  const outRow: usize = PANEL * 4;
  for (; times > 0; times--) {
    if (wide) {
      multiplyTile4(a, row, 1, 0, 1, 0, depth, panel, out, outRow, PANEL);
    } else {
      for (let column: usize = 0; column < outRow; column += 32) {
        multiplyTile4x8(a, row, 1, 0, 1, 0, depth, panel + column, out + column, outRow, 8);
      }
    }
  }
}
