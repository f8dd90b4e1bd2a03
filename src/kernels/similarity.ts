/**
 * Similarities of anchors and candidates by tiles (assembly/similarity.ts). Addresses are bytes into the heap, all
 * numbers float32. Rows are packed into `panels` [ceil(count/8)][dim][8] (for dot products) and `slices`
 * [ceil(dim/8)][padded][8] (for weighted sums of rows), with zeros as padding.
 */
export interface SimilarityExports {
  packPanels(rows: number, count: number, dim: number, panels: number): void;
  /** `padded` is count rounded up to a multiple of 8. */
  packSlices(rows: number, count: number, dim: number, padded: number, slices: number): void;
  /** rows [count, dim] += slices. */
  addSlices(slices: number, count: number, dim: number, padded: number, rows: number): void;
  /** out[i] = a_i · b_i for rows [count, dim]. */
  rowDots(a: number, b: number, count: number, dim: number, out: number): void;
  /** out_i += scales[i]·row_i for rows [count, dim]. */
  addScaledRows(scales: number, rows: number, count: number, dim: number, out: number): void;
  /**
   * out[i][j] = a_i · b_j from panels; rows and columns are multiples of 8, `stride` is the bytes between rows of out.
   * a_i · b_j and b_j · a_i have the same bits.
   */
  similarityTile(a: number, rows: number, b: number, columns: number, dim: number, out: number, stride: number): void;
  /** out[j][i] = tile[i][j]; rows and columns are multiples of 4, strides in bytes. */
  transposeTile(tile: number, stride: number, rows: number, columns: number, out: number, outStride: number): void;
  /** sums_i += Σ_j weights[i][j] z_j over `depth` rows z; rows is a multiple of 4, z and sums are slices. */
  addWeightedRows(
    weights: number,
    stride: number,
    rows: number,
    depth: number,
    z: number,
    zSlice: number,
    sums: number,
    sumSlice: number,
    slices: number,
  ): void;
  /** sums_j += Σ_i weights[i][j] z_i: the same with the weights read down their columns. */
  addWeightedColumns(
    weights: number,
    stride: number,
    columns: number,
    depth: number,
    z: number,
    zSlice: number,
    sums: number,
    sumSlice: number,
    slices: number,
  ): void;
}
