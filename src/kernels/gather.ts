/**
 * Anchors against rows of their own choice (assembly/gather.ts). A list int32 [count, entries], `listStride` bytes
 * between anchors, holds row numbers of float32 rows [*, dim]; below 0 is an entry that is not there.
 */
export interface GatherExports {
  /** out[i][e] = anchor_i · row[list[i][e]]; -Infinity where there is no entry, and from `entries` up to `padded`. */
  gatherDots(
    anchors: number,
    count: number,
    dim: number,
    rows: number,
    list: number,
    listStride: number,
    entries: number,
    padded: number,
    out: number,
    stride: number,
  ): void;
  /** out_i += Σ_e weights[i][e]·row[list[i][e]]. */
  addGatheredRows(
    weights: number,
    stride: number,
    list: number,
    listStride: number,
    count: number,
    entries: number,
    rows: number,
    dim: number,
    out: number,
  ): void;
  /** out[list[i][e]] += weights[i][e]·anchor_i. */
  scatterAnchors(
    weights: number,
    stride: number,
    list: number,
    listStride: number,
    count: number,
    entries: number,
    anchors: number,
    dim: number,
    out: number,
  ): void;
}
