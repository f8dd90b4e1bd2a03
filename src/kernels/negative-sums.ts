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

/**
 * Sums over anchors' negatives from tiles of similarities (assembly/negative-sums.ts); the anchors' table is that of
 * pair-weights.ts.
 */
export interface NegativeSumsExports {
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
  /** out[i] = 2^values[i], 0 below 2^-126; values up to 127. */
  exp2Array(values: number, count: number, out: number): void;
}
