import { fitWhitening, type ReadOut } from '../encoders/index.js';
import { augmentedPictures, type Pictures } from '../images/index.js';
import { loadTrainingKernels, standaloneHeap } from '../kernels/index.js';
import { gatherPictures, type TrainingData } from './data.js';
import type { TrainSettings } from './settings.js';

/** Items that the whitening is fitted on at most. */
const FIT_ITEMS = 20_000;
const PURPOSE_WHITEN = 0x71;

/**
 * The read-out that goes with trained weights: pooling alone, or a whitening fitted on two views of training items (two
 * sources as they are; one source as two augmentations of each picture).
 */
export async function fitReadOut(
  settings: TrainSettings,
  data: TrainingData,
  features: (pictures: Uint8Array) => Promise<Float32Array>,
): Promise<ReadOut> {
  const { pool, whiten } = settings;
  const rows = data.rows.subarray(0, FIT_ITEMS);
  if (whiten === 0) return { pool };
  const a = await features(await view(settings, data, data.sources[0], rows, 0));
  const b = await features(await view(settings, data, data.sources[1], rows, 1));
  const width = a.length / rows.length;
  return { pool, whitening: await fitWhitening(a, b, { width, dimensions: Math.min(whiten, width) }) };
}

async function view(
  settings: TrainSettings,
  data: TrainingData,
  pictures: Pictures,
  rows: Int32Array,
  side: 0 | 1,
): Promise<Uint8Array> {
  if (data.paired) return gatherPictures(pictures, rows);
  const kernels = await loadTrainingKernels(standaloneHeap());
  return augmentedPictures(kernels, {
    source: pictures.data,
    size: pictures.size,
    rows,
    recipe: settings.augment,
    seed: settings.seed,
    purpose: PURPOSE_WHITEN,
    step: 0,
    view: side,
  });
}
