import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, read, TIERS, unitRows, zeros } from '../negatives/embeddings.js';

function random(length: number, ...key: number[]): Float32Array {
  const stream = randomStream(77, ...key);
  return Float32Array.from({ length }, () => stream.normal());
}

describe.each(TIERS)('ring selection, %s SIMD', async (tier) => {
  const { exports, heap } = await kernelsOf(tier);

  interface Ring {
    start: number;
    size: number;
    firstIn: number;
    firstInIndex: number;
    firstOut: number;
    firstOutIndex: number;
  }

  function select(rows: Float32Array, columns: number, inner: number, outer: number, innerOfOuter = true): Ring[] {
    const count = rows.length / columns;
    const bounds = zeros(heap, 4 * count, 4);
    const ranks = zeros(heap, 2 * count);
    const scratch = heap.malloc(exports.ringScratch(columns));
    const [stride, of] = [4 * columns, innerOfOuter ? 1 : 0];
    const at = place(heap, rows, 4);
    exports.selectRing(
      at,
      stride,
      count,
      columns,
      inner,
      outer,
      of,
      bounds,
      4 * count,
      ranks,
      ranks + 4 * count,
      scratch,
    );
    const floats = read(heap, bounds, 4 * count);
    const integers = new Int32Array(floats.buffer);
    const places = new Int32Array(read(heap, ranks, 2 * count).buffer);
    return Array.from({ length: count }, (_, r) => ({
      start: places[r]!,
      size: places[count + r]!,
      firstIn: floats[r]!,
      firstInIndex: integers[count + r]!,
      firstOut: floats[2 * count + r]!,
      firstOutIndex: integers[3 * count + r]!,
    }));
  }

  function expected(row: Float32Array, inner: number, outer: number, innerOfOuter: boolean): Ring {
    const order = [...row.keys()].filter((j) => row[j]! > -Infinity).sort((a, b) => row[b]! - row[a]! || a - b);
    const end = Math.floor(outer * order.length);
    const start = Math.floor(inner * (innerOfOuter ? end : order.length));
    const limited = start > 0;
    const open = end >= order.length;
    return {
      start,
      size: Math.max(0, end - start),
      firstIn: limited ? row[order[start]!]! : Infinity,
      firstInIndex: limited ? order[start]! : 0,
      firstOut: open ? -Infinity : row[order[end]!]!,
      firstOutIndex: open ? 0 : order[end]!,
    };
  }

  const KINDS: Readonly<Record<string, (i: number) => (columns: number) => Float32Array>> = {
    spread: (i) => (n) => unitRows(randomStream(40, i, n), n, 3).filter((_, k) => k % 3 === 0),
    crowded: (i) => (n) => random(n, 41, i, n).map((v) => 0.97 + 0.0005 * v),
    'full of ties': (i) => (n) => random(n, 42, i, n).map((v) => Math.round(v) / 4),
    equal: () => (n) => new Float32Array(n).fill(0.5),
    'of zeros with either sign': (i) => (n) => random(n, 43, i, n).map((v) => (v > 0 ? 0 : -0)),
    ascending: () => (n) => Float32Array.from({ length: n }, (_, j) => -1 + (2 * j) / n),
    'outside [-1, 1]': (i) => (n) => random(n, 44, i, n).map((v) => 3 * v),
  };

  it.each(Object.entries(KINDS))('finds the boundaries of rows that are %s', (_, make) => {
    for (const columns of [4, 8, 12, 100, 1000, 5000]) {
      const rows = new Float32Array(3 * columns);
      for (let r = 0; r < 3; r++) rows.set(make(r)(columns), r * columns);
      const mask = randomStream(45, columns);
      for (let k = 0; k < columns / 4; k++) rows[mask.integer(rows.length)] = -Infinity;
      for (const [inner, outer, of] of [
        [0, 1, true],
        [0.1, 0.5, true],
        [0.3, 0.9, false],
        [0, 0.26, true],
        [0.98, 1, true],
      ] as const) {
        const found = select(rows, columns, inner, outer, of);
        found.forEach((ring, r) => {
          const want = expected(rows.subarray(r * columns, (r + 1) * columns), inner, outer, of);
          // -0 and 0 are one similarity.
          expect({ ...ring, firstIn: ring.firstIn + 0, firstOut: ring.firstOut + 0 }).toEqual({
            ...want,
            firstIn: want.firstIn + 0,
            firstOut: want.firstOut + 0,
          });
        });
      }
    }
  });

  it('selects nothing where everything is masked or the ring is empty', () => {
    const masked = new Float32Array(8).fill(-Infinity);
    expect(select(masked, 8, 0.1, 0.5)).toEqual([
      { start: 0, size: 0, firstIn: Infinity, firstInIndex: 0, firstOut: -Infinity, firstOutIndex: 0 },
    ]);
    expect(select(random(8, 46), 8, 0.5, 0.1)[0]!.size).toBe(0);
  });
});
