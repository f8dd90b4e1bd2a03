import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { meanAndDeviation, pairedInterval, studentQuantile } from '../../src/evaluate/index.js';

describe('studentQuantile', () => {
  // Printed tables of t.
  it.each([
    [0.975, 1, 12.706],
    [0.975, 2, 4.303],
    [0.975, 4, 2.776],
    [0.975, 9, 2.262],
    [0.95, 2, 2.92],
    [0.995, 30, 2.75],
    [0.975, 1000, 1.962],
  ])('at %f with %i degrees of freedom is %f', (p, freedom, expected) => {
    expect(studentQuantile(p, freedom)).toBeCloseTo(expected, 3);
  });
});

describe('pairedInterval', () => {
  it('is the mean ± t · s/√n', () => {
    const { mean, low, high } = pairedInterval([1, 2, 6]);
    expect(mean).toBe(3);
    const reach = (4.302653 * Math.sqrt(7)) / Math.sqrt(3);
    expect(low).toBeCloseTo(3 - reach, 5);
    expect(high).toBeCloseTo(3 + reach, 5);
  });

  it('says nothing from one pair, and refuses none', () => {
    expect(pairedInterval([0.4])).toEqual({
      mean: 0.4,
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY,
    });
    expect(() => pairedInterval([])).toThrow(NearmissError);
  });
});

describe('meanAndDeviation', () => {
  it('divides by n - 1', () => {
    expect(meanAndDeviation([1, 3])).toEqual({ mean: 2, deviation: Math.SQRT2 });
    expect(meanAndDeviation([5]).deviation).toBeNaN();
  });
});
