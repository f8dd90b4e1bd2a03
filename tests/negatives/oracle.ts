import type { ResolvedObjective } from '../../src/negatives/index.js';

/** Similarities of one anchor, and which of them the objective must not look at. */
export interface OracleAnchor {
  readonly positive: number;
  readonly similarities: readonly number[];
  readonly masked: readonly boolean[];
  /** All positives, where there are several; `positive` does not count then. */
  readonly positives?: readonly number[];
}

/** One anchor's loss in float64, written as the papers write it, with the largest exponent taken out of each sum. */
export function oracleLoss(anchor: OracleAnchor, objective: ResolvedObjective): number {
  const { temperature: t, beta, tauPlus, select, positiveInPartition } = objective;
  const order = anchor.similarities.map((_, j) => j).filter((j) => !anchor.masked[j]);
  order.sort((a, b) => anchor.similarities[b]! - anchor.similarities[a]! || a - b);
  let [start, end] = [0, order.length];
  if (select.kind === 'ring') {
    end = Math.floor(select.outer * order.length);
    start = Math.floor(select.inner * (select.innerOfOuter ? end : order.length));
  }
  const negatives = order.slice(start, end).map((j) => anchor.similarities[j]!);
  const ahead = order.slice(0, start).map((j) => anchor.similarities[j]!);
  const all = anchor.positives ?? [anchor.positive];
  if (negatives.length === 0 && all.length === 1) return 0;
  const top = Math.max(...all, ...negatives, ...ahead);
  const x = (s: number): number => Math.exp((s - top) / t);
  const hardest = Math.max(...negatives);
  const w = (s: number): number => Math.exp((beta * (s - hardest)) / t);
  const n = negatives.length;
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const reweighted = (n * sum(negatives.map((s) => w(s) * x(s)))) / sum(negatives.map(w));
  const floor = tauPlus > 0 ? n * Math.exp((-1 - top) / t) : 0;
  const mean = sum(all.map(x)) / all.length;
  const total = Math.max((reweighted - tauPlus * n * mean) / (1 - tauPlus), floor);
  const partition = (positiveInPartition ? sum(all.map(x)) : 0) + total;
  const further = select.kind === 'ring' && select.neighbourViews ? sum(ahead.map(x)) : 0;
  return sum(all.map((p) => Math.log(partition) - Math.log(x(p) + further))) / all.length;
}

const dot = (a: Float64Array, i: number, b: Float64Array, j: number, dim: number): number => {
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += a[i * dim + k]! * b[j * dim + k]!;
  return sum;
};

/** Mean loss of a batch z [count, dim] in float64. */
export function oracleBatch(
  z: Float64Array,
  count: number,
  dim: number,
  objective: ResolvedObjective,
  ids: ArrayLike<number> = Array.from({ length: count / 2 }, (_, i) => i),
): number {
  const half = count / 2;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const similarities = Array.from({ length: count }, (_, j) => dot(z, i, z, j, dim));
    const masked = similarities.map((_, j) => ids[j % half] === ids[i % half]);
    total += oracleLoss({ positive: similarities[(i + half) % count]!, similarities, masked }, objective);
  }
  return total / count;
}

/** Mean loss of queries against keys and constant candidates in float64. */
export function oracleQueue(
  queries: Float64Array,
  keys: Float64Array,
  candidates: Float64Array,
  dim: number,
  objective: ResolvedObjective,
  ids?: ArrayLike<number>,
  candidateIds?: ArrayLike<number>,
): number {
  const count = queries.length / dim;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const similarities = Array.from({ length: candidates.length / dim }, (_, j) => dot(queries, i, candidates, j, dim));
    const masked = similarities.map((_, j) => ids !== undefined && ids[i] === candidateIds?.[j]);
    total += oracleLoss({ positive: dot(queries, i, keys, i, dim), similarities, masked }, objective);
  }
  return total / count;
}

/** Central differences of `loss` at `at`. */
export function differences(loss: (at: Float64Array) => number, at: Float64Array, step = 1e-5): Float64Array {
  const gradient = new Float64Array(at.length);
  const moved = at.slice();
  for (let k = 0; k < at.length; k++) {
    moved[k] = at[k]! + step;
    const up = loss(moved);
    moved[k] = at[k]! - step;
    gradient[k] = (up - loss(moved)) / (2 * step);
    moved[k] = at[k]!;
  }
  return gradient;
}
