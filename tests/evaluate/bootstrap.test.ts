import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { pairedBootstrap } from '../../src/evaluate/index.js';

describe('pairedBootstrap', () => {
  const better = Array.from({ length: 400 }, (_, i) => (i % 10 < 6 ? 1 : 0));
  const worse = Array.from({ length: 400 }, (_, i) => (i % 10 < 4 ? 1 : 0));

  it('has the interval that the normal approximation gives for many queries', () => {
    const { mean, low, high } = pairedBootstrap(better, worse, { seed: 1 });
    expect(mean).toBeCloseTo(0.2, 12);
    // The difference is 1 for a fifth of the queries and 0 otherwise: its standard error is sqrt(.2 · .8 / 400) = .02.
    expect(low).toBeGreaterThan(0.2 - 1.96 * 0.02 - 0.004);
    expect(low).toBeLessThan(0.2 - 1.96 * 0.02 + 0.004);
    expect(high).toBeGreaterThan(0.2 + 1.96 * 0.02 - 0.004);
    expect(high).toBeLessThan(0.2 + 1.96 * 0.02 + 0.004);
  });

  it('pairs the queries: a constant difference has no spread', () => {
    const { mean, low, high } = pairedBootstrap([3, 1, 2], [2, 0, 1], { samples: 100 });
    expect([mean, low, high]).toEqual([1, 1, 1]);
  });

  it('changes sign with its arguments and depends on the seed only', () => {
    const forth = pairedBootstrap(better, worse, { seed: 5, samples: 999 });
    const back = pairedBootstrap(worse, better, { seed: 5, samples: 999 });
    expect(back.low).toBeCloseTo(-forth.high, 12);
    expect(back.high).toBeCloseTo(-forth.low, 12);
    expect(pairedBootstrap(better, worse, { seed: 5, samples: 999 })).toEqual(forth);
    expect(pairedBootstrap(better, worse, { seed: 6, samples: 999 })).not.toEqual(forth);
  });

  it('refuses outcomes of different queries, or none', () => {
    expect(() => pairedBootstrap([1], [1, 0])).toThrow(NearmissError);
    expect(() => pairedBootstrap([], [])).toThrow(NearmissError);
  });
});
