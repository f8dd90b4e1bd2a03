import { applyReadOut, encoderByName, initialWeights, unitLength } from '../encoders/index.js';
import {
  centredUnit,
  columnMean,
  fitLinearModel,
  PIXEL_WIDTH,
  pixelFeatures,
  type RetrievalQuality,
  retrievalQuality,
  retrievalRanks,
} from '../evaluate/index.js';
import type { Pictures } from '../images/index.js';
import {
  fitReadOut,
  gatherPictures,
  openTrainerEncoder,
  type TrainingData,
  type TrainSettings,
} from '../train/index.js';

/** Recall of held-out queries, among the held-out pictures and among all. */
export interface PairedQuality {
  readonly heldOut: RetrievalQuality;
  readonly all: RetrievalQuality;
}

/** The question of paired sources with held-out items: which picture of source A belongs to a held-out one of B? */
export interface PairedQuestion {
  readonly gallery: Pictures;
  readonly queries: Pictures;
  readonly training: Int32Array;
  readonly heldOut: Int32Array;
}

export function pairedQuestion(data: TrainingData): PairedQuestion | undefined {
  if (!data.heldOut || !data.paired) return undefined;
  const [gallery, queries] = data.sources;
  return { gallery, queries, training: data.rows, heldOut: data.heldOut };
}

/** Recall of embeddings: gallery [all, width] and the held-out queries [heldOut, width], unit length. */
export function pairedQuality(
  gallery: Float32Array,
  queries: Float32Array,
  width: number,
  heldOut: Int32Array,
): PairedQuality {
  const held = new Float32Array(heldOut.length * width);
  heldOut.forEach((row, i) => {
    held.set(gallery.subarray(row * width, (row + 1) * width), i * width);
  });
  const own = Int32Array.from(heldOut, (_, i) => i);
  return {
    heldOut: retrievalQuality(retrievalRanks(queries, held, width, own)),
    all: retrievalQuality(retrievalRanks(queries, gallery, width, heldOut)),
  };
}

/** What needs no training of an encoder, or none at all: the figures that training has to beat. */
export interface Baselines {
  /** Pixels averaged to 16x16, less their mean over the training gallery, cosine. */
  readonly rawPixels: PairedQuality;
  /** The same pixels through a linear model fitted on the training pairs: 128 principal components, whitened. */
  readonly linear: PairedQuality;
  /** Fresh weights, average pooling. */
  readonly untrained: PairedQuality;
  /** Fresh weights with the run's own read-out, fitted on the training pairs. */
  readonly untrainedReadOut: PairedQuality;
}

export async function measureBaselines(
  question: PairedQuestion,
  settings: TrainSettings,
  data: TrainingData,
): Promise<Baselines> {
  return { ...pixelBaselines(question), ...(await untrainedBaselines(question, settings, data)) };
}

function pixelBaselines(question: PairedQuestion): Pick<Baselines, 'rawPixels' | 'linear'> {
  const { gallery, queries, training, heldOut } = question;
  const { size } = gallery;
  const all = pixelFeatures(gallery.data, size);
  const asked = pixelFeatures(gatherPictures(queries, heldOut), size);
  const trainedA = pixelFeatures(gatherPictures(gallery, training), size);
  const trainedB = pixelFeatures(gatherPictures(queries, training), size);
  const mean = columnMean(trainedA, PIXEL_WIDTH);
  const linear = fitLinearModel(trainedA, trainedB, PIXEL_WIDTH);
  return {
    rawPixels: pairedQuality(centredUnit(all, mean), centredUnit(asked, mean), PIXEL_WIDTH, heldOut),
    linear: pairedQuality(linear.a(all), linear.b(asked), linear.dimensions, heldOut),
  };
}

async function untrainedBaselines(
  question: PairedQuestion,
  settings: TrainSettings,
  data: TrainingData,
): Promise<Pick<Baselines, 'untrained' | 'untrainedReadOut'>> {
  const { gallery, queries, training, heldOut } = question;
  const graph = encoderByName(settings.encoder);
  const weights = initialWeights(graph, settings.seed);
  const calibrate = gatherPictures(gallery, training.subarray(0, CALIBRATION));
  const asked = gatherPictures(queries, heldOut);
  const embed = async (pool: 1 | 2, readOut: boolean): Promise<PairedQuality> => {
    const encoder = await openTrainerEncoder({ graph, weights, size: settings.imageSize, pool, calibrate });
    try {
      const width = pool * pool * graph.featureChannels;
      const [g, q] = [await encoder.features(gallery.data), await encoder.features(asked)];
      if (!readOut) return pairedQuality(unitLength(g, width), unitLength(q, width), width, heldOut);
      const fitted = await fitReadOut(settings, data, (pictures) => encoder.features(pictures));
      const dimensions = fitted.whitening?.dimensions ?? width;
      return pairedQuality(applyReadOut(g, width, fitted), applyReadOut(q, width, fitted), dimensions, heldOut);
    } finally {
      await encoder.close();
    }
  };
  return { untrained: await embed(1, false), untrainedReadOut: await embed(settings.pool, true) };
}

/** Pictures that the untrained encoder's batch norms are fitted to. */
const CALIBRATION = 256;
