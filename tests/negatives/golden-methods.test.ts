import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  contrastBatch,
  contrastQueue,
  diversity,
  mochi,
  type Objective,
  parseObjective,
  resolveObjective,
  ring,
  supcon,
} from '../../src/negatives/index.js';
import { kernelsOf, place, read, TIERS, zeros } from './embeddings.js';
import { gradientError } from './golden.js';

interface MethodCase {
  objective: 'mochi' | 'generated-negatives' | 'supcon' | 'batch-ring';
  batch: number;
  dim: number;
  temperature: number;
  outer: number;
  inner: number;
  innerOfOuter?: boolean;
  hardest: number;
  mixes: number;
  queryMixes: number;
  perQuery: number;
  labels: number[];
  z1: number[];
  z2: number[];
  queue: number[];
  pairA: number[];
  pairB: number[];
  alpha: number[];
  partner: number[];
  beta: number[];
  negatives: number[];
  loss: number;
  diversity: number;
  dz1: number[];
  dz2: number[];
  dNegatives: number[];
  dGenerator: number[];
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/methods.json', import.meta.url), 'utf8')) as {
  cases: MethodCase[];
};
const of = (kind: MethodCase['objective']): (readonly [string, MethodCase])[] =>
  cases
    .filter((c) => c.objective === kind)
    .map((c) => {
      const plain = Object.entries(c).filter(([, v]) => typeof v !== 'object');
      return [JSON.stringify(Object.fromEntries(plain)).replace(/["{}]/g, ''), c];
    });

describe.each(TIERS)('golden values of the methods, %s SIMD', async (tier) => {
  const kernels = await kernelsOf(tier);
  const { heap } = kernels;
  const floats = (values: readonly number[]): number => place(heap, Float32Array.from(values));

  function runBatch(
    c: MethodCase,
    objective: Objective,
    labels?: Int32Array,
  ): { loss: number; gradient: Float32Array } {
    const count = 2 * c.batch;
    const gradient = zeros(heap, count * c.dim);
    const { loss } = contrastBatch(kernels, {
      rows: floats([...c.z1, ...c.z2]),
      count,
      dim: c.dim,
      objective: resolveObjective(objective, 0, 1),
      gradient,
      labels,
    });
    return { loss: loss / count, gradient: read(heap, gradient, count * c.dim) };
  }

  it.each(of('batch-ring'))('%s', (_, c) => {
    // Both fractions of these cases are of all negatives.
    const { temperature, inner, outer, innerOfOuter = false } = c;
    const found = runBatch(c, ring({ temperature, inner, outer, innerOfOuter }));
    expect(Math.abs(found.loss - c.loss)).toBeLessThan(1e-5 * c.loss);
    expect(gradientError(found.gradient, [...c.dz1, ...c.dz2])).toBeLessThan(1e-4);
  });

  it.each(of('supcon'))('%s', (_, c) => {
    const found = runBatch(c, supcon({ temperature: c.temperature }), Int32Array.from(c.labels));
    expect(Math.abs(found.loss - c.loss)).toBeLessThan(1e-5 * c.loss);
    expect(gradientError(found.gradient, [...c.dz1, ...c.dz2])).toBeLessThan(1e-4);
  });

  it.each(of('mochi'))('%s', (_, c) => {
    const { batch: count, dim } = c;
    const [gradient, keyGradient] = [zeros(heap, count * dim), zeros(heap, count * dim)];
    const filled = c.queue.length / dim;
    const { temperature, hardest } = c;
    const objective = mochi({
      temperature,
      capacity: filled,
      hardest,
      pairs: c.mixes,
      queries: c.queryMixes,
      warmup: 0,
    });
    const { loss } = contrastQueue(kernels, {
      queries: floats(c.z1),
      keys: floats(c.z2),
      count,
      dim,
      candidates: { rows: floats(c.queue), dim, filled, instanceIds: new Int32Array(filled).fill(-1) },
      objective: resolveObjective(objective, 0, 1),
      mixing: {
        kind: 'given',
        first: Int32Array.from(c.pairA),
        second: Int32Array.from(c.pairB),
        alpha: Float32Array.from(c.alpha),
        partner: Int32Array.from(c.partner),
        beta: Float32Array.from(c.beta),
      },
      gradient,
      keyGradient,
    });
    expect(Math.abs(loss / count - c.loss)).toBeLessThan(1e-5 * c.loss);
    expect(gradientError(read(heap, gradient, count * dim), c.dz1)).toBeLessThan(1e-4);
    expect(gradientError(read(heap, keyGradient, count * dim), c.dz2)).toBeLessThan(1e-4);
  });

  it.each(of('generated-negatives'))('%s', (_, c) => {
    const { batch: count, dim, perQuery } = c;
    const [gradient, keyGradient] = [zeros(heap, count * dim), zeros(heap, count * dim)];
    const ascent = zeros(heap, c.negatives.length);
    const rows = floats(c.negatives);
    const { loss } = contrastQueue(kernels, {
      queries: floats(c.z1),
      keys: floats(c.z2),
      count,
      dim,
      candidates: { rows: 0, dim, filled: 0, instanceIds: new Int32Array(0) },
      objective: resolveObjective(
        parseObjective({ temperature: c.temperature, synthesise: { kind: 'generate', perAnchor: perQuery } }),
        0,
        1,
      ),
      generated: { rows, items: count, gradient: ascent },
      gradient,
      keyGradient,
    });
    expect(Math.abs(loss / count - c.loss)).toBeLessThan(1e-5 * c.loss);
    expect(gradientError(read(heap, gradient, count * dim), c.dz1)).toBeLessThan(1e-4);
    const dNegatives = read(heap, ascent, c.negatives.length);
    expect(gradientError(dNegatives, c.dNegatives)).toBeLessThan(1e-4);

    const slope = zeros(heap, c.negatives.length);
    const apart = diversity(kernels, { rows, items: count, perAnchor: perQuery, dim, gradient: slope });
    expect(Math.abs(apart / c.diversity - 1)).toBeLessThan(1e-5);
    const dDiversity = read(heap, slope, c.negatives.length);
    const dGenerator = dNegatives.map((v, k) => dDiversity[k]! - v);
    expect(gradientError(dGenerator, c.dGenerator)).toBeLessThan(1e-4);
  });
});
