import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { knnAccuracy } from '../../src/evaluate/index.js';
import { randomStream } from '../../src/random.js';

const unit = (...degrees: number[]): Float32Array =>
  Float32Array.from(degrees.flatMap((d) => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)]));

describe('knnAccuracy', () => {
  it('equals a vote written out in full', () => {
    const random = randomStream(11);
    const [count, size, width, classes, k, temperature] = [40, 90, 5, 4, 12, 0.1];
    const draw = (rows: number): Float32Array => {
      const found = Float32Array.from({ length: rows * width }, () => random.normal());
      for (let at = 0; at < found.length; at += width) {
        const length = Math.hypot(...found.subarray(at, at + width));
        for (let i = at; i < at + width; i++) found[i]! /= length;
      }
      return found;
    };
    const queries = draw(count);
    const gallery = draw(size);
    const own = Array.from({ length: count }, () => random.integer(classes));
    const theirs = Array.from({ length: size }, () => random.integer(classes));
    let right = 0;
    own.forEach((label, query) => {
      const scored = theirs.map((other, row) => {
        let score = 0;
        for (let i = 0; i < width; i++) score += queries[query * width + i]! * gallery[row * width + i]!;
        return { other, score };
      });
      scored.sort((a, b) => b.score - a.score);
      const votes = new Array<number>(classes).fill(0);
      for (const { other, score } of scored.slice(0, k)) votes[other]! += Math.exp(score / temperature);
      if (votes.indexOf(Math.max(...votes)) === label) right++;
    });
    expect(knnAccuracy(queries, own, gallery, theirs, width, { k, temperature })).toBeCloseTo(right / count, 12);
    expect(right).toBeGreaterThan(0);
    expect(right).toBeLessThan(count);
  });

  it('lets many near neighbours outvote the nearest at a high temperature only', () => {
    const gallery = unit(5, 20, 20, 20);
    const labels = [0, 1, 1, 1];
    expect(knnAccuracy(unit(0), [1], gallery, labels, 2, { k: 4, temperature: 0.5 })).toBe(1);
    expect(knnAccuracy(unit(0), [1], gallery, labels, 2, { k: 4, temperature: 0.01 })).toBe(0);
    expect(knnAccuracy(unit(0), [0], gallery, labels, 2, { k: 4, temperature: 1e-6 })).toBe(1);
  });

  it('does not let a query vote for itself when the gallery is the queries', () => {
    const rows = unit(0, 90);
    expect(knnAccuracy(rows, [0, 1], rows, [0, 1], 2, { k: 1 })).toBe(1);
    expect(knnAccuracy(rows, [0, 1], rows, [0, 1], 2, { k: 1, leaveOneOut: true })).toBe(0);
  });

  it('uses all of a gallery smaller than k', () => {
    expect(knnAccuracy(unit(0), [1], unit(10, 10, 5), [1, 1, 0], 2)).toBe(1);
  });

  it('refuses k and temperature that are not above 0', () => {
    const run = (options: { k?: number; temperature?: number }) => (): number =>
      knnAccuracy(unit(0), [0], unit(0), [0], 2, options);
    for (const options of [{ k: 0 }, { k: 1.5 }, { temperature: 0 }, { temperature: Number.NaN }]) {
      expect(run(options)).toThrow(NearmissError);
    }
  });
});
