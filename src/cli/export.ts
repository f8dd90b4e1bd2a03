import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { applyReadOut } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import {
  type ExportedModel,
  exportModel,
  fingerprint,
  type QuantisationOptions,
  quantiseModel,
  readCard,
  readModel,
  writeModel,
} from '../onnx/index.js';
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
import {
  addQuantisationOptions,
  checkQuantisationFlags,
  type QuantisationFlags,
  quantisationText,
  readQuantisation,
} from './quantisation.js';
import { load } from './train.js';

/** Pictures on which an export is compared with the trainer, at most. */
const VERIFIED = 64;

export interface ExportFlags extends QuantisationFlags {
  readonly out: string;
}

/** What is written, and of which size it would be in float32. */
export type Written = Omit<ExportedModel, 'largestDifference'> & Partial<Pick<ExportedModel, 'largestDifference'>>;

export function exportCommand(): Command {
  const examples = [
    'nearmiss export runs/photos --out photos.onnx',
    'nearmiss export runs/photos --int8 --calibrate photos --out photos.int8.onnx',
    'nearmiss export photos.onnx --int8 --calibrate photos --out photos.int8.onnx',
  ];
  const self = command<ExportFlags>('export', examples, async ([source = ''], flags, console) => {
    checkQuantisationFlags(flags);
    const found = await stat(source).catch(() => undefined);
    const written = found?.isFile()
      ? await quantiseFile(source, flags, console)
      : await exportFolder(source, flags, console);
    return present(written, console);
  })
    .argument('<source>', 'folder of a run that has ended, or with --int8 a float32 .onnx file')
    .requiredOption('--out <file>', 'the .onnx file to write');
  return addQuantisationOptions(self);
}

async function exportFolder(folder: string, flags: ExportFlags, console: Console): Promise<Written> {
  const run = await readRun(folder);
  const { size } = trainedEncoder(run);
  const data = await load(run.settings.data, size, console);
  const quantise = await readQuantisation(flags, { size, fit: cardDetails(run).fit }, console);
  return exportRun(run, data, flags.out, console, { ...(quantise && { quantise }) });
}

/** An int8 model of a float32 one that was exported before. */
export async function quantiseFile(path: string, flags: ExportFlags, console: Console): Promise<Written> {
  const { out } = flags;
  if (!flags.int8) {
    throw new NearmissError('NM_OPTION_INVALID', `source: found the file ${path}, allowed: a run's folder, or --int8`);
  }
  const float32 = await readModel(path);
  const { inputSize, fit } = readCard(float32, path);
  const options = await readQuantisation(flags, { size: inputSize, fit }, console);
  const bytes = await quantiseModel(float32, { name: path, ...options! });
  await writeModel(out, bytes);
  const card = readCard(bytes, out);
  return { path: out, bytes: bytes.length, float32Bytes: float32.length, fingerprint: fingerprint(bytes), card };
}

function present(written: Written, console: Console): Record<string, unknown> {
  const { card, path, bytes, float32Bytes, ...rest } = written;
  const { dim, inputSize, precision = 'float32', quantisation } = card;
  const times = quantisation ? ` (${(float32Bytes / bytes).toFixed(1)} times smaller than float32)` : '';
  console.print(`wrote ${path}: ${dim} dimensions, ${precision}, ${(bytes / 1e6).toFixed(2)} MB${times}`);
  if (quantisation) console.print(quantisationText(quantisation));
  console.print(`next: nearmiss index ${path} PICTURES --out store.db`);
  return {
    path,
    bytes,
    ...rest,
    dimensions: dim,
    imageSize: inputSize,
    precision,
    ...(quantisation && { float32Bytes, quantisation: { ...quantisation } }),
  };
}

/** Exports a run's encoder, checked on pictures of its own training data. */
export async function exportRun(
  run: Run,
  data: TrainingData,
  out: string,
  console: Console,
  more: {
    readonly metrics?: Readonly<Record<string, number>>;
    /** For an int8 model. */
    readonly quantise?: QuantisationOptions;
  } = {},
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
      card: cardDetails(run, more.metrics),
      out,
      verify: { pictures, expected: applyReadOut(features, width, readOut) },
      ...(more.quantise && { quantise: more.quantise }),
    });
    console.log(
      `checked on ${checked.length} pictures: largest difference ${model.largestDifference.toExponential(1)}`,
    );
    return model;
  } finally {
    await trainer.close();
  }
}
