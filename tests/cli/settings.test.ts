import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ObjectiveFlags, objectiveOf as objectiveFor } from '../../src/cli/objective-options.js';
import { parseSetting } from '../../src/cli/schedule-options.js';
import { readJson, trainInput } from '../../src/cli/settings.js';
import { NearmissError } from '../../src/errors.js';
import { RECIPES } from '../../src/images/index.js';
import { methodByName } from '../../src/methods/index.js';
import { parseObjective, resolveObjective } from '../../src/negatives/index.js';
import { resolveTrainSettings } from '../../src/train/index.js';

const out = 'run';
const objectiveOf = (flags: ObjectiveFlags, method = 'simclr'): ReturnType<typeof objectiveFor> =>
  objectiveFor(flags, methodByName(method));
let folder = '';

async function config(value: unknown): Promise<string> {
  const path = join(folder, 'config.json');
  await writeFile(path, JSON.stringify(value));
  return path;
}

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof NearmissError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('nothing was refused');
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-settings-'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('objectiveOf', () => {
  it('leaves the objective to the defaults where nothing was said', () => {
    expect(objectiveOf({})).toBeUndefined();
  });

  it('makes each objective with its numbers', () => {
    expect(objectiveOf({ objective: 'ntxent', temperature: 0.2 })).toEqual({ temperature: 0.2 });
    const resolved = (flags: ObjectiveFlags): unknown => resolveObjective(parseObjective(objectiveOf(flags)), 99, 100);
    expect(resolved({ objective: 'debiased', tauPlus: 0.2 })).toMatchObject({ beta: 0, tauPlus: 0.2 });
    expect(resolved({ objective: 'hcl', beta: 3, tauPlus: 0.1, temperature: 0.3 })).toMatchObject({
      beta: 3,
      tauPlus: 0.1,
      temperature: 0.3,
    });
    expect(resolved({ objective: 'ring', ring: [0.05, 0.4] })).toMatchObject({
      select: { kind: 'ring', inner: 0.05, outer: 0.4 },
    });
    expect(resolved({ objective: 'ring', ring: [0.05, 0.4], beta: 1 })).toMatchObject({ beta: 1 });
  });

  it('takes numbers without an objective for those of HCL', () => {
    expect(objectiveOf({ beta: 1 })).toEqual(objectiveOf({ objective: 'hcl', beta: 1 }));
  });

  it('anneals β from 0 and the ring from everything, over the first half of the run', () => {
    const at = (flags: ObjectiveFlags, step: number): ReturnType<typeof resolveObjective> =>
      resolveObjective(parseObjective(objectiveOf(flags)), step, 200);
    const hcl = { objective: 'hcl', beta: 2, anneal: 'linear' } as const;
    expect(at(hcl, 0).beta).toBe(0);
    expect(at(hcl, 50).beta).toBeCloseTo(1, 1);
    expect(at(hcl, 100).beta).toBe(2);
    const ring = { objective: 'ring', ring: [0.1, 0.5], anneal: 'cosine' } as const;
    expect(at(ring, 0).select).toMatchObject({ outer: 1 });
    expect(at(ring, 199).select).toMatchObject({ inner: 0.1, outer: 0.5 });
  });

  it('takes the temperature of a method whose negatives are no batch', () => {
    expect(objectiveOf({ objective: 'hcl' }, 'moco')).toMatchObject({ temperature: 0.2, weight: { beta: 2 } });
    expect(objectiveOf({ temperature: 0.1 }, 'moco')).toMatchObject({
      temperature: 0.1,
      candidates: { kind: 'queue' },
    });
    expect(objectiveOf({ objective: 'ntxent', temperature: 0.4 }, 'instance')).toMatchObject({ temperature: 0.4 });
  });

  it('combines ring, weights, queue and mixes', () => {
    const flags = { ring: [0, 0.5], beta: 1, queue: 512, mix: [64, 32, 16], synthesisWarmup: 0.25 } as const;
    expect(objectiveOf({ objective: 'ring', anneal: 'none', ...flags }, 'moco')).toMatchObject({
      candidates: { kind: 'queue', capacity: 512 },
      synthesise: { kind: 'mix', hardest: 64, pairs: 32, queries: 16, warmup: 0.25 },
      select: { kind: 'ring', inner: 0, outer: 0.5 },
      weight: { beta: 1 },
    });
  });

  it('makes the settings of a ring on a bank with NCE', () => {
    const flags = { innerOf: 'all', neighbourViews: true, draws: 64, criterion: 'nce', zMomentum: 1 } as const;
    expect(objectiveOf({ objective: 'ring', ...flags }, 'instance')).toMatchObject({
      candidates: { kind: 'bank', draws: 64 },
      select: { innerOfOuter: false, neighbourViews: true },
      loss: { kind: 'nce', zMomentum: 1 },
    });
    expect(objectiveOf({ objective: 'ring', positiveOutside: true }, 'instance')).toMatchObject({
      positiveInPartition: false,
    });
  });

  it('anneals any number by a schedule of its own', async () => {
    expect(parseSetting('0.5')).toBe(0.5);
    expect(parseSetting('linear:1:0.1')).toEqual({ schedule: 'linear', from: 1, to: 0.1 });
    expect(parseSetting('cosine:0:2:0.5')).toEqual({ schedule: 'cosine', from: 0, to: 2, until: 0.5 });
    const adaptive = { schedule: 'adaptive', from: 1, to: 0.1, metric: 'accuracy', window: 5 };
    expect(parseSetting('adaptive:1:0.1:metric=accuracy:window=5')).toEqual(adaptive);
    const step = { schedule: 'step', from: 1, to: 0, steps: 200, size: 0.25 };
    expect(parseSetting('step:1:0:steps=200:size=0.25')).toEqual(step);
    for (const wrong of ['', 'x', 'linear:1', 'linear::1', 'cubic:0:1', 'linear:0:1:2', 'linear:0:1:rate=3']) {
      expect(() => parseSetting(wrong), wrong).toThrow();
    }
    const temperature = parseSetting('linear:0.5:0.1');
    expect(objectiveOf({ objective: 'ntxent', temperature })).toEqual({ temperature });
    const outer = parseSetting('cosine:1:0.3');
    expect(await refusal(() => objectiveOf({ objective: 'ring', ring: [0, outer], anneal: 'linear' }))).toContain(
      '--anneal: found beside a schedule',
    );
  });

  it('refuses options that exclude or need each other', async () => {
    const refused = (flags: ObjectiveFlags, method: string): Promise<string> =>
      refusal(() => objectiveOf(flags, method));
    expect(await refused({ queue: 5, draws: 5 }, 'moco')).toContain('--queue: found beside --draws');
    expect(await refused({ mix: [8, 4, 2], generate: 4 }, 'moco')).toContain('--mix: found beside --generate');
    expect(await refused({ zMomentum: 0.5 }, 'instance')).toContain('--z-momentum: found without --criterion nce');
    expect(await refused({ generateShare: 0.5 }, 'moco')).toContain('--generate-share: found without --generate');
    expect(await refused({ synthesisWarmup: 0.5 }, 'moco')).toContain('--synthesis-warmup: found without');
  });

  it('refuses numbers that the objective does not use', async () => {
    expect(await refusal(() => objectiveOf({ objective: 'ntxent', tauPlus: 0.1 }))).toBe(
      'NM_OPTION_INVALID --tau-plus: found with --objective ntxent, which does not use it',
    );
    expect(await refusal(() => objectiveOf({ objective: 'debiased', beta: 1 }))).toContain('--beta');
    expect(await refusal(() => objectiveOf({ objective: 'hcl', ring: [0, 1] }))).toContain('--ring');
    expect(await refusal(() => objectiveOf({ ring: [0, 1] }))).toContain('the default objective, hcl');
  });
});

describe('trainInput', () => {
  it('overrides the config file by the command line', async () => {
    const path = await config({ batch: 32, seed: 5, learningRate: 0.01, epochs: 3 });
    const input = await trainInput(['photos'], { out, config: path, batch: 64, seed: 0 });
    expect(input).toEqual({
      data: { kind: 'pictures', path: resolve('photos') },
      batch: 64,
      seed: 0,
      learningRate: 0.01,
      epochs: 3,
    });
  });

  it('reads what a run wrote as its settings.json', async () => {
    const settings = resolveTrainSettings({ data: { kind: 'emoji' }, workers: 1, steps: 7 }, 100);
    const input = await trainInput([], { out, config: await config(settings) });
    expect(resolveTrainSettings(input, 100)).toEqual(settings);
  });

  it("takes a config file's paths as relative to the file", async () => {
    const pairs = { kind: 'pairs', a: 'shop', b: '/photos' };
    const input = await trainInput([], { out, config: await config({ data: pairs }) });
    expect(input.data).toEqual({ kind: 'pairs', a: join(folder, 'shop'), b: resolve('/photos') });
  });

  it('prefers the data of the command line', async () => {
    const path = await config({ data: { kind: 'emoji' } });
    const pair = await trainInput(['a', 'b'], { out, config: path, pair: true });
    expect(pair.data).toEqual({ kind: 'pairs', a: resolve('a'), b: resolve('b') });
    expect((await trainInput(['emoji'], { out })).data).toEqual({ kind: 'emoji' });
  });

  it('refuses wrong data, epochs and unknown settings of a config file', async () => {
    const given = async (value: unknown): Promise<string> => {
      const path = await config(value);
      return refusal(async () => resolveTrainSettings(await trainInput([], { out, config: path }), 100, path));
    };
    const emoji = { kind: 'emoji' };
    expect(await given({ data: 'photos' })).toMatch(/NM_OPTION_INVALID .*config\.json: data: found "photos"/);
    expect(await given({ data: { kind: 'video' } })).toMatch(
      /NM_OPTION_INVALID .*config\.json: data\.kind: found "video"/,
    );
    expect(await given({ data: emoji, epochs: 'all' })).toMatch(/epochs: found "all", allowed: a number above 0/);
    expect(await given({ data: emoji, epoch: 4 })).toMatch(
      /NM_OPTION_UNKNOWN .*config\.json: found 'epoch', allowed: data, /,
    );
    expect(await given({})).toMatch(/NM_OPTION_INVALID DATA: found 0 sources/);
  });

  it('refuses to replace the objective of a config file by accident', async () => {
    const path = await config({ objective: { temperature: 0.1 } });
    expect(await refusal(() => trainInput(['photos'], { out, config: path, beta: 1 }))).toContain(
      '--beta: found beside the objective of',
    );
    const replaced = await trainInput(['photos'], { out, config: path, objective: 'hcl', beta: 1 });
    expect(replaced.objective).toEqual(objectiveOf({ objective: 'hcl', beta: 1 }));
    const kept = await trainInput(['photos'], { out, config: path });
    expect(kept.objective).toEqual({ temperature: 0.1 });
  });

  it('makes an optimiser of its options, which replaces that of a config file', async () => {
    const path = await config({ optimiser: { kind: 'lars', trust: 0.01 }, clip: 2 });
    const given = (flags: object): Promise<Record<string, unknown>> =>
      trainInput(['photos'], { out, config: path, ...flags }) as Promise<Record<string, unknown>>;
    expect(await given({ ema: 0.9 })).toMatchObject({ optimiser: { kind: 'lars', trust: 0.01 }, clip: 2, ema: 0.9 });
    const sgd = await given({ optimiser: 'sgd', momentum: 0.5, nesterov: true, clip: 1, accumulate: 4 });
    expect(sgd).toMatchObject({ optimiser: { kind: 'sgd', momentum: 0.5, nesterov: true }, clip: 1, accumulate: 4 });
    expect(Object.keys(sgd)).not.toContain('momentum');
    expect(await refusal(() => given({ optimiser: 'adam', momentum: 0.5 }))).toMatch(
      /NM_OPTION_INVALID --momentum: found with --optimiser adam, allowed: with sgd or lars/,
    );
    expect(await refusal(() => given({ nesterov: true }))).toMatch(/--nesterov: found with no --optimiser/);
  });

  it('takes an augmentation by name or from a file', async () => {
    const [name, recipe] = Object.entries(RECIPES)[0]!;
    expect((await trainInput(['photos'], { out, augment: name })).augment).toEqual(recipe);
    const path = join(folder, 'recipe.json');
    await writeFile(path, JSON.stringify({ ...recipe, flip: 0.25 }));
    expect((await trainInput(['photos'], { out, augment: path })).augment).toEqual({ ...recipe, flip: 0.25 });
    await writeFile(path, JSON.stringify({ ...recipe, flipp: 0.25 }));
    expect(await refusal(() => trainInput(['photos'], { out, augment: path }))).toContain('flipp');
  });
});

describe('readJson', () => {
  it('names the file that is missing or is no JSON', async () => {
    const path = join(folder, 'text.json');
    await writeFile(path, 'hello');
    expect(await refusal(() => readJson(path))).toBe(`NM_OPTION_INVALID ${path}: found text that is not JSON`);
    expect(await refusal(() => readJson(join(folder, 'none.json')))).toMatch(/none\.json: cannot be read: ENOENT/);
  });
});
