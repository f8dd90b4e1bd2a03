import { describe, expect, it } from 'vitest';
import { BatchOrder } from '../../src/train/batches.js';

const counts = (values: Iterable<number>): Map<number, number> => {
  const result = new Map<number, number>();
  for (const value of values) result.set(value, (result.get(value) ?? 0) + 1);
  return result;
};

describe('BatchOrder', () => {
  it('takes every item once an epoch, whatever the batch', () => {
    const order = new BatchOrder({ seed: 3, items: 50, batch: 8 });
    const taken = Array.from({ length: 25 }, (_, step) => [...order.at(step)]).flat();
    for (let epoch = 0; epoch < 4; epoch++) {
      const seen = counts(taken.slice(epoch * 50, (epoch + 1) * 50));
      expect(seen.size).toBe(50);
      expect(Math.max(...seen.values())).toBe(1);
    }
  });

  it('gives a step the same items wherever the run was resumed', () => {
    const whole = new BatchOrder({ seed: 3, items: 50, batch: 8 });
    for (let step = 0; step < 40; step++) whole.at(step);
    const resumed = new BatchOrder({ seed: 3, items: 50, batch: 8 });
    expect(resumed.at(37)).toEqual(whole.at(37));
  });

  it('depends on the seed, and differs from epoch to epoch', () => {
    const at = (seed: number, step: number): string => new BatchOrder({ seed, items: 64, batch: 64 }).at(step).join();
    expect(at(1, 0)).not.toBe(at(2, 0));
    expect(at(1, 0)).not.toBe(at(1, 1));
  });
});
