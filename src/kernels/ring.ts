/** Percentile ring selection (assembly/ring.ts). */
export interface RingExports {
  /** Bytes of scratch that `selectRing` needs for rows of `columns` candidates. */
  ringScratch(columns: number): number;
  /**
   * For each of `rows` rows of similarities (columns: a multiple of 4; -Infinity is no candidate) finds the ring of
   * ranks [floor(inner · …), floor(outer · n)), hardest first, ties by index. Writes its boundaries as four fields
   * `boundStride` bytes apart (similarity and index of the first one in, then of the first one out), and per row the
   * rank of the first one in and the ring's size as int32.
   */
  selectRing(
    similarities: number,
    stride: number,
    rows: number,
    columns: number,
    inner: number,
    outer: number,
    innerOfOuter: number,
    bounds: number,
    boundStride: number,
    ranks: number,
    sizes: number,
    scratch: number,
  ): void;
  /**
   * Writes the indices (int32) of one row's candidates ahead of its ring, and of those in it, in the order of the
   * columns; `bounds` is the row's place in the boundaries that `selectRing` wrote.
   */
  listRing(row: number, columns: number, bounds: number, boundStride: number, ahead: number, members: number): void;
}
