import { NearmissError } from '../errors.js';
import { eachQuery, rowCount } from './similarity.js';
import { type TopScores, topRows } from './top-rows.js';

/** How well queries find what belongs to them. All values are in [0, 1]. */
export interface RetrievalQuality {
  readonly queries: number;
  /** Share of queries whose right row is first. */
  readonly recallAt1: number;
  /** Share of queries whose right row is among the first 5, and 10. */
  readonly recallAt5: number;
  readonly recallAt10: number;
  /** Mean of 1 / rank. */
  readonly mrr: number;
}

/**
 * The rank of each query's right row, 1 for the best: the number of gallery rows that score at least as much as it
 * does. Ties count against the query, so a collapsed encoder ranks last, not first. A right row whose score is not a
 * number ranks last too.
 *
 * @param queries [count, width]
 * @param gallery [size, width]; scores are inner products, so cosines where the rows have unit length
 * @param targets [count]: the gallery row that is right for each query
 * @returns [count]
 * @throws `NM_SHAPE_MISMATCH` where rows are not whole, or a target is missing or not in the gallery
 */
export function retrievalRanks(
  queries: Float32Array,
  gallery: Float32Array,
  width: number,
  targets: ArrayLike<number>,
): Int32Array {
  const count = rowCount(queries, width, 'queries');
  const size = rowCount(gallery, width, 'gallery');
  expectLength('targets', targets, count);
  const ranks = new Int32Array(count);
  eachQuery(queries, gallery, width, (query, scores) => {
    const target = targets[query]!;
    const right = scores[target];
    if (right === undefined) {
      const allowed = `rows 0 to ${size - 1}`;
      throw new NearmissError('NM_SHAPE_MISMATCH', `targets[${query}]: found ${target}, allowed: ${allowed}`);
    }
    // Written so that NaN on either side counts against the query.
    let rank = 0;
    for (let row = 0; row < size; row++) if (!(scores[row]! < right)) rank++;
    ranks[query] = rank;
  });
  return ranks;
}

export interface ClassRankOptions {
  /** The gallery is the queries themselves, row for row: a query does not find itself. Default false. */
  readonly leaveOneOut?: boolean;
}

/**
 * The rank of each query's best gallery row of its own class: 1 + the number of rows of other classes that score at
 * least as much. Queries without another row of their class get rank 0 and count for nothing in `retrievalQuality`.
 *
 * @param queryLabels [count]
 * @param galleryLabels [size]
 * @returns [count]
 */
export function classRanks(
  queries: Float32Array,
  queryLabels: ArrayLike<number>,
  gallery: Float32Array,
  galleryLabels: ArrayLike<number>,
  width: number,
  options: ClassRankOptions = {},
): Int32Array {
  const count = rowCount(queries, width, 'queries');
  const size = rowCount(gallery, width, 'gallery');
  expectLength('queryLabels', queryLabels, count);
  expectLength('galleryLabels', galleryLabels, size);
  const leaveOneOut = options.leaveOneOut ?? false;
  if (leaveOneOut && count !== size) {
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `leaveOneOut: found ${count} queries, allowed: ${size} as the gallery`,
    );
  }
  const ranks = new Int32Array(count);
  eachQuery(queries, gallery, width, (query, scores) => {
    const label = queryLabels[query]!;
    let best = Number.NEGATIVE_INFINITY;
    let exists = false;
    for (let row = 0; row < size; row++) {
      if (galleryLabels[row] !== label || (leaveOneOut && row === query)) continue;
      exists = true;
      if (scores[row]! > best) best = scores[row]!;
    }
    if (!exists) return;
    let rank = 1;
    for (let row = 0; row < size; row++) if (galleryLabels[row] !== label && !(scores[row]! < best)) rank++;
    ranks[query] = rank;
  });
  return ranks;
}

/** Recall at 1, 5 and 10 and the mean reciprocal rank; ranks of 0 (nothing to find) are left out. */
export function retrievalQuality(ranks: Int32Array): RetrievalQuality {
  const asked = ranks.filter((rank) => rank > 0);
  const reciprocals = Array.from(asked).reduce((sum, rank) => sum + 1 / rank, 0);
  return {
    queries: asked.length,
    recallAt1: recallAt(asked, 1),
    recallAt5: recallAt(asked, 5),
    recallAt10: recallAt(asked, 10),
    mrr: asked.length === 0 ? 0 : reciprocals / asked.length,
  };
}

/** Share of queries whose right row is among the first k, in [0, 1]; ranks of 0 are left out. */
export function recallAt(ranks: Int32Array, k: number): number {
  const asked = ranks.filter((rank) => rank > 0);
  return asked.length === 0 ? 0 : asked.filter((rank) => rank <= k).length / asked.length;
}

/** The k best gallery rows of each query, for pictures of what an encoder finds. */
export function nearestNeighbours(queries: Float32Array, gallery: Float32Array, width: number, k: number): TopScores[] {
  const found: TopScores[] = [];
  eachQuery(queries, gallery, width, (_query, scores) => found.push(topRows(scores, k)));
  return found;
}

export function expectLength(what: string, found: { readonly length: number }, allowed: number): void {
  if (found.length === allowed) return;
  throw new NearmissError('NM_SHAPE_MISMATCH', `${what}: found ${found.length}, allowed: ${allowed}, one a row`);
}
