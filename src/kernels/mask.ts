/** Masks of similarities (assembly/mask.ts). Strides are bytes between rows. */
export interface MaskExports {
  /** Masks (-Infinity) an anchor's own two views, rows i and i ± half, and columns that are padding. */
  maskViews(
    tile: number,
    stride: number,
    firstRow: number,
    rows: number,
    firstColumn: number,
    columns: number,
    half: number,
  ): void;
  /** Masks candidates whose id is the anchor's, and columns from `present` on. */
  maskEqual(
    tile: number,
    stride: number,
    rows: number,
    columns: number,
    anchorIds: number,
    candidateIds: number,
    present: number,
  ): void;
  /** Masks the columns from `present` on. */
  maskPadding(tile: number, stride: number, rows: number, present: number, columns: number): void;
}
