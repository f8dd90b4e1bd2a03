/** What assembly/prepare.ts and assembly/lib/hits.ts export for a query and its hits. */
export interface PrepareExports {
  prepareQuery(query: number, block: number, rounds: number, signs: number, rotated: number): void;
  clearHits(heap: number, k: number, floor: number): void;
  setThreshold(query: number): void;
  sortHits(heap: number, k: number): void;
}
