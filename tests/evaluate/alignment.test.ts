import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { alignment, uniformity } from '../../src/evaluate/index.js';

interface Golden {
  readonly objective: string;
  readonly dim: number;
  readonly batch: number;
  readonly z1: readonly number[];
  readonly z2: readonly number[];
  readonly alignment: number;
  readonly uniformityZ1: number;
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/methods.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Golden[];
};
const golden = cases.filter(({ objective }) => objective === 'alignment-uniformity');

describe('alignment and uniformity', () => {
  it.each(golden)('have the golden values for $batch rows of $dim', (one) => {
    const [a, b] = [Float32Array.from(one.z1), Float32Array.from(one.z2)];
    expect(alignment(a, b, one.dim)).toBeCloseTo(one.alignment, 10);
    expect(uniformity(a, one.dim)).toBeCloseTo(one.uniformityZ1, 10);
  });

  it('were compared with golden cases', () => {
    expect(golden).toHaveLength(3);
  });

  it('are 0 where views agree and where all rows are the same', () => {
    const rows = Float32Array.from([1, 0, 0, 1]);
    expect(alignment(rows, rows, 2)).toBe(0);
    expect(uniformity(Float32Array.from([1, 0, 1, 0, 1, 0]), 2)).toBe(0);
    // Opposite views are as far apart as can be: |a - b|² = 4.
    expect(alignment(Float32Array.from([1, 0]), Float32Array.from([-1, 0]), 2)).toBe(4);
    expect(alignment(Float32Array.from([1, 0]), Float32Array.from([-1, 0]), 2, 1)).toBe(2);
    expect(uniformity(Float32Array.from([1, 0, -1, 0]), 2)).toBe(-8);
  });

  it('refuse views that do not match and rows without a pair', () => {
    expect(() => alignment(new Float32Array(4), new Float32Array(2), 2)).toThrow(NearmissError);
    expect(() => alignment(new Float32Array(0), new Float32Array(0), 2)).toThrow(NearmissError);
    expect(() => uniformity(new Float32Array(2), 2)).toThrow(NearmissError);
  });
});
