import { NearmissError } from '../errors.js';
import type { ModelCard } from '../onnx/card.js';
import { CARD_KEY } from '../onnx/interface.js';
import type { ModelProto } from '../onnx/model.js';

// The checks of onnx/card.ts without zod, which alone is larger than all else a page loads.

interface Fault {
  /** Of the field, from the card on. */
  readonly path: readonly string[];
  readonly message: string;
}
type Check = (value: unknown) => Fault | undefined;

const check =
  (allowed: string, holds: (value: unknown) => boolean): Check =>
  (value) =>
    holds(value) ? undefined : { path: [], message: `found ${JSON.stringify(value)}, allowed: ${allowed}` };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const anyRecord = check('an object', isRecord);
const text = check('text', (value) => typeof value === 'string' && value !== '');
const number = check('a number', Number.isFinite);
const whole = (least: number): Check =>
  check(`an integer of ${least} or more`, (value) => Number.isSafeInteger(value) && (value as number) >= least);
const oneOf = (...values: readonly unknown[]): Check =>
  check(values.map((value) => JSON.stringify(value)).join(', '), (value) => values.includes(value));
const optional =
  (inner: Check): Check =>
  (value) =>
    value === undefined ? undefined : inner(value);

function firstFault(checks: Iterable<readonly [field: string, inner: Check, value: unknown]>): Fault | undefined {
  for (const [field, inner, value] of checks) {
    const fault = inner(value);
    if (fault) return { ...fault, path: [field, ...fault.path] };
  }
  return undefined;
}

/** Fields of a record; others are let through, so that an older program still reads a newer file. */
const record =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isRecord(value)
      ? firstFault(Object.entries(fields).map(([field, inner]) => [field, inner, value[field]]))
      : anyRecord(value);
/** A record whose values are all alike. */
const records =
  (inner: Check): Check =>
  (value) =>
    isRecord(value) ? firstFault(Object.entries(value).map(([field, one]) => [field, inner, one])) : anyRecord(value);

const setting = check('text, a number, true, false or null', (value) => {
  return value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value);
});

const within = (least: number, most: number): Check =>
  check(`a number from ${least} to ${most}`, (value) => {
    return Number.isFinite(value) && (value as number) >= least && (value as number) <= most;
  });
const share = within(0, 1);
/** Of vectors whose length is rounded. */
const cosine = within(-1.001, 1.001);

const quantisation = record({
  format: oneOf('u8s8', 's8s8'),
  reduceRange: oneOf(true, false),
  calibration: record({ method: oneOf('min-max', 'percentile'), pictures: whole(1) }),
  heldOut: record({ pictures: whole(1), cosineMean: cosine, cosineMin: cosine, neighbourOverlap: share }),
  recallAt1: record({ task: text, queries: whole(1), float32: share, int8: share }),
  float32: text,
});

const card: Check = record({
  format: oneOf(1),
  name: text,
  version: text,
  encoder: text,
  dim: whole(1),
  inputSize: whole(1),
  pool: oneOf(1, 2),
  whitened: oneOf(true, false),
  preprocessing: record({
    mean: number,
    std: check('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0),
  }),
  training: record({ objective: text, settings: records(setting) }),
  data: record({ description: text, pictures: optional(whole(0)) }),
  fit: optional(oneOf('pad', 'crop')),
  metrics: optional(records(number)),
  createdBy: text,
  licence: text,
  precision: optional(oneOf('float32', 'int8')),
  quantisation: optional(quantisation),
});

/**
 * The card of a decoded model, as `cardOf` of nearmiss/onnx reads it, without its dependencies. `name` (the file) is used in
 * messages.
 *
 * @throws `NM_MODEL_CARD_MISSING`, `NM_MODEL_CARD_INVALID`
 */
export function readModelCard(model: ModelProto, name: string): ModelCard {
  const entry = model.metadataProps.find(({ key }) => key === CARD_KEY);
  if (entry?.value === undefined) {
    const keys = model.metadataProps.map(({ key }) => `'${key}'`).join(', ') || 'none';
    const message = `${name}: found no model card: its metadata has the keys ${keys}, needed: '${CARD_KEY}'`;
    throw new NearmissError('NM_MODEL_CARD_MISSING', message);
  }
  let value: unknown;
  try {
    value = JSON.parse(entry.value);
  } catch (cause) {
    throw new NearmissError('NM_MODEL_CARD_INVALID', `${name}: '${CARD_KEY}' is not JSON`, { cause });
  }
  const fault = card(value);
  if (fault) {
    const field = fault.path.join('.') || 'card';
    throw new NearmissError('NM_MODEL_CARD_INVALID', `${name}: '${CARD_KEY}': ${field}: ${fault.message}`);
  }
  return value as ModelCard;
}
