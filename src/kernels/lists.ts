/** What assembly/lists.ts exports. */
export interface ListsExports {
  decodeRows(segment: number, first: number, count: number, dim: number, stride: number, out: number): void;
  scoreRows(query: number, rows: number, penalties: number, count: number, dim: number, out: number): void;
  assignRows(
    vectors: number,
    count: number,
    dim: number,
    panels: number,
    penalties: number,
    centroids: number,
    scratch: number,
    lists: number,
    scores: number,
  ): void;
}
