import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cardDetails } from '../../src/cli/model.js';
import { encoderByName, initialWeights, parameterCount } from '../../src/encoders/index.js';
import { encoderToOnnx } from '../../src/onnx/index.js';
import { readRun, resolveTrainSettings, runFiles, writeCheckpoint } from '../../src/train/index.js';
import { pictureFolder } from '../train/pictures.js';

/** Folders and files that commands meet, made without training. */
export interface Fixtures {
  /** 24 pictures. */
  readonly pictures: string;
  /** A run at step 3 of 8, on `pictures`. */
  readonly unfinished: string;
  /** A run that has taken its steps, on `pictures`. */
  readonly finished: string;
  /** The model of `finished`. */
  readonly model: string;
}

async function writeRun(folder: string, pictures: string, steps: number, seed: number): Promise<string> {
  await mkdir(folder);
  const graph = encoderByName('tiny-mobile');
  const settings = resolveTrainSettings(
    {
      data: { kind: 'pictures', path: pictures },
      encoder: graph.name,
      batch: 8,
      steps: 8,
      workers: 1,
      whiten: 0,
      seed,
    },
    24,
  );
  const files = runFiles(folder);
  await writeFile(files.settings, JSON.stringify(settings));
  const moments = parameterCount(graph);
  const state = {
    weights: initialWeights(graph, seed),
    optimiser: { m: new Float32Array(moments), v: new Float32Array(moments) },
    method: {},
  };
  const readOut = steps === settings.steps ? { readOut: { pool: settings.pool } } : {};
  await writeCheckpoint(files.checkpoint, graph, { step: steps, state, ...readOut });
  return folder;
}

/** Writes a model of the weights that `seed` gives. */
export async function writeModel(run: string, path: string): Promise<string> {
  const { graph, checkpoint, settings, ...rest } = await readRun(run);
  const readout = checkpoint.readOut!;
  const card = cardDetails({ graph, checkpoint, settings, ...rest });
  const bytes = encoderToOnnx({ graph, weights: checkpoint.state.weights, size: settings.imageSize, readout, card });
  await writeFile(path, bytes);
  return path;
}

export async function writeFixtures(folder: string): Promise<Fixtures> {
  const pictures = await pictureFolder(24);
  const unfinished = await writeRun(join(folder, 'unfinished'), pictures, 3, 1);
  const finished = await writeRun(join(folder, 'finished'), pictures, 8, 1);
  const model = await writeModel(finished, join(folder, 'model.onnx'));
  return { pictures, unfinished, finished, model };
}

/** A second encoder: the same network with other weights. */
export async function writeOtherModel(folder: string, pictures: string): Promise<string> {
  const run = await writeRun(join(folder, 'other-run'), pictures, 8, 2);
  return writeModel(run, join(folder, 'other.onnx'));
}
