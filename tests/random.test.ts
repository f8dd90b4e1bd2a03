import { describe, expect, it } from 'vitest';
import { permutation, type Random, randomStream } from '../src/random.js';

function draw(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next);
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}

/** Draws a statistic is taken of. */
const N = 20_000;

describe('randomStream', () => {
  it('gives the same numbers for the same key, whatever was drawn elsewhere', () => {
    const first = draw(50, randomStream(7, 1, 2).uint32);
    draw(9, randomStream(7, 1, 3).uint32);
    expect(draw(50, randomStream(7, 1, 2).uint32)).toEqual(first);
  });

  it('gives other numbers for every other key', () => {
    const keys = [[0], [1], [0, 0], [0, 1], [1, 0], [-1], [2 ** 32], [2 ** 40 + 1], [1, 2, 3], [3, 2, 1]];
    const first = keys.map((key) => draw(4, randomStream(...key).uint32).join());
    expect(new Set(first).size).toBe(keys.length);
  });

  it('draws uniform numbers in [0, 1)', () => {
    const values = draw(N, randomStream(1).uniform);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const { mean, variance } = moments(values);
    // Five standard errors of each.
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / N));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / N));
  });

  it('draws numbers of neighbouring keys that are not correlated', () => {
    const a = Array.from({ length: N }, (_, key) => randomStream(5, key).uniform());
    const { mean, variance } = moments(a);
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / N));
    let covariance = 0;
    for (let i = 1; i < N; i++) covariance += ((a[i]! - mean) * (a[i - 1]! - mean)) / (N - 1);
    expect(Math.abs(covariance / variance)).toBeLessThan(5 / Math.sqrt(N));
  });

  it('draws standard normal numbers', () => {
    const values = draw(N, randomStream(2).normal);
    const { mean, variance } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(N));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / N));
    const beyondTwo = values.filter((value) => Math.abs(value) > 2).length / N;
    expect(beyondTwo).toBeCloseTo(0.0455, 2);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it.each([1, 2, 3, 7, 256, 1000])('draws integers below %d evenly', (n) => {
    const random = randomStream(3, n);
    const counts = new Array<number>(n).fill(0);
    for (let i = 0; i < N; i++) counts[random.integer(n)]!++;
    const expected = N / n;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // Mean n - 1, variance 2 (n - 1).
    expect(chiSquare).toBeLessThan(n - 1 + 5 * Math.sqrt(2 * n));
  });

  it('draws integers without the bias of a remainder', () => {
    // 2^32 mod 3·2^30 is 2^30: a plain remainder would draw the lowest third twice as often.
    const n = 3 * 2 ** 30;
    const random = randomStream(4);
    const low = draw(N, () => random.integer(n)).filter((value) => value < 2 ** 30).length;
    expect(Math.abs(low / N - 1 / 3)).toBeLessThan(5 * Math.sqrt(2 / 9 / N));
  });
});

describe('permutation', () => {
  it('holds each place once', () => {
    for (const n of [0, 1, 2, 1000]) {
      expect(Array.from(permutation(n, randomStream(n))).sort((a, b) => a - b)).toEqual(draw(n, counter()));
    }
  });

  it('is every order equally often', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = permutation(3, randomStream(8, i)).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });

  it('takes its randomness from the stream alone', () => {
    const same = (): Random => randomStream(9, 9);
    expect(permutation(50, same())).toEqual(permutation(50, same()));
  });
});

function counter(): () => number {
  let next = 0;
  return () => next++;
}
