import { multiplyTile1, multiplyTile4, PANEL, TILE } from './tiles';

/** Where a sweep over output pixels reads and writes; steps in bytes. */
@unmanaged
export class Sweep {
  /** Between vertically and horizontally neighbouring pixels' patches. */
  sourceRow: usize;
  sourcePixel: usize;
  /** A patch is rowRuns x columnRuns runs of `length` floats. */
  rowRuns: i32;
  rowRunStep: usize;
  columnRuns: i32;
  columnRunStep: usize;
  length: i32;
  outRow: usize;
  outPixel: usize;
  height: i32;
  width: i32;
  channels: i32;
}

/** Bytes that a `Sweep` takes, rounded up. */
export const SWEEP_BYTES: usize = 64;

/** out[y][x][channels] = patch at (y, x) · panels. A row's last tile overlaps the one before rather than be smaller. */
export function sweep(s: Sweep, source: usize, panels: usize, out: usize): void {
  const length = s.length;
  const width = s.width;
  const panelBytes = (<usize>(s.rowRuns * s.columnRuns * length)) * (PANEL * 4);
  for (let channel = 0; channel < s.channels; channel += PANEL) {
    const lanes = min(PANEL, s.channels - channel);
    for (let y = 0; y < s.height; y++) {
      const from = source + (<usize>y) * s.sourceRow;
      const to = out + (<usize>y) * s.outRow + (<usize>channel) * 4;
      if (width < TILE) {
        for (let x = 0; x < width; x++) {
          multiplyTile1(
            from + (<usize>x) * s.sourcePixel,
            s.rowRuns, s.rowRunStep, s.columnRuns, s.columnRunStep, length,
            panels, to + (<usize>x) * s.outPixel, lanes,
          );
        }
        continue;
      }
      for (let x = 0; x < width; x += TILE) {
        const start = <usize>min(x, width - TILE);
        multiplyTile4(
          from + start * s.sourcePixel, s.sourcePixel,
          s.rowRuns, s.rowRunStep, s.columnRuns, s.columnRunStep, length,
          panels, to + start * s.outPixel, s.outPixel, lanes,
        );
      }
    }
    panels += panelBytes;
  }
}
