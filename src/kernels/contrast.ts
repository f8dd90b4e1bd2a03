/**
 * The weighted contrastive loss on tiles of similarities (assembly/contrast.ts). An anchors' table is `ANCHOR_FIELDS`
 * arrays of 32-bit numbers, one entry an anchor, `fieldStride` bytes apart.
 */
export const ANCHOR_FIELD: {
  /** Similarity that exponents are taken relative to. */
  readonly shift: 0;
  /** Factor of w·x and of w in the weight of a selected pair. */
  readonly scaleWX: 1;
  readonly scaleW: 2;
  /** The ring's boundaries: similarity, index of the first candidate in and of the first one out. */
  readonly firstIn: 3;
  /** Shift and factor of the candidates ahead of the ring where they count as positives. */
  readonly neighbourShift: 7;
  readonly neighbourScale: 8;
  /** Weight of the pair of an anchor and its positive. */
  readonly positiveScale: 9;
} = {
  shift: 0,
  scaleWX: 1,
  scaleW: 2,
  firstIn: 3,
  neighbourShift: 7,
  neighbourScale: 8,
  positiveScale: 9,
};
export const ANCHOR_FIELDS = 10;

/** Fields of an anchor's record of sums, float64; for β = 0 `sumW` is 0. */
export const SUM_FIELD: {
  readonly sumWX: 0;
  readonly sumW: 1;
  /** Σ x of the candidates ahead of the ring. */
  readonly sumAhead: 2;
  /** Largest unmasked similarity. */
  readonly hardest: 3;
} = { sumWX: 0, sumW: 1, sumAhead: 2, hardest: 3 };
/** Float64 places of a record; the last four are the kernel's own. */
export const SUM_FIELDS = 8;

export interface ContrastExports {
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
  /**
   * Adds columns [firstColumn, firstColumn + columns) of `allColumns` to the anchors' sums: a record of `SUM_FIELDS`
   * float64 each, which begins with column 0 and is complete after the last. Writes the shifts into the table.
   * `exponent` is log2(e)/τ. Without `fixedShift` rows must come whole.
   */
  sumNegatives(
    similarities: number,
    stride: number,
    rows: number,
    firstColumn: number,
    columns: number,
    allColumns: number,
    exponent: number,
    beta: number,
    fixedShift: number,
    ring: number,
    neighbours: number,
    table: number,
    fieldStride: number,
    records: number,
  ): void;
  /** Replaces similarities by the weights of their pairs; `mirrored` adds the column's weight as an anchor. */
  pairWeights(
    tile: number,
    stride: number,
    firstRow: number,
    rows: number,
    firstColumn: number,
    columns: number,
    exponent: number,
    beta: number,
    fixedShift: number,
    ring: number,
    neighbours: number,
    mirrored: number,
    rowTable: number,
    columnTable: number,
    fieldStride: number,
  ): void;
  /** Adds the weights of the pairs (i, i ± half) that lie in the tile. */
  addPositivePairs(
    tile: number,
    stride: number,
    firstRow: number,
    rows: number,
    firstColumn: number,
    columns: number,
    half: number,
    mirrored: number,
    positiveScales: number,
  ): void;
  /** out[i] = 2^values[i], 0 below 2^-126; values up to 127. */
  exp2Array(values: number, count: number, out: number): void;
}
