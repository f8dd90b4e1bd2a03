import { NearmissError } from '../errors.js';
import { accuracy } from './accuracy.js';
import { expectLength } from './retrieval.js';
import { eachQuery, rowCount } from './similarity.js';
import { topRows } from './top-rows.js';

export interface KnnOptions {
  /** Neighbours that vote; all of a smaller gallery. Default 200. */
  readonly k?: number;
  /** A neighbour of similarity s votes with e^(s/τ). Default 0.5. */
  readonly temperature?: number;
  /** The gallery is the queries themselves, row for row: a query does not vote for itself. Default false. */
  readonly leaveOneOut?: boolean;
}

/**
 * Accuracy in [0, 1] of `knnPredictions`.
 *
 * @param queryLabels [count]
 */
export function knnAccuracy(
  queries: Float32Array,
  queryLabels: ArrayLike<number>,
  gallery: Float32Array,
  galleryLabels: ArrayLike<number>,
  width: number,
  options: KnnOptions = {},
): number {
  expectLength('queryLabels', queryLabels, rowCount(queries, width, 'queries'));
  return accuracy(knnPredictions(queries, gallery, galleryLabels, width, options), queryLabels);
}

/**
 * The class of each query by a weighted vote of its nearest neighbours (Wu et al. 2018, "Unsupervised Feature Learning
 * via Non-Parametric Instance Discrimination", section 3.4; k 200 and τ 0.5 as in image/main.py of Robinson et al.
 * 2021). Between classes of equal weight the one whose vote came from the nearer neighbour wins.
 *
 * @param queries [count, width], unit length
 * @param gallery [size, width], unit length
 * @param galleryLabels [size], 0 or more
 * @returns [count]; -1 for a query without a neighbour
 * @throws `NM_SHAPE_MISMATCH`; `NM_OPTION_INVALID` for k or τ not above 0
 */
export function knnPredictions(
  queries: Float32Array,
  gallery: Float32Array,
  galleryLabels: ArrayLike<number>,
  width: number,
  options: KnnOptions = {},
): Int32Array {
  const { k = 200, temperature = 0.5, leaveOneOut = false } = options;
  const count = rowCount(queries, width, 'queries');
  const size = rowCount(gallery, width, 'gallery');
  expectLength('galleryLabels', galleryLabels, size);
  if (leaveOneOut) expectLength('leaveOneOut: queries', { length: count }, size);
  if (!(Number.isInteger(k) && k > 0)) {
    throw new NearmissError('NM_OPTION_INVALID', `k: found ${k}, allowed: an integer above 0`);
  }
  if (!(temperature > 0)) {
    throw new NearmissError('NM_OPTION_INVALID', `temperature: found ${temperature}, allowed: a number above 0`);
  }
  const predicted = new Int32Array(count).fill(-1);
  eachQuery(queries, gallery, width, (query, scores) => {
    const top = topRows(scores, k, leaveOneOut ? query : -1);
    // Relative to the nearest, so that no temperature overflows.
    const nearest = top.scores[0] ?? 0;
    const votes = new Map<number, number>();
    top.rows.forEach((row, place) => {
      const label = galleryLabels[row]!;
      const weight = Math.exp((top.scores[place]! - nearest) / temperature);
      votes.set(label, (votes.get(label) ?? 0) + weight);
    });
    let most = 0;
    for (const [label, weight] of votes) {
      if (weight > most) {
        most = weight;
        predicted[query] = label;
      }
    }
  });
  return predicted;
}
