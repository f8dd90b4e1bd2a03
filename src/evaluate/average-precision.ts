import type { ClassRankOptions } from './retrieval.js';
import { expectLength } from './retrieval.js';
import { eachQuery, rowCount } from './similarity.js';

/**
 * Average precision at R of each query (Musgrave et al. 2020, "A Metric Learning Reality Check", section 3.2): R is the
 * number of gallery rows of the query's class, and of the first R rows found each right one at place i counts the
 * precision among the first i, divided by R. Ties count against the query. A query without a row of its class is NaN.
 *
 * @param queryLabels [count]
 * @param galleryLabels [size]
 * @returns [count], each in [0, 1]
 */
export function averagePrecisionAtR(
  queries: Float32Array,
  queryLabels: ArrayLike<number>,
  gallery: Float32Array,
  galleryLabels: ArrayLike<number>,
  width: number,
  options: ClassRankOptions = {},
): Float64Array {
  const count = rowCount(queries, width, 'queries');
  const size = rowCount(gallery, width, 'gallery');
  expectLength('queryLabels', queryLabels, count);
  expectLength('galleryLabels', galleryLabels, size);
  const leaveOneOut = options.leaveOneOut ?? false;
  if (leaveOneOut) expectLength('leaveOneOut: queries', queryLabels, size);
  const precisions = new Float64Array(count);
  eachQuery(queries, gallery, width, (query, scores) => {
    const label = queryLabels[query]!;
    const right: number[] = [];
    for (let row = 0; row < size; row++) {
      if (galleryLabels[row] === label && !(leaveOneOut && row === query)) right.push(scores[row]!);
    }
    right.sort((a, b) => b - a);
    // ahead[j]: wrong rows that come before the j-th right one but not before the one ahead of it.
    const ahead = new Int32Array(right.length + 1);
    for (let row = 0; row < size; row++) {
      if (galleryLabels[row] !== label) ahead[firstAtMost(right, scores[row]!)]!++;
    }
    let wrong = 0;
    let sum = 0;
    for (let j = 0; j < right.length; j++) {
      wrong += ahead[j]!;
      const rank = j + 1 + wrong;
      if (rank > right.length) break;
      sum += (j + 1) / rank;
    }
    precisions[query] = right.length === 0 ? Number.NaN : sum / right.length;
  });
  return precisions;
}

/** Mean of the values that are numbers: mAP@R of `averagePrecisionAtR`; 0 where there is none. */
export function meanOfNumbers(values: Float64Array): number {
  const numbers = values.filter((value) => !Number.isNaN(value));
  return numbers.length === 0 ? 0 : numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

/** The first place of a descending list whose value is at most `score`; its length where there is none. */
function firstAtMost(descending: readonly number[], score: number): number {
  let low = 0;
  let high = descending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (descending[middle]! <= score) high = middle;
    else low = middle + 1;
  }
  return low;
}
