import { describe, expect, it } from 'vitest';
import type { TrainingKernels } from '../../src/kernels/index.js';
import {
  batchCandidates,
  contrastBatch,
  contrastQueue,
  queueCandidates,
  type ResolvedObjective,
} from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, read, TIERS, unitRows, zeros } from './embeddings.js';
import { differences, oracleBatch, oracleQueue } from './oracle.js';

const plain: ResolvedObjective = {
  temperature: 0.5,
  select: { kind: 'all' },
  beta: 0,
  tauPlus: 0,
  positiveInPartition: true,
};
const ring = { kind: 'ring', inner: 0.2, outer: 0.6, innerOfOuter: true, neighbourViews: false } as const;
const COMBINATIONS: Readonly<Record<string, ResolvedObjective>> = {
  'NT-Xent': plain,
  'τ⁺': { ...plain, tauPlus: 0.05 },
  'β 1 + τ⁺': { ...plain, beta: 1, tauPlus: 0.05 },
  'β 1.7': { ...plain, beta: 1.7 },
  'β 6 at τ 0.07': { ...plain, temperature: 0.07, beta: 6 },
  ring: { ...plain, select: ring },
  'ring + β 1': { ...plain, select: ring, beta: 1 },
  'ring + β 2.5 + τ⁺': { ...plain, select: ring, beta: 2.5, tauPlus: 0.05 },
  'ring + neighbours + β': { ...plain, select: { ...ring, neighbourViews: true }, beta: 0.5 },
  'ring of all candidates, positive not in partition': {
    ...plain,
    select: { ...ring, innerOfOuter: false },
    positiveInPartition: false,
  },
};

function runBatch(
  kernels: TrainingKernels,
  z: Float32Array,
  dim: number,
  objective: ResolvedObjective,
  options: { ids?: Int32Array; anchors?: readonly [number, number]; shift?: number } = {},
): { loss: number; gradient: Float32Array; losses: Float64Array; positive: number; hardest: number } {
  const { heap } = kernels;
  const count = z.length / dim;
  const rows = place(heap, z, options.shift);
  const gradient = zeros(heap, z.length, options.shift);
  const losses = new Float64Array(count);
  const sums = contrastBatch(kernels, {
    rows,
    count,
    dim,
    objective,
    gradient,
    losses,
    instanceIds: options.ids,
    anchors: options.anchors,
  });
  return {
    loss: sums.loss,
    gradient: read(heap, gradient, z.length),
    losses,
    positive: sums.positiveSimilarity,
    hardest: sums.hardestSimilarity,
  };
}

/** Largest difference, relative to the largest entry. */
function error(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let largest = 1e-30;
  for (let k = 0; k < expected.length; k++) {
    difference = Math.max(difference, Math.abs(found[k]! - expected[k]!));
    largest = Math.max(largest, Math.abs(expected[k]!));
  }
  return difference / largest;
}

describe.each(TIERS)('contrastBatch, %s SIMD', async (tier) => {
  const kernels = await kernelsOf(tier);

  it.each(Object.entries(COMBINATIONS))('has the loss and the finite differences of %s', (_, objective) => {
    const [count, dim] = [22, 7];
    const z = unitRows(randomStream(3), count, dim);
    const found = runBatch(kernels, z, dim, objective);
    const exact = Float64Array.from(z);
    const loss = oracleBatch(exact, count, dim, objective);
    expect(Math.abs(found.loss / count - loss)).toBeLessThan(1e-5 * Math.abs(loss));
    const slopes = differences((at) => oracleBatch(at, count, dim, objective), exact, 1e-6);
    expect(error(found.gradient, slopes)).toBeLessThan(1e-4);
  });

  it.each([0.01, 0.07, 100])('stays right at temperature %s with β 6', (temperature) => {
    const [count, dim] = [30, 16];
    const z = unitRows(randomStream(4), count, dim, 0.7);
    const objective = { ...plain, temperature, beta: 6, tauPlus: 0.1 };
    const found = runBatch(kernels, z, dim, objective);
    const exact = Float64Array.from(z);
    const loss = oracleBatch(exact, count, dim, objective);
    expect(Math.abs(found.loss / count - loss)).toBeLessThan(2e-5 * Math.abs(loss) + 1e-12);
    // Similarities carry a rounding of 1e-7, which the exponent multiplies by (1 + β)/τ.
    const slopes = differences((at) => oracleBatch(at, count, dim, objective), exact, 1e-6);
    expect(error(found.gradient, slopes)).toBeLessThan(1e-4 + (3e-7 * 7) / temperature);
  });

  it.each([1, 3, 5, 63, 65])('takes rows of %i dimensions at any address', (dim) => {
    for (const count of [2, 4, 6, 14, 16, 18, 38]) {
      const z = unitRows(randomStream(5, dim, count), count, dim);
      const objective = { ...plain, beta: 1 };
      const loss = oracleBatch(Float64Array.from(z), count, dim, objective);
      const aligned = runBatch(kernels, z, dim, objective);
      expect(Math.abs(aligned.loss / count - loss)).toBeLessThan(1e-5 * loss + 1e-12);
      for (const shift of [1, 4, 7]) {
        const shifted = runBatch(kernels, z, dim, objective, { shift });
        expect(shifted.loss).toBe(aligned.loss);
        expect(shifted.gradient).toEqual(aligned.gradient);
      }
    }
  });

  it('adds to the gradient that is there', () => {
    const { heap } = kernels;
    const z = unitRows(randomStream(6), 8, 5);
    const fresh = runBatch(kernels, z, 5, plain).gradient;
    const gradient = place(heap, new Float32Array(40).fill(1));
    contrastBatch(kernels, { rows: place(heap, z), count: 8, dim: 5, objective: plain, gradient });
    expect(read(heap, gradient, 40)).toEqual(fresh.map((v) => v + 1));
  });

  it('gives nothing for no rows, and a loss of 0 where an anchor has no negative', () => {
    expect(runBatch(kernels, new Float32Array(0), 4, plain).loss).toBe(0);
    const alone = runBatch(kernels, unitRows(randomStream(7), 2, 4), 4, { ...plain, beta: 1, tauPlus: 0.1 });
    expect(alone.loss).toBe(0);
    expect(alone.gradient).toEqual(new Float32Array(8));
  });

  it('does not depend on the order of the items, nor on which view comes first', () => {
    const [items, dim] = [40, 12];
    const z = unitRows(randomStream(8), 2 * items, dim);
    const moved = new Float32Array(z.length);
    const place = (i: number): number => (i < items ? items + ((i * 7) % items) : ((i - items) * 7) % items);
    for (let i = 0; i < 2 * items; i++) moved.set(z.subarray(i * dim, (i + 1) * dim), place(i) * dim);
    for (const objective of [COMBINATIONS['ring + β 1']!, COMBINATIONS['β 1 + τ⁺']!]) {
      const a = runBatch(kernels, z, dim, objective);
      const b = runBatch(kernels, moved, dim, objective);
      expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-6 * a.loss);
      const back = new Float32Array(z.length);
      for (let i = 0; i < 2 * items; i++) {
        back.set(b.gradient.subarray(place(i) * dim, (place(i) + 1) * dim), i * dim);
      }
      expect(error(back, a.gradient)).toBeLessThan(2e-6);
    }
  });

  // 700 views take several tiles; 3,000 of a ring or a small temperature and 4,200 otherwise are not kept in memory.
  it.each([
    ['HCL', 700, COMBINATIONS['β 1 + τ⁺']!],
    ['a ring', 700, COMBINATIONS['ring + β 2.5 + τ⁺']!],
    ['HCL, not kept', 4200, COMBINATIONS['β 1 + τ⁺']!],
    ['a ring, not kept', 3000, COMBINATIONS['ring + β 1']!],
    ['β 6 at τ 0.07, not kept', 3000, COMBINATIONS['β 6 at τ 0.07']!],
  ] as const)('splits into ranges of anchors without changing an anchor’s loss: %s', (_, count, objective) => {
    const dim = 3;
    const z = unitRows(randomStream(9), count, dim);
    const whole = runBatch(kernels, z, dim, objective);
    const cuts = [0, 5, 13, 13, 140, Math.floor(count * 0.7), count];
    const losses = new Float64Array(count);
    const gradient = new Float64Array(z.length);
    let loss = 0;
    for (let c = 0; c + 1 < cuts.length; c++) {
      const part = runBatch(kernels, z, dim, objective, { anchors: [cuts[c]!, cuts[c + 1]!] });
      loss += part.loss;
      for (let i = cuts[c]!; i < cuts[c + 1]!; i++) losses[i] = part.losses[i]!;
      for (let k = 0; k < gradient.length; k++) gradient[k] = gradient[k]! + part.gradient[k]!;
    }
    expect(losses).toEqual(whole.losses);
    expect(Math.abs(loss - whole.loss)).toBeLessThan(1e-9 * Math.abs(whole.loss));
    expect(error(gradient, whole.gradient)).toBeLessThan(2e-5);
  });

  it('equals the float64 loss where similarities are not kept', () => {
    const [count, dim] = [4200, 2];
    const z = unitRows(randomStream(10), count, dim);
    const objective = { ...plain, beta: 1, tauPlus: 0.05 };
    const found = runBatch(kernels, z, dim, objective);
    let [sum, some] = [0, 0];
    const half = count / 2;
    for (let i = 0; i < count; i += 300) {
      let [w, wx] = [0, 0];
      const x = (j: number): number =>
        Math.exp((z[2 * i]! * z[2 * j]! + z[2 * i + 1]! * z[2 * j + 1]!) / objective.temperature);
      const p = x((i + half) % count);
      for (let j = 0; j < count; j++) {
        if (j % half === i % half) continue;
        w += x(j);
        wx += x(j) ** 2;
      }
      const n = count - 2;
      const negatives = ((n * wx) / w - objective.tauPlus * n * p) / (1 - objective.tauPlus);
      sum += Math.log1p(Math.max(negatives, n * Math.exp(-1 / objective.temperature)) / p);
      some += found.losses[i]!;
    }
    expect(Math.abs(some - sum)).toBeLessThan(1e-5 * sum);
  });

  it.each(['NT-Xent', 'ring + β 1', 'β 6 at τ 0.07'])('never contrasts items of equal ids: %s', (name) => {
    const [count, dim] = [26, 6];
    const objective = COMBINATIONS[name]!;
    const z = unitRows(randomStream(11), count, dim);
    const ids = Int32Array.from({ length: count / 2 }, (_, i) => (i % 4 === 3 ? 77 : i));
    const found = runBatch(kernels, z, dim, objective, { ids });
    const exact = Float64Array.from(z);
    const loss = oracleBatch(exact, count, dim, objective, ids);
    expect(Math.abs(found.loss / count - loss)).toBeLessThan(1e-5 * loss);
    const slopes = differences((at) => oracleBatch(at, count, dim, objective, ids), exact, 1e-6);
    expect(error(found.gradient, slopes)).toBeLessThan(1e-4);
  });

  it('resolves ties by index: of equal candidates a ring takes the first', () => {
    // All negatives of every anchor are the same vector, so any selection has the same loss, but not the same gradient.
    const count = 12;
    const z = new Float32Array(count * 2);
    for (let i = 0; i < count; i++) z[2 * i + (i % 6 === 0 ? 0 : 1)] = 1;
    const objective: ResolvedObjective = {
      ...plain,
      select: { kind: 'ring', inner: 0, outer: 0.25, innerOfOuter: true, neighbourViews: false },
    };
    const { gradient } = runBatch(kernels, z, 2, objective, { anchors: [0, 1] });
    // Row 0 contrasts rows 1-5 and 7-11: floor(0.25 · 10) = 2 of them, rows 1 and 2.
    const pulled = [...gradient].map((v, k) => (v !== 0 ? k >> 1 : -1)).filter((row) => row > 0);
    expect([...new Set(pulled)]).toEqual([1, 2, 6]);
  });

  it('reports mean similarities of positives and of the hardest candidates', () => {
    const [count, dim] = [20, 9];
    const z = unitRows(randomStream(12), count, dim);
    let [positive, hardest] = [0, 0];
    for (let i = 0; i < count; i++) {
      const s = (j: number): number => {
        let sum = 0;
        for (let k = 0; k < dim; k++) sum += z[i * dim + k]! * z[j * dim + k]!;
        return sum;
      };
      positive += s((i + 10) % 20);
      hardest += Math.max(...Array.from({ length: 20 }, (_, j) => (j % 10 === i % 10 ? -1 : s(j))));
    }
    const found = runBatch(kernels, z, dim, plain);
    expect(found.positive).toBeCloseTo(positive, 5);
    expect(found.hardest).toBeCloseTo(hardest, 5);
  });

  it.each([
    ['an odd count', 'NM_SHAPE_MISMATCH', { count: 3 }],
    ['too few ids', 'NM_SHAPE_MISMATCH', { instanceIds: new Int32Array(1) }],
    ['a range outside the rows', 'NM_SHAPE_MISMATCH', { anchors: [0, 9] as const }],
    ['a range that runs backwards', 'NM_SHAPE_MISMATCH', { anchors: [3, 2] as const }],
    ['no dimension', 'NM_SHAPE_MISMATCH', { dim: 0 }],
    ['rows that are not normalised', 'NM_NOT_UNIT_LENGTH', { scale: 1.5 }],
    ['NaN', 'NM_NOT_UNIT_LENGTH', { scale: Number.NaN }],
    ['a ring that rounds to nothing', 'NM_NO_NEGATIVES', { objective: { ...plain, select: { ...ring, outer: 0.1 } } }],
  ] as const)('refuses %s', (_, code, change: Record<string, unknown>) => {
    const { heap } = kernels;
    const { scale = 1, ...input } = change;
    const z = unitRows(randomStream(13), 8, 4).map((v) => v * (scale as number));
    const gradient = zeros(heap, 32);
    const used = (heap as { used?: number }).used;
    const call = (): unknown =>
      contrastBatch(kernels, { rows: place(heap, z), count: 8, dim: 4, objective: plain, gradient, ...input });
    expect(call).toThrow(expect.objectContaining({ code }));
    expect(read(heap, gradient, 32)).toEqual(new Float32Array(32));
    // Only the rows that this test placed are still taken.
    expect((heap as { used?: number }).used! - used!).toBe(192);
  });
});

describe.each(TIERS)('contrastQueue, %s SIMD', async (tier) => {
  const kernels = await kernelsOf(tier);
  const { heap } = kernels;

  function run(
    queries: Float32Array,
    keys: Float32Array,
    candidates: Float32Array,
    dim: number,
    objective: ResolvedObjective,
    ids?: Int32Array,
    candidateIds?: Int32Array,
  ): { loss: number; gradient: Float32Array; keyGradient: Float32Array } {
    const [gradient, keyGradient] = [zeros(heap, queries.length, 3), zeros(heap, keys.length)];
    const filled = candidates.length / dim;
    const { loss } = contrastQueue(kernels, {
      queries: place(heap, queries, 1),
      keys: place(heap, keys),
      count: queries.length / dim,
      dim,
      candidates: {
        rows: place(heap, candidates, 2),
        dim,
        filled,
        instanceIds: candidateIds ?? new Int32Array(filled).fill(-1),
      },
      instanceIds: ids,
      objective,
      gradient,
      keyGradient,
    });
    return { loss, gradient: read(heap, gradient, queries.length), keyGradient: read(heap, keyGradient, keys.length) };
  }

  it.each(Object.entries(COMBINATIONS))('has the loss and the finite differences of %s', (_, objective) => {
    const [count, dim] = [9, 5];
    const queries = unitRows(randomStream(21), count, dim);
    const keys = unitRows(randomStream(22), count, dim);
    const candidates = unitRows(randomStream(23), 37, dim);
    const ids = Int32Array.from({ length: count }, (_, i) => i);
    const candidateIds = Int32Array.from({ length: 37 }, (_, j) => (j * 5) % 20);
    const found = run(queries, keys, candidates, dim, objective, ids, candidateIds);
    const [q, k, c] = [queries, keys, candidates].map((rows) => Float64Array.from(rows)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const at = (a: Float64Array, b: Float64Array): number => oracleQueue(a, b, c, dim, objective, ids, candidateIds);
    expect(Math.abs(found.loss / count - at(q, k))).toBeLessThan(1e-5 * Math.abs(at(q, k)));
    expect(
      error(
        found.gradient,
        differences((v) => at(v, k), q, 1e-6),
      ),
    ).toBeLessThan(1e-4);
    expect(
      error(
        found.keyGradient,
        differences((v) => at(q, v), k, 1e-6),
      ),
    ).toBeLessThan(1e-4);
  });

  it.each([0, 1, 7, 8, 9, 19])('takes %i candidates for 0 to 9 anchors', (filled) => {
    for (const count of [0, 1, 7, 8, 9]) {
      const [q, k] = [unitRows(randomStream(24), count, 3), unitRows(randomStream(25), count, 3)];
      const c = unitRows(randomStream(26), filled, 3);
      const objective = { ...plain, beta: 1 };
      const expected =
        count === 0 ? 0 : oracleQueue(Float64Array.from(q), Float64Array.from(k), Float64Array.from(c), 3, objective);
      expect(run(q, k, c, 3, objective).loss).toBeCloseTo(expected * count, 4);
    }
  });

  it('handles more anchors than one block of similarities holds', () => {
    const [count, dim] = [70, 2];
    const [q, k] = [unitRows(randomStream(27), count, dim), unitRows(randomStream(28), count, dim)];
    const c = unitRows(randomStream(29), 300, dim);
    const expected = oracleQueue(Float64Array.from(q), Float64Array.from(k), Float64Array.from(c), dim, plain);
    expect(Math.abs(run(q, k, c, dim, plain).loss / count - expected)).toBeLessThan(1e-5 * expected);
  });

  it('works the same on a queue and on a batch as candidates', () => {
    const dim = 4;
    const rows = unitRows(randomStream(30), 6, dim);
    const [q, k] = [place(heap, unitRows(randomStream(31), 3, dim)), place(heap, unitRows(randomStream(32), 3, dim))];
    const losses = [queueCandidates, batchCandidates].map((make) => {
      const candidates = make(heap, { capacity: 6, dim });
      candidates.push(place(heap, rows), Int32Array.from([9, 8, 0, 6, 5, 4]));
      const { loss } = contrastQueue(kernels, {
        queries: q,
        keys: k,
        count: 3,
        dim,
        candidates,
        instanceIds: Int32Array.from([0, 1, 2]),
        objective: plain,
        gradient: zeros(heap, 12),
      });
      candidates.release();
      return loss;
    });
    expect(losses[0]).toBe(losses[1]);
  });

  it('refuses candidates of another dimension, and an empty queue for a ring', () => {
    const q = unitRows(randomStream(33), 2, 4);
    const candidates = queueCandidates(heap, { capacity: 4, dim: 3 });
    const input = { queries: place(heap, q), keys: place(heap, q), count: 2, gradient: zeros(heap, 8) };
    expect(() => contrastQueue(kernels, { ...input, dim: 4, candidates, objective: plain })).toThrow(
      expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }),
    );
    expect(() => run(q, q, new Float32Array(0), 4, { ...plain, select: ring })).toThrow(
      expect.objectContaining({ code: 'NM_NO_NEGATIVES' }),
    );
    expect(() =>
      run(
        q.map((v) => 2 * v),
        q,
        q,
        4,
        plain,
      ),
    ).toThrow(expect.objectContaining({ code: 'NM_NOT_UNIT_LENGTH' }));
  });
});
