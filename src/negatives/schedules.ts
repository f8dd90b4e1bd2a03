import { NearmissError } from '../errors.js';

/**
 * A number that changes over training, as plain data. At step t (from 0) of a schedule of A steps, then constant `to`:
 * - `linear`: A evenly spaced values, the first `from`, the last `to`
 * - `cosine`: the same A points on half a cosine
 * - `step`: `from`, then `size` nearer to `to` with each level; every level lasts floor(A / levels) steps
 * - `exponential`: to + (from - to)·e^(-decay·t)
 * - `adaptive`: starts at `from` and moves by `delta` a step, towards `to` while training goes well and back while it does
 *   not (`AdaptiveSettings`)
 *
 * The shapes of `linear`, `step`, `exponential` and `adaptive` are those of Wu et al. 2021, "Conditional Negative Sampling for
 * Contrastive Learning of Visual Representations", official code, src/utils/policy.py.
 */
export interface ScheduleSpec {
  readonly schedule: 'linear' | 'step' | 'exponential' | 'cosine' | 'adaptive';
  readonly from: number;
  readonly to: number;
  /** Length A in steps; default: `until` of the run. */
  readonly steps?: number;
  /** Length A as a part of the run, in (0, 1]; default 1. Not together with `steps`. */
  readonly until?: number;
  /** `step` only: distance between levels, above 0; default 0.1. */
  readonly size?: number;
  /** `exponential` only: rate per step, above 0; default 0.1. */
  readonly decay?: number;
  /**
   * `adaptive` only: what it looks at; default loss. Accuracy is the share of anchors whose positive is closer than
   * every candidate.
   */
  readonly metric?: 'loss' | 'accuracy';
  /** `adaptive` only: how far it moves, above 0; default 0.01 on loss, 0.05 on accuracy. */
  readonly delta?: number;
  /** `adaptive` only: earlier steps whose mean it compares a step with, 1 or more; default 10 on loss, 5 on accuracy. */
  readonly window?: number;
}

/** A constant, or a schedule. */
export type Setting = number | ScheduleSpec;

const KEYS = new Set(['schedule', 'from', 'to', 'steps', 'until', 'size', 'decay', 'metric', 'delta', 'window']);
const KINDS = ['linear', 'step', 'exponential', 'cosine', 'adaptive'];

function fail(field: string, found: unknown, allowed: string): never {
  throw new NearmissError('NM_OPTION_INVALID', `${field}: found ${JSON.stringify(found)}, allowed: ${allowed}`);
}

/**
 * Checks a setting and gives the least and the largest value it takes.
 *
 * @throws NM_OPTION_INVALID for a value that is not finite, a length below 0, or options of another kind;
 * NM_OPTION_UNKNOWN for an unknown key.
 */
export function settingRange(setting: Setting, field: string): { readonly low: number; readonly high: number } {
  if (typeof setting === 'number') {
    if (!Number.isFinite(setting)) fail(field, String(setting), 'a finite number or a schedule');
    return { low: setting, high: setting };
  }
  if (typeof setting !== 'object' || setting === null) fail(field, setting, 'a finite number or a schedule');
  for (const key of Object.keys(setting)) {
    if (!KEYS.has(key)) {
      throw new NearmissError('NM_OPTION_UNKNOWN', `${field}.${key}: unknown; allowed: ${[...KEYS].join(', ')}`);
    }
  }
  const { schedule, from, to, steps, until, size, decay } = setting;
  if (!KINDS.includes(schedule)) fail(`${field}.schedule`, schedule, KINDS.join(', '));
  for (const [name, value] of [['from', from] as const, ['to', to] as const]) {
    if (typeof value !== 'number' || !Number.isFinite(value)) fail(`${field}.${name}`, value, 'a finite number');
  }
  if (steps !== undefined && !(Number.isInteger(steps) && steps >= 0)) {
    fail(`${field}.steps`, steps, 'an integer of 0 or more');
  }
  if (until !== undefined && !(until > 0 && until <= 1)) fail(`${field}.until`, until, 'above 0, up to 1');
  if (steps !== undefined && until !== undefined) fail(`${field}.until`, until, 'either steps or until, not both');
  if (size !== undefined && (schedule !== 'step' || !(Number.isFinite(size) && size > 0))) {
    fail(`${field}.size`, size, 'above 0, with the step schedule only');
  }
  if (decay !== undefined && (schedule !== 'exponential' || !(Number.isFinite(decay) && decay > 0))) {
    fail(`${field}.decay`, decay, 'above 0, with the exponential schedule only');
  }
  checkAdaptive(setting, field);
  return { low: Math.min(from, to), high: Math.max(from, to) };
}

function checkAdaptive({ schedule, steps, until, metric, delta, window }: ScheduleSpec, field: string): void {
  const adaptive = schedule === 'adaptive';
  if (adaptive && steps !== undefined) fail(`${field}.steps`, steps, 'no length, with the adaptive schedule');
  if (adaptive && until !== undefined) fail(`${field}.until`, until, 'no length, with the adaptive schedule');
  if (metric !== undefined && !(adaptive && (metric === 'loss' || metric === 'accuracy'))) {
    fail(`${field}.metric`, metric, 'loss or accuracy, with the adaptive schedule only');
  }
  if (delta !== undefined && !(adaptive && Number.isFinite(delta) && delta > 0)) {
    fail(`${field}.delta`, delta, 'above 0, with the adaptive schedule only');
  }
  if (window !== undefined && !(adaptive && Number.isInteger(window) && window > 0)) {
    fail(`${field}.window`, window, 'an integer above 0, with the adaptive schedule only');
  }
}

/**
 * The value of a setting at a step: `resolveSetting(setting)(step, steps)`, where `steps` is the length of the run.
 * Steps below 0 count as 0; past its end a schedule stays at `to`. An adaptive schedule is at `from`: only
 * `AdaptiveSettings`, which sees how training goes, knows where it has moved.
 *
 * @example
 * const outer = resolveSetting({ schedule: 'linear', from: 1, to: 0.1, steps: 10 });
 * outer(0, 100); // 1
 * outer(9, 100); // 0.1
 */
export function resolveSetting(setting: Setting, field = 'setting'): (step: number, steps: number) => number {
  settingRange(setting, field);
  if (typeof setting === 'number') return () => setting;
  const { schedule, from, to, until = 1, size = 0.1, decay = 0.1 } = setting;
  if (schedule === 'adaptive') return () => from;
  return (step, steps) => {
    const length = setting.steps ?? Math.round(until * steps);
    const t = Math.max(0, step);
    if (t >= length) return to;
    switch (schedule) {
      case 'linear':
        return length === 1 ? from : from + (to - from) * (t / (length - 1));
      case 'cosine':
        return length === 1 ? from : to + ((from - to) * (1 + Math.cos((Math.PI * t) / (length - 1)))) / 2;
      case 'exponential':
        return to + (from - to) * Math.exp(-decay * t);
      case 'step': {
        // The tolerance keeps 0.9 / 0.1 at 9 levels below the first, not 8.
        const levels = Math.floor(Math.abs(from - to) / size + 1e-9) + 1;
        const level = Math.floor(t / Math.max(1, Math.floor(length / levels)));
        return level >= levels ? to : from + Math.sign(to - from) * size * level;
      }
    }
  };
}
