import { NearmissError } from '../errors.js';
import { randomStream } from '../random.js';
import { eachQuery, rowCount } from './similarity.js';
import { topRows } from './top-rows.js';

export interface MapOptions {
  /** Neighbours that are kept together; fewer where there are fewer rows. Default 15. */
  readonly neighbours?: number;
  /** Least distance between points of the map. Default 0.1. */
  readonly minDistance?: number;
  readonly seed?: number;
}

const PURPOSE_MAP = 0x3a;
/** Rows below which there is nothing to lay out. */
export const LEAST_MAPPED = 5;

/**
 * A map of embeddings in two dimensions by UMAP (McInnes et al. 2018), with cosine distances and exact neighbours, so
 * that the same rows and seed give the same map. Neighbours stay together; distances between far groups, their order
 * and their sizes mean nothing. Cost: count² products of rows, then about 2 ms a row.
 *
 * @param rows [count, width], unit length
 * @returns [count, 2]
 * @throws `NM_SHAPE_MISMATCH` for fewer than 5 rows
 */
export async function mapEmbeddings(
  rows: Float32Array,
  width: number,
  options: MapOptions = {},
): Promise<Float64Array> {
  const { neighbours = 15, minDistance = 0.1, seed = 0 } = options;
  const count = rowCount(rows, width, 'rows');
  if (count < LEAST_MAPPED) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `map: found ${count} rows, allowed: at least ${LEAST_MAPPED}`);
  }
  const nNeighbors = Math.min(neighbours, count - 1);
  const indices: number[][] = [];
  const distances: number[][] = [];
  eachQuery(rows, rows, width, (query, scores) => {
    // UMAP counts a point as its own first neighbour.
    const { rows: near, scores: similar } = topRows(scores, nNeighbors - 1, query);
    indices.push([query, ...near]);
    distances.push([0, ...Array.from(similar, (score) => Math.max(0, 1 - score))]);
  });
  const { UMAP } = await import('umap-js');
  const random = randomStream(seed, PURPOSE_MAP);
  const umap = new UMAP({ nNeighbors, minDist: minDistance, random: () => random.uniform() });
  umap.setPrecomputedKNN(indices, distances);
  // With neighbours given, UMAP reads no more of the rows than their number.
  const points = umap.fit(Array.from({ length: count }, () => [0]));
  const map = new Float64Array(2 * count);
  points.forEach(([x, y], row) => {
    map[2 * row] = x!;
    map[2 * row + 1] = y!;
  });
  return map;
}
