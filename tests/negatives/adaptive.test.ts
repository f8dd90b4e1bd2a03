import { describe, expect, it } from 'vitest';
import {
  AdaptiveSettings,
  hcl,
  mochi,
  type Objective,
  resolveObjective,
  resolveSetting,
  ring,
  type Setting,
} from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';

/** The published policy (Wu et al. 2021, src/utils/policy.py), as it is written there. */
function published(metrics: readonly number[], lowerIsBetter: boolean, delta: number, window: number): number[] {
  let threshold = 1;
  const seen: number[] = [];
  return metrics.map((metric) => {
    const recent = seen.slice(-window);
    const mean = recent.reduce((a, b) => a + b, 0) / recent.length;
    if (metric > mean) threshold += lowerIsBetter ? delta : -delta;
    else if (metric < mean) threshold += lowerIsBetter ? -delta : delta;
    threshold = Math.min(1, Math.max(0.1, threshold));
    seen.push(metric);
    return threshold;
  });
}

const ringOf = (outer: Setting): Objective => ring({ outer });
const losses = (seed: number): number[] => {
  const random = randomStream(seed);
  return Array.from({ length: 400 }, (_, t) => 5 * Math.exp(-t / 90) + 0.3 * random.normal());
};

describe('adaptive settings', () => {
  it.each([
    ['loss', 0.01, 10],
    ['accuracy', 0.05, 5],
  ] as const)('move on %s as the published policy does, by its defaults', (metric, delta, window) => {
    const adaptive = new AdaptiveSettings(ringOf({ schedule: 'adaptive', from: 1, to: 0.1, metric }));
    const series = losses(1);
    const expected = published(series, metric === 'loss', delta, window);
    expect(adaptive.value('select.outer')).toBe(1);
    series.forEach((value, t) => {
      adaptive.record({ loss: 0, accuracy: 0, [metric]: value });
      expect(adaptive.value('select.outer')).toBeCloseTo(expected[t]!, 12);
    });
    expect(Math.min(...expected)).toBeLessThan(0.9);
  });

  it('reach the objective of a step, several at once, upwards too', () => {
    const up = { schedule: 'adaptive', from: 0, to: 2, delta: 0.5, window: 3 } as const;
    const objective = { ...hcl({ beta: up }), select: ring({ inner: 0, outer: 1 }).select! };
    const adaptive = new AdaptiveSettings(objective);
    const beta = (): number => resolveObjective(objective, 0, 10, adaptive.value).beta;
    expect(beta()).toBe(0);
    for (const loss of [5, 4, 3]) adaptive.record({ loss, accuracy: 0 });
    expect(beta()).toBe(1);
    adaptive.record({ loss: 9, accuracy: 0 });
    expect(beta()).toBe(0.5);
    for (let t = 0; t < 9; t++) adaptive.record({ loss: -t, accuracy: 0 });
    expect(beta()).toBe(2);
    // Without records a schedule is at its start.
    expect(resolveObjective(objective, 5, 10).beta).toBe(0);
    expect(resolveSetting(up)(9, 10)).toBe(0);
  });

  it('round where whole numbers are asked for', () => {
    const pairs = { schedule: 'adaptive', from: 2, to: 9, delta: 0.7 } as const;
    const objective = mochi({ pairs, warmup: 0 });
    const adaptive = new AdaptiveSettings(objective);
    for (const loss of [3, 2, 1]) adaptive.record({ loss, accuracy: 0 });
    expect(resolveObjective(objective, 0, 1, adaptive.value).synthesise).toMatchObject({ pairs: 3 });
  });

  it('go on from a saved state as if they had not stopped, and not from that of another objective', () => {
    const objective = ringOf({ schedule: 'adaptive', from: 1, to: 0.1, window: 7 });
    const [whole, resumed] = [new AdaptiveSettings(objective), new AdaptiveSettings(objective)];
    const series = losses(2);
    for (const loss of series.slice(0, 50)) whole.record({ loss, accuracy: 0 });
    resumed.restore(whole.state());
    for (const loss of series.slice(50)) for (const a of [whole, resumed]) a.record({ loss, accuracy: 0 });
    expect(resumed.state()).toBe(whole.state());
    expect(() => new AdaptiveSettings(hcl()).restore(whole.state())).toThrow(
      expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }),
    );
  });

  it('are not moved by a loss that is not a number', () => {
    const adaptive = new AdaptiveSettings(ringOf({ schedule: 'adaptive', from: 1, to: 0.1 }));
    for (const loss of [3, 2, Number.NaN, Number.POSITIVE_INFINITY]) adaptive.record({ loss, accuracy: 0 });
    expect(adaptive.value('select.outer')).toBe(0.99);
  });

  it.each([
    { schedule: 'adaptive', from: 1, to: 0, steps: 4 },
    { schedule: 'adaptive', from: 1, to: 0, until: 0.5 },
    { schedule: 'adaptive', from: 1, to: 0, metric: 'recall' },
    { schedule: 'adaptive', from: 1, to: 0, delta: 0 },
    { schedule: 'adaptive', from: 1, to: 0, window: 1.5 },
    { schedule: 'linear', from: 1, to: 0, window: 5 },
  ])('refuse %j', (setting) => {
    expect(() => resolveSetting(setting as Setting)).toThrow(expect.objectContaining({ code: 'NM_OPTION_INVALID' }));
  });
});
