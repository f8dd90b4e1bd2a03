import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, read, TIERS, zeros } from '../negatives/embeddings.js';

const EPS = 2 ** -24;
const random = (length: number, ...key: number[]): Float32Array => {
  const stream = randomStream(78, ...key);
  return Float32Array.from({ length }, () => stream.normal());
};
const integers = (values: readonly number[]): Float32Array => new Float32Array(Int32Array.from(values).buffer);

describe.each(TIERS)('gathered rows, %s SIMD', async (tier) => {
  const { exports, heap } = await kernelsOf(tier);

  // Vectors of 4 and runs of 16: lengths around both.
  it.each([0, 1, 3, 4, 5, 11, 15, 16, 17, 35])('dots, sums and scatters of %i dimensions, from any address', (dim) => {
    const [count, entries, padded, rows] = [3, 5, 8, 7];
    const list = Array.from({ length: count * entries }, (_, n) => (n % 4 === 3 ? -1 : (n * 3) % rows));
    const [a, b, w] = [random(count * dim, 1, dim), random(rows * dim, 2, dim), random(count * padded, 3)];
    const [anchors, table, lists] = [place(heap, a, 1), place(heap, b, 3), place(heap, integers(list), 2)];
    const out = zeros(heap, count * 10, 1);
    exports.gatherDots(anchors, count, dim, table, lists, 4 * entries, entries, padded, out, 40);
    const dots = read(heap, out, count * 10);
    const [sums, scattered] = [zeros(heap, count * dim, 1), zeros(heap, rows * dim, 2)];
    const weights = place(heap, w, 3);
    exports.addGatheredRows(weights, 4 * padded, lists, 4 * entries, count, entries, table, dim, sums);
    exports.scatterAnchors(weights, 4 * padded, lists, 4 * entries, count, entries, anchors, dim, scattered);
    const expectedSums = new Float64Array(count * dim);
    const expectedScattered = new Float64Array(rows * dim);
    for (let i = 0; i < count; i++) {
      for (let e = 0; e < padded; e++) {
        const row = e < entries ? list[i * entries + e]! : -1;
        if (row < 0) {
          expect(dots[i * 10 + e]).toBe(-Infinity);
          continue;
        }
        let dot = 0;
        for (let k = 0; k < dim; k++) {
          dot += a[i * dim + k]! * b[row * dim + k]!;
          expectedSums[i * dim + k]! += w[i * padded + e]! * b[row * dim + k]!;
          expectedScattered[row * dim + k]! += w[i * padded + e]! * a[i * dim + k]!;
        }
        expect(Math.abs(dots[i * 10 + e]! - dot)).toBeLessThan(EPS * 16 * Math.sqrt(dim + 1));
      }
      // Nothing is written behind a row's columns.
      expect([...dots.subarray(i * 10 + padded, i * 10 + 10)]).toEqual([0, 0]);
    }
    read(heap, sums, count * dim).forEach((v, k) => {
      expect(Math.abs(v - expectedSums[k]!)).toBeLessThan(EPS * 64);
    });
    read(heap, scattered, rows * dim).forEach((v, k) => {
      expect(Math.abs(v - expectedScattered[k]!)).toBeLessThan(EPS * 64);
    });
  });

  it.each([0, 4, 8, 20, 404])(
    'the hardest of %i candidates come first, ties by column, masked ones never',
    (columns) => {
      for (const wanted of [1, 3, 16]) {
        const row = random(columns, 5, columns).map((v, j) => (j % 5 === 2 ? -Infinity : Math.round(4 * v) / 4));
        const [ranked, scratch] = [zeros(heap, wanted, 1), zeros(heap, 2 * wanted)];
        const found = exports.rankHardest(place(heap, row, 2), columns, wanted, ranked, scratch);
        const order = [...row.keys()].filter((j) => row[j] !== -Infinity).sort((a, b) => row[b]! - row[a]! || a - b);
        expect(found).toBe(Math.min(wanted, order.length));
        expect([...new Int32Array(read(heap, ranked, found).buffer)]).toEqual(order.slice(0, wanted));
      }
    },
  );

  it('lists a ring’s members and what is ahead of it, as the ranks say', () => {
    const columns = 64;
    const row = random(columns, 6).map((v, j) => (j % 9 === 4 ? -Infinity : Math.round(3 * v) / 3));
    const at = place(heap, row, 1);
    const scratch = heap.malloc(exports.ringScratch(columns));
    for (const [inner, outer] of [
      [0, 1],
      [0.2, 0.7],
      [0.5, 0.51],
    ] as const) {
      const [bounds, ranks, sizes] = [zeros(heap, 4), zeros(heap, 1), zeros(heap, 1)];
      exports.selectRing(at, 4 * columns, 1, columns, inner, outer, 1, bounds, 4, ranks, sizes, scratch);
      const [ahead, members] = [zeros(heap, columns), zeros(heap, columns)];
      exports.listRing(at, columns, bounds, 4, ahead, members);
      const order = [...row.keys()].filter((j) => row[j] !== -Infinity).sort((a, b) => row[b]! - row[a]! || a - b);
      const end = Math.floor(outer * order.length);
      const start = Math.floor(inner * end);
      const listed = (address: number, count: number): number[] => [
        ...new Int32Array(read(heap, address, count).buffer),
      ];
      expect(listed(ahead, start)).toEqual(order.slice(0, start).sort((a, b) => a - b));
      expect(listed(members, end - start)).toEqual(order.slice(start, end).sort((a, b) => a - b));
    }
  });
});
