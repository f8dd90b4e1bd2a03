import { encoderByName, initialWeights } from '../encoders/index.js';
import {
  colourHistograms,
  PIXEL_SIDE,
  PIXEL_WIDTH,
  pixelFeatures,
  type Question,
  type Representation,
} from '../evaluate/index.js';
import type { Embedder } from '../onnx/index.js';
import { openTrainerEncoder } from '../train/index.js';

/** Bins of the colour histogram, a channel. */
const BINS = 6;
/** Pictures that the untrained encoder's batch norms are fitted to. */
const CALIBRATION = 256;

/** An exported encoder as what questions are put to. */
export function embedderRepresentation(embedder: Embedder, note: string, signal: AbortSignal): Representation {
  return {
    name: 'model',
    note,
    width: embedder.dim,
    embed: (pictures) => embedder.embed(pictures, { signal }),
  };
}

export type BaselineName = 'rawPixels' | 'colourHistogram' | 'untrained';

/** What needs no training, by the name that JSON has. */
export type BaselineRepresentations = Readonly<Record<BaselineName, Representation>>;

/** An encoder with fresh weights, its batch norms fitted to an even sample of `calibrate`. */
export interface UntrainedOptions {
  readonly size: number;
  readonly encoder: string;
  readonly seed: number;
  /** uint8 [count, size, size, 3] */
  readonly calibrate: Uint8Array;
}

/** The baselines without weights. */
export function simpleBaselines(size: number): Omit<BaselineRepresentations, 'untrained'> {
  return {
    rawPixels: {
      name: 'raw pixels',
      note: `${PIXEL_SIDE}x${PIXEL_SIDE}, centred`,
      width: PIXEL_WIDTH,
      centred: true,
      embed: async (pictures) => pixelFeatures(pictures, size),
    },
    colourHistogram: {
      name: 'colour histogram',
      note: `${BINS}x${BINS}x${BINS}, Hellinger`,
      width: BINS ** 3,
      embed: async (pictures) => colourHistograms(pictures, size, BINS),
    },
  };
}

/** Runs `work` with an untrained encoder. */
export async function withUntrained<Result>(
  options: UntrainedOptions,
  work: (untrained: Representation) => Promise<Result>,
): Promise<Result> {
  const { size, encoder, seed, calibrate } = options;
  const graph = encoderByName(encoder);
  const untrained = await openTrainerEncoder({
    graph,
    weights: initialWeights(graph, seed),
    size,
    pool: 1,
    calibrate: evenPictures(calibrate, size, CALIBRATION),
  });
  try {
    return await work({
      name: 'untrained encoder',
      note: 'fresh weights, average pooling',
      width: graph.featureChannels,
      embed: (pictures) => untrained.features(pictures),
    });
  } finally {
    await untrained.close();
  }
}

/** Runs `work` with the baselines that every evaluation shows: pixels, colours, and the encoder untrained. */
export function withBaselines<Result>(
  options: UntrainedOptions,
  work: (baselines: BaselineRepresentations) => Promise<Result>,
): Promise<Result> {
  return withUntrained(options, (untrained) => work({ ...simpleBaselines(options.size), untrained }));
}

/** Pictures of a question that stand for its data: what is searched, or learnt from. */
export function typicalPictures(question: Question): Uint8Array {
  return question.kind === 'labels' ? question.train : question.gallery;
}

/** At most `most` pictures, evenly spaced: sources are often sorted by class. */
function evenPictures(pictures: Uint8Array, size: number, most: number): Uint8Array {
  const bytes = size * size * 3;
  const count = pictures.length / bytes;
  if (count <= most) return pictures.slice();
  const sample = new Uint8Array(most * bytes);
  for (let i = 0; i < most; i++) {
    const row = Math.floor((i * count) / most);
    sample.set(pictures.subarray(row * bytes, (row + 1) * bytes), i * bytes);
  }
  return sample;
}
