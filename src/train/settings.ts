import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ENCODER_NAMES, encoderByName, headNames, sharesStatistics } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import { type AugmentRecipe, FITS, type Fit, PAIRED_RECIPE, parseRecipe, SIMCLR_RECIPE } from '../images/index.js';
import { checkMethod, completeObjective, METHOD_NAMES, methodByName, resolveMethodOptions } from '../methods/index.js';
import { type Objective, parseObjective } from '../negatives/index.js';
import type { OptimiserSettings } from './optimiser.js';
import type { UpdateSettings } from './updates.js';

/** Where the pictures come from. */
export type DataSettings =
  | { readonly kind: 'pictures'; readonly path: string; readonly fit?: Fit }
  | { readonly kind: 'pairs'; readonly a: string; readonly b: string; readonly fit?: Fit }
  /** Not `paired`: two augmentations of a Noto picture are the views, and Twemoji is never seen. Default true. */
  | { readonly kind: 'emoji'; readonly paired?: boolean };

/** Whether a data set's views come from two sources. */
export function isPaired(data: DataSettings): boolean {
  return data.kind === 'pairs' || (data.kind === 'emoji' && data.paired !== false);
}

/** All settings of a run, resolved; written to the run's settings.json. */
export interface TrainSettings {
  readonly data: DataSettings;
  readonly encoder: string;
  /** Width and height of the encoder's input, pixels. */
  readonly imageSize: number;
  /** One of `METHOD_NAMES`. */
  readonly method: string;
  /** All of the method's options (`Method.options`). */
  readonly methodOptions: Readonly<Record<string, number>>;
  readonly objective: Objective;
  readonly augment: AugmentRecipe;
  /** Items a step; a step embeds twice as many views. */
  readonly batch: number;
  /** Steps of the run; 0 until a time budget has been turned into steps. */
  readonly steps: number;
  /** Time budget that set `steps`, minutes; 0 for none. */
  readonly minutes: number;
  /** Peak of the cosine schedule. */
  readonly learningRate: number;
  /** Steps of linear warm-up. */
  readonly warmup: number;
  readonly weightDecay: number;
  readonly optimiser: OptimiserSettings;
  /** Largest global norm of a gradient; 0: any. */
  readonly clip: number;
  /** Steps whose mean gradient makes one update. */
  readonly accumulate: number;
  /** Decay of a moving average of the weights, which then is the run's result; 0: none. */
  readonly ema: number;
  /** Worker threads. They change the batch norms' statistics, so they are part of what is reproduced. */
  readonly workers: number;
  /** Batch norms take their statistics over the whole batch, whatever the number of workers. */
  readonly syncBatchNorm: boolean;
  readonly seed: number;
  /** Read-out: the last map averaged over a pool x pool grid. */
  readonly pool: 1 | 2;
  /** Dimensions kept by the read-out's whitening; 0 for none. */
  readonly whiten: number;
  readonly evaluateEvery: number;
  readonly checkpointEvery: number;
}

export const IMAGE_SIZES: readonly number[] = [32, 48, 64, 96];

const positive = z.number().positive().finite();
const whole = z.int().positive();
const fit = z.enum(FITS, `allowed: ${FITS.join(', ')}`).exactOptional();
const dataSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('pictures'), path: z.string().min(1), fit }),
  z.strictObject({ kind: z.literal('pairs'), a: z.string().min(1), b: z.string().min(1), fit }),
  z.strictObject({ kind: z.literal('emoji'), paired: z.boolean().exactOptional() }),
]);

const part = z.number().min(0).lt(1).exactOptional();
const adamNumbers = { beta1: part, beta2: part, epsilon: positive.exactOptional() };
const momentumNumbers = { momentum: part, nesterov: z.boolean().exactOptional() };
const optimiserSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('adam'), ...adamNumbers }),
  z.strictObject({ kind: z.literal('adamw'), ...adamNumbers }),
  z.strictObject({ kind: z.literal('sgd'), ...momentumNumbers }),
  z.strictObject({ kind: z.literal('lars'), ...momentumNumbers, trust: positive.exactOptional() }),
]);

const schema = z.strictObject({
  data: dataSchema,
  encoder: z.enum(ENCODER_NAMES as [string, ...string[]], `allowed: ${ENCODER_NAMES.join(', ')}`),
  imageSize: z.union([z.literal(32), z.literal(48), z.literal(64), z.literal(96)], 'allowed: 32, 48, 64, 96'),
  method: z.enum(METHOD_NAMES as [string, ...string[]], `allowed: ${METHOD_NAMES.join(', ')}`),
  methodOptions: z.record(z.string(), z.number()).default({}),
  objective: z.unknown(),
  augment: z.unknown(),
  batch: z.int().min(2).max(65536),
  steps: z.int().min(0),
  minutes: z.number().min(0).finite(),
  learningRate: positive,
  warmup: z.int().min(0),
  weightDecay: z.number().min(0).finite(),
  optimiser: optimiserSchema,
  clip: z.number().min(0).finite(),
  accumulate: whole,
  ema: z.number().min(0).lt(1),
  workers: z.int().min(1).max(64),
  syncBatchNorm: z.boolean(),
  seed: z.int().min(0).max(4294967295),
  pool: z.union([z.literal(1), z.literal(2)], 'allowed: 1, 2'),
  whiten: z.int().min(0),
  evaluateEvery: whole,
  checkpointEvery: whole,
});

/** What a message says about a value that zod refused: the setting, what was found, what is allowed. */
function refusal(issue: z.core.$ZodIssue, value: unknown, where: string): NearmissError {
  if (issue.code === 'unrecognized_keys') {
    const allowed = [...Object.keys(schema.shape), 'epochs'].join(', ');
    return new NearmissError('NM_OPTION_UNKNOWN', `${where}: found '${issue.keys.join("', '")}', allowed: ${allowed}`);
  }
  const found = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
  const path = issue.path.join('.') || 'settings';
  return new NearmissError(
    'NM_OPTION_INVALID',
    `${where}: ${path}: found ${JSON.stringify(found) ?? 'nothing'}; ${issue.message}`,
  );
}

/**
 * Checks complete settings, as read from settings.json. `where` names the source in messages.
 * Errors: `NM_OPTION_UNKNOWN`, `NM_OPTION_INVALID`.
 */
export function parseTrainSettings(value: unknown, where: string): TrainSettings {
  const result = schema.safeParse(value);
  if (!result.success) throw refusal(result.error.issues[0]!, value, where);
  const settings = result.data;
  if (settings.batch % settings.workers !== 0) {
    const divisors = Array.from({ length: 16 }, (_, i) => i + 1).filter((n) => settings.batch % n === 0);
    const found = `${settings.workers} workers for a batch of ${settings.batch}`;
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `${where}: workers: found ${found}, allowed: a divisor of the batch (${divisors.join(', ')})`,
    );
  }
  if (settings.syncBatchNorm && !sharesStatistics(encoderByName(settings.encoder), settings.imageSize)) {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `${where}: syncBatchNorm: found true for encoder '${settings.encoder}', allowed: false for this encoder`,
    );
  }
  if (settings.steps === 0 && settings.minutes === 0) {
    throw new NearmissError('NM_OPTION_INVALID', `${where}: found neither steps nor minutes, allowed: one of them`);
  }
  const objective = parseObjective(settings.objective);
  const method = methodByName(settings.method);
  const heads = headNames(encoderByName(settings.encoder)).length;
  checkMethod(method, { ...settings, objective, heads }, where);
  const methodOptions = resolveMethodOptions(method, settings.methodOptions, where);
  return { ...settings, methodOptions, objective, augment: parseRecipe(settings.augment) };
}

/** How a run's gradients become updates. */
export function updateSettings({ optimiser, clip, accumulate, ema }: TrainSettings): UpdateSettings {
  return { optimiser, clip, accumulate, ema };
}

/** What a caller may leave out. */
export type TrainSettingsInput = Partial<Omit<TrainSettings, 'data'>> & {
  readonly data: DataSettings;
  /** Passes over the training items; turned into steps. */
  readonly epochs?: number;
};

/** The largest number of worker threads, at most one a core, that divides the batch. */
export function defaultWorkers(batch: number): number {
  for (let workers = Math.min(16, availableParallelism()); workers > 1; workers--) {
    if (batch % workers === 0) return workers;
  }
  return 1;
}

/** The first encoder with as many projection heads as a method takes. */
function defaultEncoder(heads: number): string {
  return ENCODER_NAMES.find((name) => headNames(encoderByName(name)).length === heads) ?? ENCODER_NAMES[0]!;
}

/**
 * Complete settings from some: `items` is the number of training items (an epoch). Defaults: SimCLR with HCL at τ 0.5,
 * β 2, τ⁺ 0 (another method: its own objective and encoder); batch 128; Adam at 2e-3 with cosine decay; gentle
 * augmentation for pairs and SimCLR's for single pictures (or the method's own). An objective without candidates gets the method's.
 */
export function resolveTrainSettings(input: TrainSettingsInput, items: number, where = 'settings'): TrainSettings {
  const { epochs, ...given } = input;
  const batch = given.batch ?? 128;
  const paired = isPaired(input.data);
  const perEpoch = Math.max(1, Math.round(items / batch));
  const minutes = given.minutes ?? 0;
  const steps =
    given.steps ?? (minutes > 0 ? 0 : Math.max(1, Math.round(((epochs ?? DEFAULT_EPOCHS) * items) / batch)));
  const pool = given.pool ?? 2;
  const method = methodByName(given.method ?? 'simclr');
  const objective = completeObjective(method, parseObjective(given.objective ?? method.objective()));
  return parseTrainSettings(
    {
      encoder: defaultEncoder(method.heads),
      imageSize: 32,
      method: method.name,
      methodOptions: {},
      augment: method.augment ?? (paired ? PAIRED_RECIPE : SIMCLR_RECIPE),
      learningRate: 2e-3,
      warmup: 0,
      weightDecay: 1e-6,
      optimiser: { kind: 'adam' },
      clip: 0,
      accumulate: 1,
      ema: 0,
      workers: defaultWorkers(batch),
      syncBatchNorm: false,
      seed: 0,
      whiten: pool === 2 ? 256 : 128,
      evaluateEvery: 5 * perEpoch,
      checkpointEvery: Math.min(100, 5 * perEpoch),
      ...given,
      objective,
      pool,
      batch,
      minutes,
      steps,
    },
    where,
  );
}

const DEFAULT_EPOCHS = 40;

/** True when two settings describe the same run; a time budget counts by its minutes, not the steps it came to. */
export function sameSettings(a: TrainSettings, b: TrainSettings): boolean {
  const comparable = (s: TrainSettings): unknown => ({ ...s, steps: s.minutes > 0 ? 0 : s.steps });
  return JSON.stringify(comparable(a)) === JSON.stringify(comparable(b));
}
