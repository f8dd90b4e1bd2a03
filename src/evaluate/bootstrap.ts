import { NearmissError } from '../errors.js';
import { randomStream } from '../random.js';

export interface BootstrapOptions {
  readonly seed?: number;
  /** Resamples. Default 10,000. */
  readonly samples?: number;
  /** Coverage of the interval, in (0, 1). Default 0.95. */
  readonly level?: number;
}

/** A mean difference with the interval that resampling the queries gives. */
export interface DifferenceInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

const PURPOSE = 0xb0;

/**
 * The mean of a - b over queries with its paired bootstrap interval (percentiles; Efron and Tibshirani 1993, chapter
 * 13). Outcomes are per query: 1 or 0 for found first or not, or the mean over seeds of that. It says how far the
 * difference depends on the choice of queries, not on the seed or the split. The same seed gives the same interval.
 *
 * @param a outcomes of one model [queries]
 * @param b outcomes of the other on the same queries
 * @throws `NM_SHAPE_MISMATCH` for unequal or empty outcomes
 * @example
 * const hits = (ranks: Int32Array) => Float64Array.from(ranks, (rank) => (rank === 1 ? 1 : 0));
 * const { mean, low, high } = pairedBootstrap(hits(hclRanks), hits(ntxentRanks));
 */
export function pairedBootstrap(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: BootstrapOptions = {},
): DifferenceInterval {
  const { seed = 0, samples = 10_000, level = 0.95 } = options;
  const count = a.length;
  if (count === 0 || count !== b.length) {
    const found = `${count} and ${b.length} outcomes`;
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `bootstrap: found ${found}, allowed: one a query for both, at least one`,
    );
  }
  const differences = Float64Array.from({ length: count }, (_, i) => a[i]! - b[i]!);
  const mean = (sum: number): number => sum / count;
  const random = randomStream(seed, PURPOSE);
  const means = new Float64Array(samples);
  for (let sample = 0; sample < samples; sample++) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += differences[random.integer(count)]!;
    means[sample] = mean(sum);
  }
  means.sort();
  const tail = (1 - level) / 2;
  return {
    mean: mean(differences.reduce((sum, value) => sum + value, 0)),
    low: quantile(means, tail),
    high: quantile(means, 1 - tail),
  };
}

/** Linear interpolation between order statistics. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}
