import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrainingKernels } from '../../src/kernels/index.js';
import {
  contrastBank,
  contrastBatch,
  contrastQueue,
  type MixDraws,
  type ResolvedObjective,
} from '../../src/negatives/index.js';
import { type Random, randomStream } from '../../src/random.js';
import { kernelsOf, place, read, TIERS, unitRows, zeros } from './embeddings.js';
import { type OracleAnchor, oracleLoss } from './oracle.js';

type Vector = readonly number[];
const dot = (a: Vector, b: Vector): number => a.reduce((sum, v, k) => sum + v * b[k]!, 0);
const unit = (v: Vector): Vector => v.map((x) => x / Math.sqrt(dot(v, v)));
const rowsOf = (flat: ArrayLike<number>, dim: number): Vector[] =>
  Array.from({ length: flat.length / dim }, (_, i) => Array.from({ length: dim }, (_, k) => flat[i * dim + k]!));

/** Synthetic negatives of each anchor, really built, from the embeddings as they are: constants for the gradient. */
interface World {
  readonly objective: ResolvedObjective;
  readonly count: number;
  readonly dim: number;
  readonly extra: readonly (readonly Vector[])[];
}

const mixSizes = { pairs: 5, queries: 3 };

/** Explicit recipes, whose ranks are within `available` for every anchor. */
function recipes(random: Random, count: number, available: number): Extract<MixDraws, { kind: 'given' }> {
  const ranks = (each: number): Int32Array =>
    Int32Array.from({ length: count * each }, () => random.integer(available));
  const shares = (each: number, limit: number): Float32Array =>
    Float32Array.from({ length: count * each }, () => limit * random.uniform());
  const { pairs, queries } = mixSizes;
  const first = ranks(pairs);
  return {
    kind: 'given',
    first,
    // Never the same twice: a copy of a candidate ties with it, and a ring's limit may fall between the two.
    second: first.map((rank) => (rank + 1 + random.integer(available - 1)) % available),
    alpha: shares(pairs, 1),
    partner: ranks(queries),
    beta: shares(queries, 0.5),
  };
}

function buildMixes(
  draws: Extract<MixDraws, { kind: 'given' }>,
  i: number,
  q: Vector,
  ranked: readonly Vector[],
): Vector[] {
  const { pairs, queries } = mixSizes;
  const blend = (share: number, a: Vector, b: Vector): Vector => unit(a.map((x, k) => share * x + (1 - share) * b[k]!));
  const mixes: Vector[] = [];
  for (let m = i * pairs; m < (i + 1) * pairs; m++) {
    mixes.push(blend(draws.alpha[m]!, ranked[draws.first[m]!]!, ranked[draws.second[m]!]!));
  }
  for (let m = i * queries; m < (i + 1) * queries; m++)
    mixes.push(blend(draws.beta[m]!, q, ranked[draws.partner[m]!]!));
  return mixes;
}

/** The hardest unmasked candidates of an anchor, as MoCHi ranks them. */
function hardestOf(q: Vector, candidates: readonly Vector[], masked: readonly boolean[]): Vector[] {
  const order = candidates.map((_, j) => j).filter((j) => !masked[j]);
  return order.sort((a, b) => dot(q, candidates[b]!) - dot(q, candidates[a]!) || a - b).map((j) => candidates[j]!);
}

/** One anchor's loss with its synthetic negatives among the candidates. */
function lossOf(
  world: World,
  i: number,
  q: Vector,
  positive: number,
  candidates: Vector[],
  masked: boolean[],
  positives?: number[],
): number {
  const { objective, extra } = world;
  const { temperature } = objective;
  const share = objective.synthesise?.kind === 'generate' ? temperature * Math.log(objective.synthesise.share) : 0;
  const synthetic = extra[i]!.map((n) => dot(q, n) + share);
  const anchor: OracleAnchor = {
    positive,
    similarities: [...candidates.map((n) => dot(q, n)), ...synthetic],
    masked: [...masked, ...synthetic.map(() => false)],
    ...(positives ? { positives } : {}),
  };
  return oracleLoss(anchor, objective);
}

const weights = fc.record({
  beta: fc.constantFrom(0, 0.5, 1, 2.3),
  tauPlus: fc.constantFrom(0, 0, 0.02),
  temperature: fc.constantFrom(0.15, 0.3, 0.8),
});
const selection = fc.oneof(
  fc.constant({ kind: 'all' as const }),
  fc.record({
    kind: fc.constant('ring' as const),
    inner: fc.constantFrom(0, 0.11, 0.3),
    outer: fc.constantFrom(0.45, 0.8, 1),
    innerOfOuter: fc.boolean(),
    neighbourViews: fc.boolean(),
  }),
);
const synthesis = fc.oneof(
  fc.constant(undefined),
  fc.constant({ kind: 'mix' as const, hardest: 8, ...mixSizes }),
  fc.record({ kind: fc.constant('generate' as const), perAnchor: fc.constant(6), share: fc.constantFrom(1, 0.3) }),
);
const objectives: fc.Arbitrary<ResolvedObjective> = fc
  .record({ ...{ weights, select: selection, synthesise: synthesis }, positiveInPartition: fc.boolean() })
  .map(({ weights: { beta, tauPlus, temperature }, select, synthesise, positiveInPartition }) => ({
    temperature,
    select,
    beta,
    tauPlus,
    positiveInPartition,
    ...(synthesise ? { synthesise } : {}),
  }));
const shapes = fc.record({
  seed: fc.integer({ min: 0, max: 1e6 }),
  dim: fc.integer({ min: 3, max: 19 }),
  ids: fc.boolean(),
});
const RUNS = { numRuns: 40, seed: 20261124 } as const;
/** Entries of a gradient that are compared; the loss is evaluated twice for each. */
const SAMPLE = 16;

describe.each(TIERS)('any combination of the five steps, %s SIMD', async (tier) => {
  const kernels: TrainingKernels = await kernelsOf(tier);
  const { heap } = kernels;

  /** Loss to 1e-5, and a sample of the gradient to 1e-4 of its largest entry, against float64 and finite differences. */
  function check(
    found: { loss: number; gradient: Float32Array },
    at: Float32Array,
    loss: (at: Float64Array) => number,
    random: Random,
  ): void {
    const exact = Float64Array.from(at);
    const expected = loss(exact);
    expect(Math.abs(found.loss - expected)).toBeLessThan(1e-5 * Math.max(Math.abs(expected), 0.1));
    const largest = found.gradient.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const step = 1e-6;
    for (let n = 0; n < SAMPLE; n++) {
      const k = random.integer(at.length);
      exact[k] = at[k]! + step;
      const up = loss(exact);
      exact[k] = at[k]! - step;
      const slope = (up - loss(exact)) / (2 * step);
      exact[k] = at[k]!;
      expect(Math.abs(found.gradient[k]! - slope)).toBeLessThan(1e-4 * largest);
    }
  }

  function generatedRows(objective: ResolvedObjective, random: Random, items: number, dim: number): Float32Array {
    const each = objective.synthesise?.kind === 'generate' ? objective.synthesise.perAnchor : 0;
    return unitRows(random, items * each, dim);
  }

  it('on the batch, with labels or without', () => {
    fc.assert(
      fc.property(
        objectives,
        shapes,
        fc.boolean(),
        fc.integer({ min: 11, max: 17 }),
        (chosen, shape, labelled, items) => {
          const { seed, dim, ids } = shape;
          const random = randomStream(seed, 1);
          const neighbours = chosen.select.kind === 'ring' && chosen.select.neighbourViews;
          const labels = labelled && !neighbours ? Int32Array.from({ length: items }, (_, i) => i % 5) : undefined;
          const objective = labels ? { ...chosen, positives: 'labels' as const } : chosen;
          const count = 2 * items;
          const z = unitRows(random, count, dim);
          const instanceIds = ids ? Int32Array.from({ length: items }, (_, i) => (i === 4 ? 2 : i)) : undefined;
          const groups = labels ?? instanceIds ?? Int32Array.from({ length: items }, (_, i) => i);
          const maskOf = (i: number): boolean[] =>
            Array.from({ length: count }, (_, j) => groups[j % items] === groups[i % items]);
          const draws = recipes(random, count, 8);
          const negatives = generatedRows(objective, random, items, dim);
          const rows = rowsOf(z, dim);
          const extra = rows.map((q, i) => {
            if (objective.synthesise?.kind === 'mix') return buildMixes(draws, i, q, hardestOf(q, rows, maskOf(i)));
            const each = objective.synthesise?.perAnchor ?? 0;
            return rowsOf(negatives, dim).slice((i % items) * each, ((i % items) + 1) * each);
          });
          const world = { objective, count, dim, extra };
          const loss = (at: Float64Array): number => {
            const all = rowsOf(at, dim);
            const each = all.map((q, i) => {
              const positive = dot(q, all[(i + items) % count]!);
              const positives = labels
                ? all.flatMap((p, j) => (j !== i && labels[j % items] === labels[i % items] ? [dot(q, p)] : []))
                : undefined;
              return lossOf(world, i, q, positive, all, maskOf(i), positives);
            });
            return each.reduce((a, b) => a + b, 0) / count;
          };
          const gradient = zeros(heap, z.length);
          const found = contrastBatch(kernels, {
            rows: place(heap, z),
            count,
            dim,
            objective,
            instanceIds,
            labels,
            mixing: draws,
            generated: { rows: place(heap, negatives), items },
            gradient,
          });
          check({ loss: found.loss / count, gradient: read(heap, gradient, z.length) }, z, loss, random);
        },
      ),
      RUNS,
    );
  });

  it('on a queue', () => {
    fc.assert(
      fc.property(
        objectives,
        shapes,
        fc.integer({ min: 1, max: 11 }),
        fc.integer({ min: 21, max: 45 }),
        (objective, shape, count, filled) => {
          const { seed, dim, ids } = shape;
          const random = randomStream(seed, 2);
          const [q, k, n] = [unitRows(random, count, dim), unitRows(random, count, dim), unitRows(random, filled, dim)];
          const queue = rowsOf(n, dim);
          const instanceIds = Int32Array.from({ length: count }, (_, i) => i);
          const queueIds = Int32Array.from({ length: filled }, (_, j) => (ids ? j % 23 : -1));
          const maskOf = (i: number): boolean[] => [...queueIds].map((id) => id === i);
          const draws = recipes(random, count, 8);
          const negatives = generatedRows(objective, random, count, dim);
          const extra = rowsOf(q, dim).map((anchor, i) => {
            if (objective.synthesise?.kind === 'mix')
              return buildMixes(draws, i, anchor, hardestOf(anchor, queue, maskOf(i)));
            const each = objective.synthesise?.perAnchor ?? 0;
            return rowsOf(negatives, dim).slice(i * each, (i + 1) * each);
          });
          const world = { objective, count, dim, extra };
          const keys = rowsOf(k, dim);
          const loss = (at: Float64Array): number =>
            rowsOf(at, dim).reduce((sum, a, i) => sum + lossOf(world, i, a, dot(a, keys[i]!), queue, maskOf(i)), 0) /
            count;
          const gradient = zeros(heap, q.length);
          const found = contrastQueue(kernels, {
            queries: place(heap, q),
            keys: place(heap, k),
            count,
            dim,
            candidates: { rows: place(heap, n), dim, filled, instanceIds: queueIds },
            instanceIds,
            objective,
            mixing: draws,
            generated: { rows: place(heap, negatives), items: count },
            gradient,
          });
          check({ loss: found.loss / count, gradient: read(heap, gradient, q.length) }, q, loss, random);
        },
      ),
      RUNS,
    );
  });

  it('on rows drawn from a bank', () => {
    fc.assert(
      fc.property(objectives, shapes, fc.integer({ min: 1, max: 11 }), (chosen, { seed, dim }, count) => {
        // A ring's draws are checked by the golden values: which rows they are depends on the similarities.
        const objective = { ...chosen, select: { kind: 'all' as const } };
        const random = randomStream(seed, 3);
        const [items, draws] = [30, 13];
        const [q, n] = [unitRows(random, count, dim), unitRows(random, items, dim)];
        const bank = rowsOf(n, dim);
        const own = Int32Array.from({ length: count }, (_, i) => 2 * i);
        const drawn = Int32Array.from({ length: count * draws }, () => 1 + 2 * random.integer(15));
        const listOf = (i: number): Vector[] =>
          [...drawn.subarray(i * draws, (i + 1) * draws)].map((row) => bank[row]!);
        const none = new Array<boolean>(draws).fill(false);
        const given = recipes(random, count, 8);
        const negatives = generatedRows(objective, random, count, dim);
        const extra = rowsOf(q, dim).map((anchor, i) => {
          if (objective.synthesise?.kind === 'mix')
            return buildMixes(given, i, anchor, hardestOf(anchor, listOf(i), none));
          const each = objective.synthesise?.perAnchor ?? 0;
          return rowsOf(negatives, dim).slice(i * each, (i + 1) * each);
        });
        const world = { objective, count, dim, extra };
        const loss = (at: Float64Array): number =>
          rowsOf(at, dim).reduce((sum, a, i) => sum + lossOf(world, i, a, dot(a, bank[own[i]!]!), listOf(i), none), 0) /
          count;
        const gradient = zeros(heap, q.length);
        const instanceIds = Int32Array.from({ length: items }, (_, i) => i);
        const found = contrastBank(kernels, {
          queries: place(heap, q),
          count,
          dim,
          bank: { rows: place(heap, n), dim, filled: items, instanceIds },
          own,
          instanceIds: own,
          objective,
          draws: { kind: 'rows', rows: drawn },
          mixing: given,
          generated: { rows: place(heap, negatives), items: count },
          gradient,
        });
        check({ loss: found.loss / count, gradient: read(heap, gradient, q.length) }, q, loss, random);
      }),
      RUNS,
    );
  });
});
