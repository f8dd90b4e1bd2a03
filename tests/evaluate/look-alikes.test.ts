import { describe, expect, it } from 'vitest';
import { lookAlikes } from '../../src/evaluate/index.js';
import { randomStream } from '../../src/random.js';

describe('lookAlikes', () => {
  it('equals all pairs of items by their most similar views', () => {
    const random = randomStream(3);
    const [views, items, width] = [120, 50, 4];
    const ids = Array.from({ length: views }, () => random.integer(items));
    const rows = Float32Array.from({ length: views * width }, () => random.normal());
    for (let at = 0; at < rows.length; at += width) {
      const length = Math.hypot(...rows.subarray(at, at + width));
      for (let i = at; i < at + width; i++) rows[i]! /= length;
    }
    const all = new Map<string, number>();
    for (let i = 0; i < views; i++) {
      for (let j = 0; j < i; j++) {
        if (ids[i] === ids[j]) continue;
        let sum = 0;
        for (let k = 0; k < width; k++) sum += rows[i * width + k]! * rows[j * width + k]!;
        const key = [ids[i]!, ids[j]!].sort((a, b) => a - b).join(' ');
        all.set(key, Math.max(all.get(key) ?? -2, sum));
      }
    }
    const expected = [...all].sort((x, y) => y[1] - x[1]).slice(0, 30);
    const found = lookAlikes(rows, ids, width, 30);
    expect(found.map(({ a, b }) => `${a} ${b}`)).toEqual(expected.map(([key]) => key));
    found.forEach(({ a, b, rows: [first, second], similarity }, i) => {
      expect(similarity).toBeCloseTo(expected[i]![1], 12);
      expect([ids[first], ids[second]]).toEqual([a, b]);
      expect(a).toBeLessThan(b);
    });
  });

  it('lists fewer where there are fewer pairs, and none of one item', () => {
    const rows = Float32Array.from([1, 0, 1, 0, 0, 1]);
    expect(lookAlikes(rows, [7, 7, 7], 2, 5)).toEqual([]);
    const found = lookAlikes(rows, [9, 7, 7], 2, 5);
    expect(found).toEqual([{ a: 7, b: 9, rows: [1, 0], similarity: 1 }]);
  });
});
