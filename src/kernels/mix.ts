/** Hard negative mixing without the mixed vectors (assembly/mix.ts), one anchor a call. */
export interface MixExports {
  /**
   * Writes the columns (int32) of a row's `wanted` largest similarities, hardest first, ties by column; returns how many
   * are not masked. `columns` is a multiple of 4, `scratch` 8 bytes a wanted one.
   */
  rankHardest(row: number, columns: number, wanted: number, ranked: number, scratch: number): number;
  /**
   * Similarities to `pairs` mixes of two candidates, then to `queries` mixes of a candidate and the anchor. A recipe is
   * `4 pairs + 3 queries` numbers of 32 bits: int32 ranks first[pairs], second[pairs], partner[queries]; float32
   * a[pairs], -[pairs], b[queries], -[queries]. `ranked` turns ranks into columns of `row`, `list` (or 0) columns into
   * numbers of `rows`. The recipe is rewritten into row numbers and coefficients, for `addMixes`.
   */
  mixSimilarities(
    row: number,
    ranked: number,
    list: number,
    rows: number,
    dim: number,
    pairs: number,
    queries: number,
    recipe: number,
    out: number,
  ): void;
  /** out += Σ weights[m]·mix_m for the anchor [dim] and a rewritten recipe. */
  addMixes(
    weights: number,
    recipe: number,
    pairs: number,
    queries: number,
    rows: number,
    dim: number,
    anchor: number,
    out: number,
  ): void;
}
