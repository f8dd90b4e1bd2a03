import type { Command } from 'commander';
import { applyReadOut } from '../encoders/index.js';
import { type ExportedModel, exportModel } from '../onnx/index.js';
import {
  gatherPictures,
  openTrainerEncoder,
  type Run,
  readRun,
  type TrainingData,
  trainedEncoder,
} from '../train/index.js';
import { command } from './command.js';
import type { Console } from './console.js';
import { cardDetails } from './model.js';
import { load } from './train.js';

/** Pictures on which an export is compared with the trainer, at most. */
const VERIFIED = 64;

export function exportCommand(): Command {
  return command<{ readonly out: string }>(
    'export',
    ['nearmiss export runs/photos --out photos.onnx'],
    async ([folder = ''], { out }, console) => {
      const run = await readRun(folder);
      trainedEncoder(run);
      const data = await load(run.settings.data, run.settings.imageSize, console);
      const model = await exportRun(run, data, out, console);
      console.print(`wrote ${model.path}: ${model.card.dim} dimensions, ${(model.bytes / 1e6).toFixed(2)} MB`);
      console.print(`next: nearmiss index ${model.path} PICTURES --out store.db`);
      const { path, bytes, fingerprint, largestDifference, card } = model;
      return { path, bytes, fingerprint, largestDifference, dimensions: card.dim, imageSize: card.inputSize };
    },
  )
    .argument('<run>', 'folder of a run that has ended')
    .requiredOption('--out <file>', 'the .onnx file to write');
}

/** Exports a run's encoder, checked on pictures of its own training data. */
export async function exportRun(
  run: Run,
  data: TrainingData,
  out: string,
  console: Console,
  metrics?: Readonly<Record<string, number>>,
): Promise<ExportedModel> {
  const { graph, weights, readOut, size } = trainedEncoder(run);
  const checked = data.rows.subarray(0, VERIFIED);
  const pictures = gatherPictures(data.sources[0], checked);
  const trainer = await openTrainerEncoder({ graph, weights, size, pool: readOut.pool, workers: 1 });
  try {
    const features = await trainer.features(pictures);
    const width = readOut.pool * readOut.pool * graph.featureChannels;
    const model = await exportModel({
      graph,
      weights,
      size,
      readout: readOut,
      card: cardDetails(run, metrics),
      out,
      verify: { pictures, expected: applyReadOut(features, width, readOut) },
    });
    console.log(
      `checked on ${checked.length} pictures: largest difference ${model.largestDifference.toExponential(1)}`,
    );
    return model;
  } finally {
    await trainer.close();
  }
}
