import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { NearmissError } from '../errors.js';
import { FITS } from '../images/index.js';
import type { DataSettings, TrainSettingsInput } from '../train/index.js';
import type { EvaluationSources } from './evaluation-sources.js';

/** What of a trained encoder is evaluated: h (average pooling), the 2x2 grid of its last map, or the run's own read-out. */
export const READ_OUTS = ['average', 'grid', 'run'] as const;
export type ReadOutName = (typeof READ_OUTS)[number];

/** One of the things compared: a name, and the settings in which it differs from the others. */
export interface StudyMethod {
  readonly name: string;
  readonly settings: Omit<TrainSettingsInput, 'data'>;
}

/** What every run gets: so many steps, passes over the data, or minutes. */
export type StudyBudget = { readonly steps: number } | { readonly epochs: number } | { readonly minutes: number };

export interface StudyEvaluation extends EvaluationSources {
  readonly k?: number;
  readonly temperature?: number;
  readonly fineTune?: boolean;
}

/** A study: methods that are trained on the same data with the same seeds and budget, and asked the same questions. */
export interface Study {
  readonly title: string;
  readonly data: DataSettings;
  /** Settings of all runs, as in a run's settings.json. */
  readonly settings: Omit<TrainSettingsInput, 'data'>;
  readonly budget: StudyBudget;
  readonly seeds: readonly number[];
  readonly methods: readonly StudyMethod[];
  readonly evaluate: StudyEvaluation;
  /** The first one is compared. */
  readonly readOuts: readonly ReadOutName[];
  readonly compare: {
    /** The method that the others are compared with. Default: the first. */
    readonly reference: string;
    /** `question.measure`, `heldOut.recallAt1` for instance. Default: the first measure of the first question. */
    readonly measure?: string;
  };
}

/** What may differ between methods is none of these: it would not be a comparison, or has its own place. */
const COMMON: Readonly<Record<string, string>> = {
  data: 'in `data`, for all methods',
  seed: 'in `seeds`',
  steps: 'in `budget`',
  epochs: 'in `budget`',
  minutes: 'in `budget`',
};

const name = z.string().trim().min(1);
const path = z.string().min(1);
const seed = z.int().min(0).max(4294967295);
const fit = z.enum(FITS, `allowed: ${FITS.join(', ')}`).exactOptional();
const settings = z.record(z.string(), z.unknown());
const distinct = <T>(values: readonly T[]): boolean => new Set(values).size === values.length;

const schema = z.strictObject({
  title: name.exactOptional(),
  data: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('pictures'), path, fit }),
    z.strictObject({ kind: z.literal('pairs'), a: path, b: path, fit }),
    z.strictObject({ kind: z.literal('emoji'), paired: z.boolean().exactOptional() }),
  ]),
  settings: settings.default({}),
  budget: z.union(
    [
      z.strictObject({ steps: z.int().min(1) }),
      z.strictObject({ epochs: z.number().positive().finite() }),
      z.strictObject({ minutes: z.number().positive().finite() }),
    ],
    'allowed: one of steps, epochs, minutes with a number above 0',
  ),
  seeds: z.union(
    [z.int().min(1).max(1000), z.array(seed).min(1).refine(distinct)],
    'allowed: how many, or a list of different seeds',
  ),
  methods: z
    .array(z.strictObject({ name, settings: settings.default({}) }))
    .min(1)
    .refine((methods) => distinct(methods.map((method) => method.name)), 'allowed: a different name for each'),
  evaluate: z.strictObject({
    data: path,
    gallery: path.exactOptional(),
    train: path.exactOptional(),
    labels: path.exactOptional(),
    labelColumn: name.exactOptional(),
    match: z.enum(['name', 'class'], 'allowed: name, class').exactOptional(),
    fit,
    fewLabels: z.array(z.number().positive().max(100)).min(1).exactOptional(),
    k: z.int().min(1).exactOptional(),
    temperature: z.number().positive().exactOptional(),
    fineTune: z.boolean().exactOptional(),
  }),
  readOuts: z
    .array(z.enum(READ_OUTS, `allowed: ${READ_OUTS.join(', ')}`))
    .min(1)
    .refine(distinct, 'allowed: each once')
    .default(['run']),
  compare: z
    .strictObject({
      reference: name.exactOptional(),
      measure: z
        .string()
        .regex(/^\w+\.\w+$/)
        .exactOptional(),
    })
    .default({}),
});

/** What a message says about a value that zod refused: the field, what was found, what is allowed. */
function refusal(issue: z.core.$ZodIssue, value: unknown, where: string): NearmissError {
  const at = (keys: readonly PropertyKey[]): unknown =>
    keys.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
  const field = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const found = issue.keys.map((key) => `'${[...issue.path, key].join('.')}'`).join(', ');
    return new NearmissError('NM_OPTION_UNKNOWN', `${where}: found ${found}, which no study has; see docs/studies.md`);
  }
  const found = JSON.stringify(at(issue.path)) ?? 'nothing';
  return new NearmissError('NM_OPTION_INVALID', `${where}: ${field || 'study'}: found ${found}; ${issue.message}`);
}

/**
 * Checks a study as it is in its file and makes its paths absolute, from the file's folder. The settings of training
 * are checked when they are resolved.
 *
 * @param file names the source in messages
 * @throws `NM_OPTION_UNKNOWN`, `NM_OPTION_INVALID`
 */
export function parseStudy(value: unknown, file: string): Study {
  const result = schema.safeParse(value);
  if (!result.success) throw refusal(result.error.issues[0]!, value, file);
  const { data, seeds, methods, evaluate, compare, title, ...rest } = result.data;
  for (const [where, given] of [
    ['settings', rest.settings],
    ...methods.map((method, i) => [`methods.${i}.settings`, method.settings]),
  ] as const) {
    refuseCommon(given as Readonly<Record<string, unknown>>, `${file}: ${where}`);
  }
  const resized = methods.findIndex((method) => 'imageSize' in method.settings);
  if (resized >= 0) {
    const found = `${file}: methods.${resized}.settings.imageSize: found one`;
    throw new NearmissError('NM_OPTION_INVALID', `${found}, allowed: in settings, for all methods`);
  }
  const reference = compare.reference ?? methods[0]!.name;
  if (!methods.some((method) => method.name === reference)) {
    const allowed = methods.map((method) => `'${method.name}'`).join(', ');
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `${file}: compare.reference: found '${reference}', allowed: ${allowed}`,
    );
  }
  const folder = dirname(file);
  const { fewLabels, ...sources } = evaluate;
  return {
    ...rest,
    title: title ?? 'Study',
    data: absoluteData(data, folder),
    seeds: typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => i) : seeds,
    methods: methods as readonly StudyMethod[],
    evaluate: {
      ...absoluteSources(sources, folder),
      ...(fewLabels ? { fewLabels: fewLabels.map((percent) => percent / 100) } : {}),
    },
    compare: { ...compare, reference },
  };
}

function refuseCommon(given: Readonly<Record<string, unknown>>, where: string): void {
  for (const [key, allowed] of Object.entries(COMMON)) {
    if (!(key in given)) continue;
    throw new NearmissError('NM_OPTION_INVALID', `${where}.${key}: found one, allowed: ${allowed}`);
  }
}

function absoluteData(data: DataSettings, folder: string): DataSettings {
  if (data.kind === 'emoji') return data;
  if (data.kind === 'pictures') return { ...data, path: resolve(folder, data.path) };
  return { ...data, a: resolve(folder, data.a), b: resolve(folder, data.b) };
}

function absoluteSources(
  evaluate: Omit<StudyEvaluation, 'fewLabels'>,
  folder: string,
): Omit<StudyEvaluation, 'fewLabels'> {
  const absolute = (source: string): string => (source === 'emoji' ? source : resolve(folder, source));
  return {
    ...evaluate,
    data: absolute(evaluate.data),
    ...(evaluate.gallery !== undefined && { gallery: absolute(evaluate.gallery) }),
    ...(evaluate.train !== undefined && { train: absolute(evaluate.train) }),
    ...(evaluate.labels !== undefined && { labels: resolve(folder, evaluate.labels) }),
  };
}
