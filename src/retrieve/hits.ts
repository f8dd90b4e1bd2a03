import type { EngineHits } from './engine.js';
import type { JsonObject } from './items.js';
import type { Hits } from './store.js';

/** The hits of each query of an engine's search, with what `itemOf` says of their rows. */
export function readHits(
  { width, found, rows, scores, exactChecks }: EngineHits,
  itemOf: (row: number) => { readonly id: string; readonly metadata: JsonObject },
): Hits[] {
  return Array.from(found, (count, query) => {
    const hits: Hits = Array.from({ length: count }, (_, i) => {
      const at = query * width + i;
      const { id, metadata } = itemOf(rows[at]!);
      return { id, score: scores[at]!, metadata };
    });
    // Not enumerable: as an array, the answer is its hits and nothing else.
    return Object.defineProperty(hits, 'exactChecks', { value: exactChecks[query]! });
  });
}
