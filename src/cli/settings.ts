import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { NearmissError } from '../errors.js';
import { type AugmentRecipe, type Fit, parseRecipe, RECIPES } from '../images/index.js';
import { methodByName } from '../methods/index.js';
import type { DataSettings, TrainSettingsInput } from '../train/index.js';
import {
  flagOf,
  givenObjectiveOptions,
  OBJECTIVE_OPTIONS,
  type ObjectiveFlags,
  objectiveOf,
} from './objective-options.js';
import { UPDATE_OPTIONS, type UpdateFlags, updateInput } from './update-options.js';

/** Options of `nearmiss train` as commander gives them; absent where the user said nothing. */
export interface TrainFlags extends ObjectiveFlags, UpdateFlags {
  readonly out: string;
  readonly pair?: boolean;
  readonly fit?: Fit;
  readonly unpaired?: boolean;
  readonly config?: string;
  readonly resume?: boolean;
  readonly imageSize?: number;
  readonly encoder?: string;
  readonly method?: string;
  readonly methodOption?: Readonly<Record<string, number>>;
  readonly augment?: string;
  readonly batch?: number;
  readonly epochs?: number;
  readonly minutes?: number;
  readonly steps?: number;
  readonly learningRate?: number;
  readonly warmup?: number;
  readonly weightDecay?: number;
  readonly workers?: number;
  readonly syncBatchNorm?: boolean;
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

/** An option alone would replace the whole objective of the config file by one that nobody asked for. */
function refuseObjectiveOptions(flags: TrainFlags, file: string): void {
  const [first] = givenObjectiveOptions(flags);
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
  const { out, pair, fit, unpaired, config: file, resume, objective, augment, methodOption, ...others } = flags;
  const plain = Object.fromEntries(
    Object.entries(others).filter(
      ([name]) => !([...OBJECTIVE_OPTIONS, ...UPDATE_OPTIONS] as readonly string[]).includes(name),
    ),
  );
  const given = config as Partial<TrainSettingsInput>;
  const fromFile = args.length === 0 && !flags.pair ? dataFromFile(given.data, dirname(file ?? '')) : undefined;
  if (fromFile && (fit !== undefined || unpaired)) {
    const found = fit === undefined ? '--unpaired' : '--fit';
    throw new NearmissError('NM_OPTION_INVALID', `${found}: found beside the data of ${file}; allowed: set it there`);
  }
  if (given.objective !== undefined && objective === undefined) refuseObjectiveOptions(flags, `${file}`);
  checkEpochs(given.epochs, `${file}`);
  const chosen = objectiveOf(flags, methodByName(flags.method ?? given.method ?? 'simclr'));
  const known = Object.fromEntries(
    Object.entries(plain).filter(([key, value]) => key !== 'json' && value !== undefined),
  );
  return {
    ...config,
    data: fromFile ?? dataSettings(args, flags),
    ...known,
    ...updateInput(flags),
    ...(chosen ? { objective: chosen } : {}),
    ...(methodOption ? { methodOptions: { ...given.methodOptions, ...methodOption } } : {}),
    ...(augment === undefined ? {} : { augment: await recipeOf(augment) }),
  };
}
