import { NearmissError } from '../errors.js';
import type { CandidateSource, Objective, SelectRing, SynthesiseGenerate, SynthesiseMix } from './objective.js';
import { type Setting, settingRange } from './schedules.js';

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

function checkCount(setting: Setting, field: string, least: number): void {
  checkRange(setting, field, (v) => v >= least, `${least} or more`);
  if (typeof setting === 'number' && !Number.isInteger(setting)) fail(field, setting, 'an integer or a schedule');
}

function checkPart(value: unknown, field: string, inside: (value: number) => boolean, allowed: string): void {
  if (value !== undefined && !(typeof value === 'number' && inside(value))) fail(field, value, allowed);
}

const CANDIDATE_KEYS: Readonly<Record<CandidateSource['kind'], readonly string[]>> = {
  batch: [],
  queue: ['capacity'],
  bank: ['draws'],
};

function checkCandidates(candidates: CandidateSource): void {
  const kind = candidates?.kind;
  checkKeys(candidates, 'candidates', ['kind', ...(CANDIDATE_KEYS[kind] ?? [])]);
  if (!(kind in CANDIDATE_KEYS)) fail('candidates.kind', kind, Object.keys(CANDIDATE_KEYS).join(', '));
  for (const key of CANDIDATE_KEYS[kind]) {
    const value = (candidates as unknown as Readonly<Record<string, unknown>>)[key];
    if (!(Number.isInteger(value) && (value as number) > 0)) fail(`candidates.${key}`, value, 'an integer above 0');
  }
}

function checkSynthesis(synthesise: SynthesiseMix | SynthesiseGenerate): void {
  const field = 'synthesise';
  if (synthesise?.kind === 'mix') {
    checkKeys(synthesise, field, ['kind', 'hardest', 'pairs', 'queries', 'warmup']);
    checkCount(synthesise.hardest, `${field}.hardest`, 1);
    checkCount(synthesise.pairs, `${field}.pairs`, 0);
    checkCount(synthesise.queries, `${field}.queries`, 0);
  } else if (synthesise?.kind === 'generate') {
    checkKeys(synthesise, field, ['kind', 'perAnchor', 'share', 'warmup']);
    const { perAnchor, share } = synthesise;
    if (!(Number.isInteger(perAnchor) && perAnchor > 0 && perAnchor % 2 === 0)) {
      fail(`${field}.perAnchor`, perAnchor, 'an even integer above 0');
    }
    if (share !== undefined) checkRange(share, `${field}.share`, (v) => v > 0, 'above 0');
  } else {
    fail(`${field}.kind`, (synthesise as { kind?: unknown } | null)?.kind, 'mix, generate');
  }
  checkPart(synthesise.warmup, `${field}.warmup`, (v) => v >= 0 && v < 1, '0 or more, below 1');
}

function checkLoss({ loss, candidates, weight, synthesise, positiveInPartition }: Objective): void {
  if (loss === undefined) return;
  if (loss?.kind === 'softmax') {
    checkKeys(loss, 'loss', ['kind']);
    return;
  }
  if (loss?.kind !== 'nce') fail('loss.kind', (loss as { kind?: unknown } | null)?.kind, 'softmax, nce');
  checkKeys(loss, 'loss', ['kind', 'zMomentum']);
  checkPart(loss.zMomentum, 'loss.zMomentum', (v) => v >= 0 && v <= 1, '0 to 1');
  // The estimate compares each draw with the noise by itself: there is no sum whose terms could be weighed.
  if (candidates?.kind !== 'bank') fail('loss.kind', 'nce', 'softmax, where candidates are not a bank');
  if (weight !== undefined || synthesise !== undefined || positiveInPartition === false) {
    fail('loss.kind', 'nce', 'softmax, with weight, synthesise or positiveInPartition: false');
  }
}

function checkPositives({ positives, candidates, select }: Objective): void {
  if (positives === undefined) return;
  if (positives !== 'views' && positives !== 'labels') fail('positives', positives, 'views, labels');
  if (positives === 'labels' && candidates !== undefined && candidates.kind !== 'batch') {
    fail('positives', positives, 'views, where candidates are not the batch');
  }
  if (positives === 'labels' && select?.kind === 'ring' && select.neighbourViews) {
    fail('positives', positives, 'views, with select.neighbourViews');
  }
}

const KEYS = [
  'temperature',
  'candidates',
  'synthesise',
  'select',
  'weight',
  'positiveInPartition',
  'positives',
  'loss',
];

/**
 * Checks an objective that comes from a config file or a caller, and returns it.
 *
 * @throws NM_OPTION_INVALID (temperature not above 0, β below 0, τ⁺ outside [0, 1), inner not below outer, …),
 * NM_OPTION_UNKNOWN for an unknown key; the message names the field, what was found, what is allowed
 */
export function parseObjective(value: unknown): Objective {
  checkKeys(value, 'objective', KEYS);
  const objective = value as Objective;
  const { temperature, candidates, synthesise, select, weight, positiveInPartition } = objective;
  checkRange(temperature, 'temperature', (v) => v > 0, 'above 0');
  if (candidates !== undefined) checkCandidates(candidates);
  if (synthesise !== undefined) checkSynthesis(synthesise);
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
  checkPositives(objective);
  checkLoss(objective);
  return objective;
}
