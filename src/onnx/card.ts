import { z } from 'zod';
import { PIXEL_SCALE, PIXEL_ZERO } from '../encoders/graph.js';
import { NearmissError } from '../errors.js';
import { CARD_KEY } from './interface.js';
import { decodeModel, type ModelProto } from './model.js';

export { CARD_KEY };

/** What the graph is, stated by the exporter. */
export interface ModelCardFacts {
  /** Layout of the card. */
  readonly format: 1;
  /** Name of the encoder's network, `tiny-resnet` for instance. */
  readonly encoder: string;
  /** Numbers in an embedding. */
  readonly dim: number;
  /** Width and height of the input pictures in pixels. */
  readonly inputSize: number;
  /** The last feature map is averaged over a grid of pool x pool. */
  readonly pool: 1 | 2;
  /** Whether a whitening follows the pooling. */
  readonly whitened: boolean;
  /** Done inside the graph: (p / 255 - mean) / std, on RGB pictures without transparency. */
  readonly preprocessing: { readonly mean: number; readonly std: number };
}

/** Where the weights come from, stated by whoever trained them. */
export interface ModelCardDetails {
  readonly name: string;
  readonly version: string;
  /** How it was trained: the objective's name and the settings worth knowing. */
  readonly training: {
    readonly objective: string;
    readonly settings: Readonly<Record<string, string | number | boolean | null>>;
  };
  /** What it was trained on. */
  readonly data: { readonly description: string; readonly pictures?: number };
  /** How pictures that are not square were made so, in training and therefore in use; absent: padded with white. */
  readonly fit?: 'pad' | 'crop';
  /** Measured quality by name, `heldOut.recallAt1` for instance. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Program and version that wrote the file. */
  readonly createdBy: string;
  /** Licence of the weights; `unknown` unless somebody states one. */
  readonly licence: string;
}

/** How an int8 model was made from a float32 one, and what that cost. Cosines and shares are of 1. */
export interface Quantisation {
  /** Integers of activations and weights: uint8 and int8, or int8 and int8. */
  readonly format: 'u8s8' | 's8s8';
  /** Weights of 7 bits. */
  readonly reduceRange: boolean;
  /** Where the activations' ranges come from; `percentile` is 99.99. */
  readonly calibration: { readonly method: 'min-max' | 'percentile'; readonly pictures: number };
  /** Compared with the float32 model on pictures kept out of calibration. */
  readonly heldOut: {
    readonly pictures: number;
    /** Cosine of a picture's two embeddings. */
    readonly cosineMean: number;
    readonly cosineMin: number;
    /** Share of the ten nearest neighbours that both models name. */
    readonly neighbourOverlap: number;
  };
  /** Share of queries whose right picture is first, by both models. */
  readonly recallAt1: {
    /** What had to be found, `pairs` for instance. */
    readonly task: string;
    readonly queries: number;
    readonly float32: number;
    readonly int8: number;
  };
  /** SHA-256 of the float32 model file, hex. */
  readonly float32: string;
}

/** Everything an ONNX file says about itself. */
export interface ModelCard extends ModelCardFacts, ModelCardDetails {
  /** What the convolutions compute with; absent: float32. Pooling and what follows are float32 either way. */
  readonly precision?: 'float32' | 'int8';
  /** Of int8 models. */
  readonly quantisation?: Quantisation;
}

/** Mean and standard deviation of the preprocessing, on pixels scaled to 0 … 1. */
export const PREPROCESSING: ModelCardFacts['preprocessing'] = { mean: PIXEL_ZERO / 255, std: PIXEL_SCALE / 255 };

/** Licence of weights when nobody stated one. */
export const LICENCE_UNKNOWN = 'unknown';

const positive = z.int().min(1);
const text = z.string().min(1);

const share = z.number().min(0).max(1);
const cosine = z.number().min(-1.001).max(1.001);

const quantisationSchema = z.looseObject({
  format: z.enum(['u8s8', 's8s8']),
  reduceRange: z.boolean(),
  calibration: z.looseObject({ method: z.enum(['min-max', 'percentile']), pictures: positive }),
  heldOut: z.looseObject({ pictures: positive, cosineMean: cosine, cosineMin: cosine, neighbourOverlap: share }),
  recallAt1: z.looseObject({ task: text, queries: positive, float32: share, int8: share }),
  float32: text,
});

// Fields of later versions are let through, so that an older program still reads a newer file.
const cardSchema: z.ZodType<ModelCard> = z.looseObject({
  format: z.literal(1),
  name: text,
  version: text,
  encoder: text,
  dim: positive,
  inputSize: positive,
  pool: z.union([z.literal(1), z.literal(2)]),
  whitened: z.boolean(),
  preprocessing: z.looseObject({ mean: z.number(), std: z.number().positive() }),
  training: z.looseObject({
    objective: text,
    settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  }),
  data: z.looseObject({ description: text, pictures: z.int().min(0).exactOptional() }),
  fit: z.enum(['pad', 'crop']).exactOptional(),
  metrics: z.record(z.string(), z.number()).exactOptional(),
  createdBy: text,
  licence: text,
  precision: z.enum(['float32', 'int8']).exactOptional(),
  quantisation: quantisationSchema.exactOptional(),
});

/** The card as JSON for the metadata; `NM_MODEL_CARD_INVALID` if a field is not as `ModelCard` says. */
export function encodeCard(card: ModelCard): string {
  const json = JSON.stringify(card);
  parseCard(json, 'model card');
  return json;
}

function parseCard(json: string, name: string): ModelCard {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new NearmissError('NM_MODEL_CARD_INVALID', `${name}: '${CARD_KEY}' is not JSON`, { cause });
  }
  const parsed = cardSchema.safeParse(value);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'card'}: ${issue.message}`);
    throw new NearmissError('NM_MODEL_CARD_INVALID', `${name}: '${CARD_KEY}': ${issues.join('; ')}`);
  }
  return parsed.data;
}

/** The card of a decoded model; `NM_MODEL_CARD_MISSING` if it has none. `name` (the file) is used in messages. */
export function cardOf(model: ModelProto, name = 'model'): ModelCard {
  const entry = model.metadataProps.find(({ key }) => key === CARD_KEY);
  if (entry?.value === undefined) {
    const keys = model.metadataProps.map(({ key }) => `'${key}'`).join(', ') || 'none';
    throw new NearmissError(
      'NM_MODEL_CARD_MISSING',
      `${name}: found no model card: its metadata has the keys ${keys}, needed: '${CARD_KEY}'`,
    );
  }
  return parseCard(entry.value, name);
}

/**
 * The model card of an ONNX file's bytes. `NM_MODEL_CORRUPT` for bytes that are no ONNX, `NM_MODEL_CARD_MISSING` and
 * `NM_MODEL_CARD_INVALID`. The file's checksum is not verified here; `createEmbedder` does.
 */
export function readCard(bytes: Uint8Array, name = 'model'): ModelCard {
  return cardOf(decodeModel(bytes, name), name);
}
