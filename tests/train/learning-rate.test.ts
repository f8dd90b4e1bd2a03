import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../../src/train/learning-rate.js';

describe('learningRateAt', () => {
  const at = (step: number, warmup = 0): number => learningRateAt(step, { peak: 2e-3, warmup, steps: 100 });

  it('starts at the peak without warm-up, is half of it halfway and near 0 at the end', () => {
    expect(at(0)).toBe(2e-3);
    expect(at(50)).toBeCloseTo(1e-3, 12);
    expect(at(99)).toBeLessThan(1e-6);
    expect(at(100)).toBe(0);
    expect(at(1000)).toBe(0);
  });

  it('rises linearly over the warm-up', () => {
    expect(at(0, 10)).toBeCloseTo(2e-4, 12);
    expect(at(9, 10)).toBeCloseTo(2e-3, 12);
    expect(at(10, 10)).toBe(2e-3);
    expect(at(55, 10)).toBeCloseTo(1e-3, 12);
  });
});
