import { NearmissError } from '../errors.js';
import { resolveSetting, type Setting, settingRange } from './schedules.js';

/** Every candidate is a negative. */
export interface SelectAll {
  readonly kind: 'all';
}

/**
 * Of n candidates, ranked by similarity to the anchor with the hardest first, those from the inner to the outer
 * fraction: ranks [start, end) with end = floor(outer·n) and start = floor(inner·end), or floor(inner·n) without
 * `innerOfOuter` (Wu et al. 2021, "Conditional Negative Sampling", section 3; inner 0 is their ball).
 */
export interface SelectRing {
  readonly kind: 'ring';
  /** In [0, 1). */
  readonly inner: Setting;
  /** In (0, 1]. */
  readonly outer: Setting;
  /** `inner` is a fraction of the outer part, not of all candidates; default true. */
  readonly innerOfOuter?: boolean;
  /** Candidates ahead of the ring count as further positives (their local aggregation variant); default false. */
  readonly neighbourViews?: boolean;
}

/** Importance weights (Robinson et al. 2021, "Contrastive Learning with Hard Negative Samples", section 4). */
export interface Weight {
  /** Concentration on hard negatives, 0 or more; 0 weighs all the same; default 0. */
  readonly beta?: Setting;
  /** Probability that a negative is of the anchor's class, in [0, 1) (Chuang et al. 2020); default 0. */
  readonly tauPlus?: Setting;
}

/** Where negatives come from: the other rows of the batch, or a queue of earlier keys. */
export type CandidateSource = { readonly kind: 'batch' } | { readonly kind: 'queue'; readonly capacity: number };

/**
 * A contrastive objective as data that goes through JSON: candidates, selection, weights and loss, in any combination.
 * Per anchor, with x = e^(similarity/τ) and w = x^β over its n selected negatives,
 *
 *     R = n·Σ w x / Σ w,   N = max((R - τ⁺·n·x_positive)/(1 - τ⁺), n·e^(-1/τ)),   loss = log(1 + N/x_positive).
 */
export interface Objective {
  /** Above 0. */
  readonly temperature: Setting;
  /** Default: the batch. */
  readonly candidates?: CandidateSource;
  /** Default: all. */
  readonly select?: SelectAll | SelectRing;
  readonly weight?: Weight;
  /** The positive is a term of the partition sum too (1 + above); default true. */
  readonly positiveInPartition?: boolean;
}

/** An objective at one step: plain numbers, all defaults filled in. */
export interface ResolvedObjective {
  readonly temperature: number;
  readonly select:
    | { readonly kind: 'all' }
    | {
        readonly kind: 'ring';
        readonly inner: number;
        readonly outer: number;
        readonly innerOfOuter: boolean;
        readonly neighbourViews: boolean;
      };
  readonly beta: number;
  readonly tauPlus: number;
  readonly positiveInPartition: boolean;
}

function fail(field: string, found: unknown, allowed: string): never {
  throw new NearmissError('NM_OPTION_INVALID', `${field}: found ${JSON.stringify(found)}, allowed: ${allowed}`);
}

function checkKeys(value: unknown, field: string, allowed: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(field, value, 'an object');
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) {
      throw new NearmissError('NM_OPTION_UNKNOWN', `${field}.${key}: unknown; allowed: ${allowed.join(', ')}`);
    }
  }
}

function checkFlag(value: unknown, field: string): void {
  if (value !== undefined && typeof value !== 'boolean') fail(field, value, 'true or false');
}

function checkRange(setting: Setting, field: string, inside: (value: number) => boolean, allowed: string): void {
  const { low, high } = settingRange(setting, field);
  if (!inside(low)) fail(field, low, allowed);
  if (!inside(high)) fail(field, high, allowed);
}

function checkRing(select: SelectRing): void {
  checkKeys(select, 'select', ['kind', 'inner', 'outer', 'innerOfOuter', 'neighbourViews']);
  checkRange(select.inner, 'select.inner', (v) => v >= 0 && v < 1, '0 or more, below 1');
  checkRange(select.outer, 'select.outer', (v) => v > 0 && v <= 1, 'above 0, up to 1');
  checkFlag(select.innerOfOuter, 'select.innerOfOuter');
  checkFlag(select.neighbourViews, 'select.neighbourViews');
  if (select.innerOfOuter === false) {
    const inner = settingRange(select.inner, 'select.inner').high;
    const outer = settingRange(select.outer, 'select.outer').low;
    if (inner >= outer) fail('select.inner', inner, `below select.outer at every step (its least value is ${outer})`);
  }
}

/**
 * Checks an objective that comes from a config file or a caller, and returns it.
 *
 * @throws NM_OPTION_INVALID (temperature not above 0, β below 0, τ⁺ outside [0, 1), inner not below outer, …),
 * NM_OPTION_UNKNOWN for an unknown key
 */
export function parseObjective(value: unknown): Objective {
  checkKeys(value, 'objective', ['temperature', 'candidates', 'select', 'weight', 'positiveInPartition']);
  const objective = value as Objective;
  const { temperature, candidates, select, weight, positiveInPartition } = objective;
  checkRange(temperature, 'temperature', (v) => v > 0, 'above 0');
  if (candidates !== undefined) {
    checkKeys(candidates, 'candidates', candidates?.kind === 'queue' ? ['kind', 'capacity'] : ['kind']);
    if (candidates.kind !== 'batch' && candidates.kind !== 'queue') {
      fail('candidates.kind', (candidates as { kind: unknown }).kind, 'batch, queue');
    }
    if (candidates.kind === 'queue' && !(Number.isInteger(candidates.capacity) && candidates.capacity > 0)) {
      fail('candidates.capacity', candidates.capacity, 'an integer above 0');
    }
  }
  if (select !== undefined) {
    if (select?.kind === 'ring') checkRing(select);
    else if (select?.kind === 'all') checkKeys(select, 'select', ['kind']);
    else fail('select.kind', (select as { kind?: unknown } | null)?.kind, 'all, ring');
  }
  if (weight !== undefined) {
    checkKeys(weight, 'weight', ['beta', 'tauPlus']);
    if (weight.beta !== undefined) checkRange(weight.beta, 'weight.beta', (v) => v >= 0, '0 or more');
    if (weight.tauPlus !== undefined) {
      checkRange(weight.tauPlus, 'weight.tauPlus', (v) => v >= 0 && v < 1, '0 or more, below 1');
    }
  }
  checkFlag(positiveInPartition, 'positiveInPartition');
  return objective;
}

/** The objective's numbers at `step` of a run of `steps` steps. Throws as `parseObjective`. */
export function resolveObjective(objective: Objective, step: number, steps: number): ResolvedObjective {
  parseObjective(objective);
  const at = (setting: Setting): number => resolveSetting(setting)(step, steps);
  const { select } = objective;
  return {
    temperature: at(objective.temperature),
    select:
      select?.kind === 'ring'
        ? {
            kind: 'ring',
            inner: at(select.inner),
            outer: at(select.outer),
            innerOfOuter: select.innerOfOuter ?? true,
            neighbourViews: select.neighbourViews ?? false,
          }
        : { kind: 'all' },
    beta: at(objective.weight?.beta ?? 0),
    tauPlus: at(objective.weight?.tauPlus ?? 0),
    positiveInPartition: objective.positiveInPartition ?? true,
  };
}
