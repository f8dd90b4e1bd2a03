import { expectLength } from './retrieval.js';
import { eachQuery, rowCount } from './similarity.js';

/** Two items that are alike though training treats them as different. */
export interface LookAlike {
  /** Item numbers, `a` below `b`. */
  readonly a: number;
  readonly b: number;
  /** The views that are most alike: rows of the embeddings. */
  readonly rows: readonly [number, number];
  /** Their cosine. */
  readonly similarity: number;
}

/**
 * The pairs of items that an encoder holds most similar: in a contrastive loss without labels every one of them is a
 * negative, so pictures of the same thing at the top of this list are false negatives (Chuang et al. 2020). An item's
 * views (rows of the same id) are never a pair. Each pair of items is listed once, with its most similar views.
 *
 * @param rows embeddings [views, width], unit length
 * @param instanceIds [views]: the item of each row
 * @param most pairs to list
 * @returns most similar first; equal ones by item
 */
export function lookAlikes(
  rows: Float32Array,
  instanceIds: ArrayLike<number>,
  width: number,
  most: number,
): LookAlike[] {
  expectLength('instanceIds', instanceIds, rowCount(rows, width, 'rows'));
  let best = new Map<string, LookAlike>();
  let least = Number.NEGATIVE_INFINITY;
  const prune = (): void => {
    const kept = sorted(best.values()).slice(0, most);
    best = new Map(kept.map((pair) => [`${pair.a} ${pair.b}`, pair]));
    if (kept.length === most) least = kept.at(-1)?.similarity ?? least;
  };
  eachQuery(rows, rows, width, (row, scores) => {
    for (let other = 0; other < row; other++) {
      const similarity = scores[other]!;
      if (!(similarity >= least) || instanceIds[row] === instanceIds[other]) continue;
      const [first, second] = instanceIds[other]! < instanceIds[row]! ? [other, row] : [row, other];
      const [a, b] = [instanceIds[first]!, instanceIds[second]!];
      const key = `${a} ${b}`;
      const known = best.get(key);
      if (known && known.similarity >= similarity) continue;
      best.set(key, { a, b, rows: [first, second], similarity });
      if (best.size >= 4 * most + 64) prune();
    }
  });
  prune();
  return sorted(best.values());
}

function sorted(pairs: Iterable<LookAlike>): LookAlike[] {
  return [...pairs].sort((x, y) => y.similarity - x.similarity || x.a - y.a || x.b - y.b);
}
