import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { randomStream } from '../../src/random.js';
import { createFlatIndex } from '../../src/retrieve/flat.js';
import { bruteForce, gaussian } from './oracle.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe.each(SIMD_TIERS)('flat index, %s', (tier) => {
  it('gives cosines of vectors of any length', async () => {
    const index = await createFlatIndex({ dimension: 2, tier });
    expect(index.add(Float32Array.of(1, 0, 0, 1, 3e30, 4e30))).toBe(0);
    const { found, rows, scores } = index.search(Float32Array.of(0, 1e-40), 2);
    expect([found, ...rows]).toEqual([2, 1, 2]);
    expect(scores[0]).toBeCloseTo(1, 6);
    expect(scores[1]).toBeCloseTo(0.8, 6);
  });

  it('gives inner products of vectors as they are', async () => {
    const index = await createFlatIndex({ dimension: 3, metric: 'inner-product', tier });
    index.add([Float32Array.of(1, 2, 3), Float32Array.of(-1, 0, 4)]);
    const { rows, scores } = index.search([Float32Array.of(2, 0, 1), Float32Array.of(-2, 0, 1)], 5);
    expect(Array.from(rows)).toEqual([0, 1, 1, 0]);
    expect(Array.from(scores)).toEqual([5, 2, 6, 1]);
  });

  it('follows any sequence of add, set, remove and compact', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ kind: fc.constant('set' as const), at: fc.nat() }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.array(fc.nat(), { maxLength: 12 }) }),
      fc.record({ kind: fc.constant('compact' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 9 }), async (steps, dimension) => {
        const random = randomStream(21, dimension, steps.length);
        // Whole numbers: float32 scores are exact, so ids must agree to the last tie.
        const draw = (): Float32Array => Float32Array.from({ length: dimension }, () => random.integer(7) - 3);
        const index = await createFlatIndex({ dimension, metric: 'inner-product', tier });
        let model: (Float32Array | undefined)[] = [];
        for (const { kind, ...rest } of steps) {
          if (kind === 'add') {
            const vectors = Array.from({ length: (rest as { count: number }).count }, draw);
            expect(index.add(vectors)).toBe(model.length);
            model.push(...vectors);
          } else if (kind === 'compact') {
            const moved = index.compact();
            model.forEach((vector, row) => {
              expect(moved[row]! < 0).toBe(vector === undefined);
            });
            model = model.filter((vector) => vector !== undefined);
          } else if (kind === 'set' && model.length > 0) {
            const row = (rest as { at: number }).at % model.length;
            if (model[row] === undefined) continue;
            model[row] = draw();
            index.set(row, model[row]);
          } else if (kind === 'remove' && model.length > 0) {
            const rows = (rest as { at: number[] }).at.map((at) => at % model.length);
            const there = new Set(rows.filter((row) => model[row] !== undefined)).size;
            expect(index.remove(rows)).toBe(there);
            for (const row of rows) model[row] = undefined;
          }
        }
        const live = model.flatMap((vector, row) => (vector ? [row] : []));
        expect([index.slots, index.size]).toEqual([model.length, live.length]);
        const matrix = new Float32Array(live.flatMap((row) => Array.from(model[row]!)));
        for (const count of [1, 4]) {
          const queries = Array.from({ length: count }, draw);
          const { found, rows } = index.search(queries, 7);
          expect(found).toBe(Math.min(7, live.length));
          queries.forEach((query, q) => {
            const best = bruteForce(matrix, query, dimension, 7).map((at) => live[at]);
            expect(Array.from(rows.subarray(q * found, (q + 1) * found))).toEqual(best);
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('reads views into larger buffers, in vectors and queries', async () => {
    const buffer = gaussian(4 + 50 * 6, randomStream(22)).buffer as ArrayBuffer;
    const rows = new Float32Array(buffer, 16, 50 * 6);
    const index = await createFlatIndex({ dimension: 6, metric: 'inner-product', tier });
    index.add(rows);
    const query = rows.subarray(7 * 6, 8 * 6);
    const kept = query.slice();
    expect(Array.from(index.search(query, 3).rows)).toEqual(bruteForce(rows.slice(), kept, 6, 3));
    const cosine = await createFlatIndex({ dimension: 6, tier });
    cosine.add([query, rows.subarray(0, 6)]);
    expect(cosine.search(query, 1).rows[0]).toBe(0);
    expect(query).toEqual(kept);
  });
});

describe('flat index', () => {
  it('scores a zero vector 0 under cosine', async () => {
    const index = await createFlatIndex({ dimension: 3 });
    index.add([Float32Array.of(-1, 0, 0), new Float32Array(3), Float32Array.of(0, 2, 0)]);
    const { rows, scores } = index.search(Float32Array.of(1, 1, 0), 3);
    expect(Array.from(rows)).toEqual([2, 1, 0]);
    expect(scores[1]).toBe(0);
    expect(Array.from(index.search(new Float32Array(3), 2).rows)).toEqual([0, 1]);
  });

  it('finds nothing while empty, and starts again after clear', async () => {
    const index = await createFlatIndex({ dimension: 1 });
    expect(index.search(Float32Array.of(1), 10)).toEqual({
      found: 0,
      rows: new Int32Array(0),
      scores: new Float32Array(0),
    });
    index.add(Float32Array.of(1, -1));
    index.clear();
    expect(index.add(Float32Array.of(5))).toBe(0);
    expect(index.size).toBe(1);
  });

  it.each([
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
  ])('refuses %s and adds nothing of its batch', async (_, bad) => {
    const index = await createFlatIndex({ dimension: 2 });
    index.add(Float32Array.of(1, 1));
    expect(() => index.add(Float32Array.of(1, 2, 3, bad))).toThrow(
      expect.objectContaining({ code: 'NM_VECTOR_INVALID', message: expect.stringContaining('vector 1') }),
    );
    expect(() => index.set(0, Float32Array.of(bad, 0))).toThrow(code('NM_VECTOR_INVALID'));
    expect(() => index.search(Float32Array.of(bad, 0), 1)).toThrow(code('NM_VECTOR_INVALID'));
    expect([index.size, ...index.vector(0)!]).toEqual([1, Math.fround(Math.SQRT1_2), Math.fround(Math.SQRT1_2)]);
  });

  it('refuses vectors whose inner products would overflow float32', async () => {
    const index = await createFlatIndex({ dimension: 2, metric: 'inner-product' });
    index.add(Float32Array.of(1e18, 0));
    expect(() => index.add(Float32Array.of(1e18, 1e18))).toThrow(code('NM_VECTOR_INVALID'));
    expect(Number.isFinite(index.search(Float32Array.of(1e18, 0), 1).scores[0])).toBe(true);
  });

  it('refuses other dimensions, other array types, and options out of range', async () => {
    const index = await createFlatIndex({ dimension: 4 });
    index.add(new Float32Array(8));
    expect(() => index.add(new Float32Array(5))).toThrow(code('NM_SHAPE_MISMATCH'));
    expect(() => index.search([new Float32Array(3)], 1)).toThrow(code('NM_SHAPE_MISMATCH'));
    expect(() => index.add(new Float64Array(4) as unknown as Float32Array)).toThrow(code('NM_VECTOR_INVALID'));
    expect(() => index.add([[1, 2, 3, 4]] as unknown as Float32Array[])).toThrow(code('NM_VECTOR_INVALID'));
    for (const k of [0, 1001, 1.5, Number.NaN]) {
      expect(() => index.search(new Float32Array(4), k)).toThrow(code('NM_OPTION_INVALID'));
    }
    for (const row of [-1, 2, 0.5]) expect(() => index.remove([0, row])).toThrow(code('NM_OPTION_INVALID'));
    expect(index.size).toBe(2);
    index.remove([1]);
    expect(() => index.set(1, new Float32Array(4))).toThrow(code('NM_OPTION_INVALID'));
    expect(index.vector(1)).toBeUndefined();
    await expect(createFlatIndex({ dimension: 0 })).rejects.toThrow(code('NM_OPTION_INVALID'));
    await expect(createFlatIndex({ dimension: 2, metric: 'l2' as 'cosine' })).rejects.toThrow(
      code('NM_OPTION_INVALID'),
    );
  });
});
