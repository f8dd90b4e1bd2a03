import { describe, expect, it } from 'vitest';
import {
  ball,
  debiased,
  hcl,
  moco,
  ntxent,
  type Objective,
  parseObjective,
  resolveObjective,
  resolveSetting,
  ring,
  type Setting,
} from '../../src/negatives/index.js';

describe('schedules', () => {
  const values = (setting: Setting, steps: number, upTo = steps): number[] =>
    Array.from({ length: upTo }, (_, t) => Math.round(1e6 * resolveSetting(setting)(t, steps)) / 1e6);

  it('keep a number constant', () => {
    expect(values(0.3, 3)).toEqual([0.3, 0.3, 0.3]);
  });

  it('span the run unless told otherwise, and stay at their end', () => {
    expect(values({ schedule: 'linear', from: 1, to: 0 }, 5, 7)).toEqual([1, 0.75, 0.5, 0.25, 0, 0, 0]);
    expect(values({ schedule: 'linear', from: 1, to: 0, until: 0.5 }, 6)).toEqual([1, 0.5, 0, 0, 0, 0]);
    expect(values({ schedule: 'cosine', from: 1, to: 0, steps: 3 }, 5)).toEqual([1, 0.5, 0, 0, 0]);
  });

  it.each(['linear', 'cosine', 'exponential', 'step'] as const)(
    '%s has no step of length 0, one of length 1',
    (schedule) => {
      expect(values({ schedule, from: 1, to: 0.1, steps: 0 }, 4)).toEqual([0.1, 0.1, 0.1, 0.1]);
      expect(values({ schedule, from: 1, to: 0.1, steps: 1 }, 4)).toEqual([1, 0.1, 0.1, 0.1]);
      expect(resolveSetting({ schedule, from: 1, to: 0.1 })(0, 0)).toBe(0.1);
      expect(resolveSetting({ schedule, from: 1, to: 0.1 })(-3, 10)).toBe(1);
    },
  );

  it('step upwards too, and end at their end where levels do not divide the length', () => {
    const rising = { schedule: 'step', from: 0, to: 1, size: 0.5, steps: 7 } as const;
    expect(values(rising, 9)).toEqual([0, 0, 0.5, 0.5, 1, 1, 1, 1, 1]);
    const falling = { schedule: 'step', from: 1, to: 0.1, steps: 25 } as const;
    expect(values(falling, 50).slice(18)).toEqual(new Array(32).fill(0.1));
  });

  it.each([
    [Number.NaN, 'NM_OPTION_INVALID'],
    ['0.5', 'NM_OPTION_INVALID'],
    [{ schedule: 'quadratic', from: 1, to: 0 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'linear', from: 1 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'linear', from: 1, to: 0, steps: 1.5 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'linear', from: 1, to: 0, until: 0 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'linear', from: 1, to: 0, until: 0.5, steps: 3 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'linear', from: 1, to: 0, decay: 1 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'step', from: 1, to: 0, size: 0 }, 'NM_OPTION_INVALID'],
    [{ schedule: 'linear', from: 1, to: 0, length: 3 }, 'NM_OPTION_UNKNOWN'],
  ])('refuse %j', (setting, code) => {
    expect(() => resolveSetting(setting as Setting)).toThrow(expect.objectContaining({ code }));
  });
});

describe('objectives', () => {
  it.each([ntxent(), debiased(), hcl(), moco(), ring(), ball(), ring({ capacity: 64 })])(
    'go through JSON: %j',
    (objective) => {
      expect(parseObjective(JSON.parse(JSON.stringify(objective)))).toEqual(objective);
    },
  );

  it('resolve to the numbers of a step', () => {
    expect(resolveObjective(hcl({ beta: { schedule: 'linear', from: 0, to: 2 } }), 1, 3)).toEqual({
      temperature: 0.5,
      select: { kind: 'all' },
      beta: 1,
      tauPlus: 0.1,
      positiveInPartition: true,
    });
    const outer = (step: number): unknown => resolveObjective(ring(), step, 100).select;
    expect(outer(0)).toMatchObject({ kind: 'ring', inner: 0.1, outer: 1, innerOfOuter: true, neighbourViews: false });
    expect(outer(60)).toMatchObject({ outer: 0.1 });
  });

  const bad: readonly (readonly [unknown, string, RegExp])[] = [
    [null, 'NM_OPTION_INVALID', /objective: found null/],
    [{ temperature: 0 }, 'NM_OPTION_INVALID', /temperature: found 0, allowed: above 0/],
    [{ temperature: { schedule: 'linear', from: 1, to: 0 } }, 'NM_OPTION_INVALID', /temperature: found 0/],
    [{}, 'NM_OPTION_INVALID', /temperature/],
    [{ temperature: 1, tau: 2 }, 'NM_OPTION_UNKNOWN', /objective\.tau: unknown/],
    [{ temperature: 1, weight: { beta: -1 } }, 'NM_OPTION_INVALID', /weight\.beta: found -1/],
    [{ temperature: 1, weight: { tauPlus: 1 } }, 'NM_OPTION_INVALID', /weight\.tauPlus: found 1/],
    [{ temperature: 1, weight: { gamma: 1 } }, 'NM_OPTION_UNKNOWN', /weight\.gamma/],
    [{ temperature: 1, weight: null }, 'NM_OPTION_INVALID', /weight: found null/],
    [{ temperature: 1, select: null }, 'NM_OPTION_INVALID', /select\.kind/],
    [{ temperature: 1, select: { kind: 'some' } }, 'NM_OPTION_INVALID', /select\.kind: found "some"/],
    [{ temperature: 1, select: { kind: 'all', inner: 0 } }, 'NM_OPTION_UNKNOWN', /select\.inner/],
    [{ temperature: 1, select: { kind: 'ring', inner: 1, outer: 1 } }, 'NM_OPTION_INVALID', /select\.inner: found 1/],
    [{ temperature: 1, select: { kind: 'ring', inner: 0, outer: 0 } }, 'NM_OPTION_INVALID', /select\.outer: found 0/],
    [{ temperature: 1, select: { kind: 'ring', inner: 0 } }, 'NM_OPTION_INVALID', /select\.outer/],
    [
      { temperature: 1, select: { kind: 'ring', inner: 0.5, outer: 0.5, innerOfOuter: false } },
      'NM_OPTION_INVALID',
      /select\.inner: found 0\.5, allowed: below select\.outer/,
    ],
    [
      { temperature: 1, select: { kind: 'ring', inner: 0, outer: 1, neighbourViews: 1 } },
      'NM_OPTION_INVALID',
      /neighbourViews/,
    ],
    [{ temperature: 1, positiveInPartition: 'yes' }, 'NM_OPTION_INVALID', /positiveInPartition/],
    [{ temperature: 1, candidates: { kind: 'bag' } }, 'NM_OPTION_INVALID', /candidates\.kind: found "bag"/],
    [{ temperature: 1, candidates: { kind: 'queue', capacity: 0 } }, 'NM_OPTION_INVALID', /candidates\.capacity/],
    [{ temperature: 1, candidates: { kind: 'batch', capacity: 4 } }, 'NM_OPTION_UNKNOWN', /candidates\.capacity/],
  ];
  it.each(bad)('refuse %j', (objective, code, message) => {
    const call = (): unknown => resolveObjective(objective as Objective, 0, 1);
    expect(call).toThrow(expect.objectContaining({ code }));
    expect(call).toThrow(message);
  });
});
