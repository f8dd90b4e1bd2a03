import { expect, it } from 'vitest';
import { hcl, rankNegatives, resolveObjective, ring } from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, unitRows } from './embeddings.js';

const kernels = await kernelsOf('plain');
const [count, dim] = [30, 5];
const z = unitRows(randomStream(50), count, dim);
const input = { rows: place(kernels.heap, z), count, dim };
const dot = (i: number, j: number): number => {
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += z[i * dim + k]! * z[j * dim + k]!;
  return sum;
};

it('ranks an anchor’s negatives, the hardest first, without its own views', () => {
  const ranked = rankNegatives(kernels, { ...input, anchors: [17, 0, 29], objective: resolveObjective(hcl(), 0, 1) });
  expect(ranked.map((r) => r.anchor)).toEqual([17, 0, 29]);
  for (const { anchor, positive, indices, similarities, selected } of ranked) {
    const order = [...z.keys()].slice(0, count).filter((j) => j % 15 !== anchor % 15);
    order.sort((a, b) => dot(anchor, b) - dot(anchor, a));
    expect([...indices]).toEqual(order);
    expect(positive).toBeCloseTo(dot(anchor, (anchor + 15) % 30), 6);
    order.forEach((j, rank) => {
      expect(similarities[rank]).toBeCloseTo(dot(anchor, j), 6);
    });
    expect(selected).toEqual([0, 28]);
  }
});

it('gives the ranks that a ring selects, and leaves out items of equal ids', () => {
  const instanceIds = Int32Array.from({ length: 15 }, (_, i) => (i < 3 ? 0 : i));
  const objective = resolveObjective(ring({ inner: 0.2, outer: 0.5 }), 0, 1);
  const [ranked] = rankNegatives(kernels, { ...input, instanceIds, anchors: [1], objective });
  expect(ranked!.indices.length).toBe(24);
  expect([...ranked!.indices].filter((j) => j % 15 < 3)).toEqual([]);
  expect(ranked!.selected).toEqual([2, 12]);
});

it('refuses an anchor that is not a row, and frees what it took', () => {
  const { used } = kernels.heap as unknown as { used: number };
  const objective = resolveObjective(hcl(), 0, 1);
  for (const anchor of [30, -1, 0.5]) {
    expect(() => rankNegatives(kernels, { ...input, anchors: [anchor], objective })).toThrow(
      expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }),
    );
  }
  expect((kernels.heap as unknown as { used: number }).used).toBe(used);
});
