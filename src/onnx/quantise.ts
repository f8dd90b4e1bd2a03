import { NearmissError } from '../errors.js';
import { type Agreement, agreement } from './agreement.js';
import { CARD_KEY, encodeCard, type ModelCard, type Quantisation } from './card.js';
import { createEmbedder, type Embedder } from './embedder.js';
import type { GraphProto, ModelProto } from './model.js';
import {
  type GraphQuantisation,
  planQuantisation,
  QUANTISATION_FORMATS,
  type QuantisationFormat,
  quantiseGraph,
} from './quantise-graph.js';
import { CALIBRATION_METHODS, type CalibrationMethod, calibrate } from './quantise-ranges.js';
import { decodeSealedModel, encodeSealedModel } from './seal.js';

/** A question with right answers, put to the float32 and to the int8 model. */
export interface RecallQuestion {
  /** What has to be found, in a word; stands in the model card. */
  readonly task: string;
  /**
   * Share of queries whose right picture is first, in [0, 1], and how many queries there are. `embed` gives unit rows
   * [count, dim] of pictures uint8 [count, size, size, 3].
   */
  ask(
    embed: (pictures: Uint8Array) => Promise<Float32Array>,
    dim: number,
  ): Promise<{ readonly recallAt1: number; readonly queries: number }>;
}

export interface QuantisationOptions {
  /** Pictures uint8 [count, size, size, 3] that the ranges of activations are taken from; some hundred are enough. */
  readonly calibration: Uint8Array;
  /** Other pictures, on which the calibration methods and the two models are compared; at least two. */
  readonly heldOut: Uint8Array;
  readonly question: RecallQuestion;
  /** `u8s8` (x86; default) or `s8s8` (ARM). */
  readonly format?: QuantisationFormat;
  /**
   * Weights of 7 bits, for x86 CPUs without VNNI, whose 16-bit sums of two u8s8 products may overflow otherwise. A
   * little less exact. Default false; not with s8s8.
   */
  readonly reduceRange?: boolean;
  /** Most recall@1 that may be lost, in percentage points; 2 by default. */
  readonly maxLoss?: number;
  /** What messages call the model; `model` by default. */
  readonly name?: string;
  readonly signal?: AbortSignal;
  /** Called while calibrating, with pictures done and pictures in all. */
  readonly onProgress?: (done: number, count: number) => void;
}

const MAX_LOSS = 2;

/**
 * An int8 model made of a float32 one that `encoderToOnnx` wrote (static post-training quantisation): convolutions and
 * residual additions compute with integers, pooling and what follows with float32 (the whitening's matrix is stored as
 * integers). Ranges of activations are taken from
 * the calibration pictures by their extremes and by the 99.99th percentile; the better by mean cosine with the float32
 * embeddings of the held-out pictures is kept. What the model lost is in its card. Takes some seconds.
 *
 * Errors: `NM_QUANTISATION_LOSS` where recall@1 fell by more than `maxLoss` points or an embedding is not finite,
 * `NM_QUANTISATION_UNSUPPORTED` (an int8 model, a graph without convolutions), `NM_SHAPE_MISMATCH`, `NM_OPTION_INVALID`;
 * those of `createEmbedder`. The same input gives the same bytes.
 */
export async function quantiseModel(bytes: Uint8Array, options: QuantisationOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { calibration, heldOut, name = 'model', signal, onProgress } = options;
  const { format = 'u8s8', reduceRange = false, maxLoss = MAX_LOSS } = options;
  checkOptions({ format, reduceRange }, maxLoss);
  const stop = signal && { signal };
  const float32 = await createEmbedder(bytes, { name });
  try {
    const { size, dim } = float32;
    const model = decodeSealedModel(bytes, name);
    const graph = graphOf(model, name);
    const plan = planQuantisation(graph, name);
    const { ranges, means } = await calibrate(model, plan, calibration, size, {
      name,
      ...stop,
      ...(onProgress && { onProgress }),
    });
    const reference = await float32.embed(heldOut, stop);
    if (reference.length < 2 * dim) {
      throw new NearmissError('NM_SHAPE_MISMATCH', 'heldOut: found fewer than two pictures, allowed: two or more');
    }
    const candidates: Candidate[] = [];
    for (const method of CALIBRATION_METHODS) {
      const values = { ranges: ranges[method], means };
      const candidate = { ...model, graph: quantiseGraph(graph, plan, values, { format, reduceRange }) };
      const found = await withEmbedder(candidate, name, (int8) => int8.embed(heldOut, stop));
      candidates.push({ method, model: candidate, agreement: agreement(found, reference, dim) });
    }
    const best = candidates.reduce((a, b) => (b.agreement.cosineMean > a.agreement.cosineMean ? b : a));
    const asked = await ask(float32, options);
    const answered = await withEmbedder(best.model, name, (int8) => ask(int8, options));
    const quantisation: Quantisation = {
      format,
      reduceRange,
      calibration: { method: best.method, pictures: calibration.length / (size * size * 3) },
      heldOut: { pictures: reference.length / dim, ...best.agreement },
      recallAt1: {
        task: options.question.task,
        queries: asked.queries,
        float32: asked.recallAt1,
        int8: answered.recallAt1,
      },
      float32: float32.fingerprint,
    };
    checkLoss(quantisation, maxLoss, name);
    return encodeSealedModel(withCard(best.model, { ...float32.card, precision: 'int8', quantisation }));
  } finally {
    await float32.close();
  }
}

interface Candidate {
  readonly method: CalibrationMethod;
  readonly model: ModelProto;
  readonly agreement: Agreement;
}

function checkOptions({ format, reduceRange }: GraphQuantisation, maxLoss: number): void {
  if (!QUANTISATION_FORMATS.includes(format)) {
    const allowed = QUANTISATION_FORMATS.join(', ');
    throw new NearmissError('NM_OPTION_INVALID', `format: found ${format}, allowed: ${allowed}`);
  }
  if (reduceRange && format === 's8s8') {
    throw new NearmissError('NM_OPTION_INVALID', 'reduceRange: found with format s8s8, allowed: with u8s8');
  }
  if (!(maxLoss >= 0 && maxLoss <= 100)) {
    throw new NearmissError('NM_OPTION_INVALID', `maxLoss: found ${maxLoss}, allowed: points from 0 to 100`);
  }
}

function graphOf(model: ModelProto, name: string): GraphProto {
  if (model.graph) return model.graph;
  throw new NearmissError('NM_MODEL_CORRUPT', `${name}: found no graph`);
}

async function withEmbedder<T>(model: ModelProto, name: string, use: (embedder: Embedder) => Promise<T>): Promise<T> {
  const embedder = await createEmbedder(encodeSealedModel(model), { name });
  try {
    return await use(embedder);
  } finally {
    await embedder.close();
  }
}

function ask(embedder: Embedder, { question, signal }: QuantisationOptions): ReturnType<RecallQuestion['ask']> {
  return question.ask((pictures) => embedder.embed(pictures, signal && { signal }), embedder.dim);
}

/** `NM_QUANTISATION_LOSS` where more was lost than is allowed. Written so that NaN is refused. */
function checkLoss({ heldOut, recallAt1 }: Quantisation, maxLoss: number, name: string): void {
  const { task, queries, float32, int8 } = recallAt1;
  const points = (share: number): string => (100 * share).toFixed(1);
  if (!Number.isFinite(heldOut.cosineMean)) {
    throw new NearmissError('NM_QUANTISATION_LOSS', `${name}: found embeddings that are not finite numbers`);
  }
  if (100 * (float32 - int8) <= maxLoss) return;
  throw new NearmissError(
    'NM_QUANTISATION_LOSS',
    `${name}: recall@1 of ${queries} ${task}: float32 ${points(float32)}, int8 ${points(int8)}: found ` +
      `${points(float32 - int8)} points lost, allowed: ${maxLoss} (cosine with float32 ${heldOut.cosineMean.toFixed(4)} ` +
      `on average, ${heldOut.cosineMin.toFixed(4)} at least)`,
  );
}

function withCard(model: ModelProto, card: ModelCard): ModelProto {
  const others = model.metadataProps.filter(({ key }) => key !== CARD_KEY);
  return { ...model, metadataProps: [...others, { key: CARD_KEY, value: encodeCard(card) }] };
}
