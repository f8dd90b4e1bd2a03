import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { NearmissError } from '../errors.js';
import { type AugmentRecipe, type Fit, parseRecipe, RECIPES } from '../images/index.js';
import { debiased, hcl, ntxent, type Objective, ring, type ScheduleSpec, type Setting } from '../negatives/index.js';
import type { DataSettings, TrainSettingsInput } from '../train/index.js';

export const OBJECTIVES = ['ntxent', 'debiased', 'hcl', 'ring'] as const;
export type ObjectiveName = (typeof OBJECTIVES)[number];

/** How a number of an objective changes over the run. */
export const ANNEALINGS = ['none', 'linear', 'step', 'exponential', 'cosine'] as const;
export type Annealing = (typeof ANNEALINGS)[number];

/** Options of `nearmiss train` as commander gives them; absent where the user said nothing. */
export interface TrainFlags {
  readonly out: string;
  readonly pair?: boolean;
  readonly fit?: Fit;
  readonly unpaired?: boolean;
  readonly config?: string;
  readonly resume?: boolean;
  readonly imageSize?: number;
  readonly encoder?: string;
  readonly method?: string;
  readonly objective?: ObjectiveName;
  readonly temperature?: number;
  readonly beta?: number;
  readonly tauPlus?: number;
  readonly ring?: readonly [number, number];
  readonly anneal?: Annealing;
  readonly augment?: string;
  readonly batch?: number;
  readonly epochs?: number;
  readonly minutes?: number;
  readonly steps?: number;
  readonly learningRate?: number;
  readonly warmup?: number;
  readonly weightDecay?: number;
  readonly workers?: number;
  readonly seed?: number;
  readonly pool?: 1 | 2;
  readonly whiten?: number;
  readonly evaluateEvery?: number;
  readonly checkpointEvery?: number;
}

/** Where a run's pictures come from, by the command's arguments. */
function dataSettings(args: readonly string[], { pair, fit, unpaired }: TrainFlags): DataSettings {
  const fitted = fit === undefined ? {} : { fit };
  if (unpaired && (pair || args[0] !== 'emoji')) {
    throw new NearmissError('NM_OPTION_INVALID', '--unpaired: found with other data, allowed: with `emoji` alone');
  }
  if (pair) {
    const [a, b, more] = args;
    if (a === undefined || b === undefined || more !== undefined) {
      throw new NearmissError('NM_OPTION_INVALID', `--pair: found ${args.length} folders, allowed: DIR_A DIR_B`);
    }
    return { kind: 'pairs', a: resolve(a), b: resolve(b), ...fitted };
  }
  const [path, more] = args;
  if (path === undefined || more !== undefined) {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `DATA: found ${args.length} sources, allowed: one (or --pair with two)`,
    );
  }
  if (path !== 'emoji') return { kind: 'pictures', path: resolve(path), ...fitted };
  if (fit !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', '--fit: found with `emoji`, whose pictures are square');
  }
  return { kind: 'emoji', ...(unpaired ? { paired: false } : {}) };
}

/** A number that starts at `from` and reaches `to` halfway through the run. */
function annealed(kind: Annealing, from: number, to: number): Setting {
  if (kind === 'none') return to;
  const spec: ScheduleSpec = { schedule: kind, from, to, until: 0.5 };
  return spec;
}

/**
 * The objective that --objective and its numbers describe. `--anneal` moves the ring's outer limit from 1 down to its
 * value, or β from 0 up to its value, over the first half of the run.
 */
export function objectiveOf(flags: TrainFlags): Objective | undefined {
  const { objective, temperature, beta, tauPlus, ring: limits, anneal } = flags;
  const numbers = objectiveNumbers(flags);
  const name = objective ?? 'hcl';
  const used: Record<ObjectiveName, readonly string[]> = {
    ntxent: ['temperature'],
    debiased: ['temperature', 'tauPlus'],
    hcl: ['temperature', 'beta', 'tauPlus', 'anneal'],
    ring: ['temperature', 'ring', 'anneal', 'beta', 'tauPlus'],
  };
  const foreign = numbers.find((option) => !used[name].includes(option));
  if (foreign !== undefined) {
    const which = objective === undefined ? `the default objective, ${name}` : `--objective ${name}`;
    throw new NearmissError('NM_OPTION_INVALID', `${flagOf(foreign)}: found with ${which}, which does not use it`);
  }
  if (objective === undefined && numbers.length === 0) return undefined;
  const tau = temperature === undefined ? {} : { temperature };
  if (name === 'ntxent') return ntxent(tau);
  if (name === 'debiased') return debiased({ ...tau, ...(tauPlus === undefined ? {} : { tauPlus }) });
  if (name === 'hcl') return hcl({ ...tau, beta: annealed(anneal ?? 'none', 0, beta ?? 2), tauPlus: tauPlus ?? 0 });
  const [inner, outer] = limits ?? [0.1, 0.5];
  const rings = ring({ ...tau, inner, outer: annealed(anneal ?? 'linear', 1, outer) });
  return beta === undefined && tauPlus === undefined
    ? rings
    : { ...rings, weight: { beta: beta ?? 0, tauPlus: tauPlus ?? 0 } };
}

/** The options with numbers of an objective that were given. */
function objectiveNumbers({ temperature, beta, tauPlus, ring: limits, anneal }: TrainFlags): string[] {
  return Object.entries({ temperature, beta, tauPlus, ring: limits, anneal })
    .filter(([, value]) => value !== undefined)
    .map(([option]) => option);
}

/** The option as it is typed: `--tau-plus` of `tauPlus`. */
function flagOf(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** An option alone would replace the whole objective of the config file by one that nobody asked for. */
function refuseObjectiveNumbers(flags: TrainFlags, file: string): void {
  const [first] = objectiveNumbers(flags);
  if (first === undefined) return;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `${flagOf(first)}: found beside the objective of ${file}; allowed: with --objective, which replaces it`,
  );
}

/** Settings of data that are paths. */
const PATHS: readonly string[] = ['path', 'a', 'b'];

/** A config file's data, its paths made absolute; anything that is no data is left for the settings' own check. */
function dataFromFile(data: unknown, folder: string): DataSettings | undefined {
  if (typeof data !== 'object' || data === null) return data as undefined;
  const absolute = Object.entries(data).map(([key, value]) =>
    PATHS.includes(key) && typeof value === 'string' && value !== '' ? [key, resolve(folder, value)] : [key, value],
  );
  return Object.fromEntries(absolute) as DataSettings;
}

function checkEpochs(epochs: unknown, file: string): void {
  if (epochs === undefined || (typeof epochs === 'number' && epochs > 0 && Number.isFinite(epochs))) return;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `${file}: epochs: found ${JSON.stringify(epochs)}, allowed: a number above 0`,
  );
}

async function recipeOf(name: string): Promise<AugmentRecipe> {
  const recipe = Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined;
  if (recipe) return recipe;
  if (!name.endsWith('.json')) {
    const allowed = `${Object.keys(RECIPES).join(', ')}, or a .json file`;
    throw new NearmissError('NM_OPTION_INVALID', `--augment: found '${name}', allowed: ${allowed}`);
  }
  return parseRecipe(await readJson(name));
}

/** JSON of a file; `NM_OPTION_INVALID` where there is none. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new NearmissError('NM_OPTION_INVALID', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NearmissError('NM_OPTION_INVALID', `${path}: found text that is not JSON`, { cause });
  }
}

/** What the user said: the config file's settings, overridden by the command line's. */
export async function trainInput(args: readonly string[], flags: TrainFlags): Promise<TrainSettingsInput> {
  const config = flags.config === undefined ? {} : await readJson(flags.config);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new NearmissError('NM_OPTION_INVALID', `${flags.config}: found no object, allowed: {"setting": value, …}`);
  }
  const {
    out,
    pair,
    fit,
    unpaired,
    config: file,
    resume,
    objective,
    temperature,
    beta,
    tauPlus,
    ring,
    anneal,
    augment,
    ...plain
  } = flags;
  const given = config as Partial<TrainSettingsInput>;
  const fromFile = args.length === 0 && !flags.pair ? dataFromFile(given.data, dirname(file ?? '')) : undefined;
  if (fromFile && (fit !== undefined || unpaired)) {
    const found = fit === undefined ? '--unpaired' : '--fit';
    throw new NearmissError('NM_OPTION_INVALID', `${found}: found beside the data of ${file}; allowed: set it there`);
  }
  if (given.objective !== undefined && objective === undefined) refuseObjectiveNumbers(flags, `${file}`);
  checkEpochs(given.epochs, `${file}`);
  const chosen = objectiveOf(flags);
  const known = Object.fromEntries(
    Object.entries(plain).filter(([key, value]) => key !== 'json' && value !== undefined),
  );
  return {
    ...config,
    data: fromFile ?? dataSettings(args, flags),
    ...known,
    ...(chosen ? { objective: chosen } : {}),
    ...(augment === undefined ? {} : { augment: await recipeOf(augment) }),
  };
}
