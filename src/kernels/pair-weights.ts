/**
 * The gradient of the weighted contrastive loss by similarities (assembly/pair-weights.ts). An anchors' table is
 * `ANCHOR_FIELDS` arrays of 32-bit numbers, one entry an anchor, `fieldStride` bytes apart.
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

export interface PairWeightsExports {
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
}
