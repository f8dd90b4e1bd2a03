import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type EncoderGraph, encoderByName, type ReadOut, type Weights } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import { type Checkpoint, readCheckpoint } from './checkpoint.js';
import { type HistoryLine, readHistory } from './history.js';
import { parseTrainSettings, type TrainSettings } from './settings.js';

/** The files of a run's folder. */
export interface RunFiles {
  readonly settings: string;
  readonly checkpoint: string;
  readonly history: string;
}

export function runFiles(folder: string): RunFiles {
  return {
    settings: join(folder, 'settings.json'),
    checkpoint: join(folder, 'checkpoint.safetensors'),
    history: join(folder, 'history.jsonl'),
  };
}

/** A run read back from its folder. */
export interface Run {
  readonly folder: string;
  readonly settings: TrainSettings;
  readonly graph: EncoderGraph;
  readonly checkpoint: Checkpoint;
  readonly history: readonly HistoryLine[];
}

/** What an encoder is made of once a run has ended. */
export interface TrainedEncoder {
  readonly graph: EncoderGraph;
  readonly weights: Weights;
  readonly readOut: ReadOut;
  readonly size: number;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Reads settings alone; `NM_RUN_MISSING` where the folder holds no run. */
export async function readRunSettings(folder: string): Promise<TrainSettings> {
  const path = runFiles(folder).settings;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new NearmissError('NM_RUN_MISSING', `${folder}: found no settings.json, expected the folder of a run`, {
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new NearmissError('NM_OPTION_INVALID', `${path}: found text that is not JSON`, { cause });
  }
  return parseTrainSettings(value, path);
}

/** Reads a run's settings, checkpoint and history. */
export async function readRun(folder: string): Promise<Run> {
  const settings = await readRunSettings(folder);
  const files = runFiles(folder);
  if (!(await exists(files.checkpoint))) {
    throw new NearmissError('NM_RUN_MISSING', `${folder}: found no checkpoint; the run stopped before its first one`, {
      hint: `Go on with \`nearmiss train --out ${folder} --resume\`.`,
    });
  }
  const graph = encoderByName(settings.encoder);
  const checkpoint = await readCheckpoint(files.checkpoint, graph);
  return { folder, settings, graph, checkpoint, history: await readHistory(files.history) };
}

/** The trained encoder of a run that has ended; `NM_RUN_UNFINISHED` otherwise. */
export function trainedEncoder(run: Run): TrainedEncoder {
  const { checkpoint, settings, graph, folder } = run;
  if (!checkpoint.readOut) {
    const found = `step ${checkpoint.step} of ${settings.steps}`;
    throw new NearmissError('NM_RUN_UNFINISHED', `${folder}: found a run at ${found}`, {
      hint: `Go on with \`nearmiss train --out ${folder} --resume\`.`,
    });
  }
  const { weights, average } = checkpoint.state;
  return { graph, weights: average ?? weights, readOut: checkpoint.readOut, size: settings.imageSize };
}

/** Makes the folder of a new run; a folder that already holds one is `NM_RUN_EXISTS`. */
export async function createRun(folder: string): Promise<void> {
  if (await exists(runFiles(folder).settings)) {
    throw new NearmissError('NM_RUN_EXISTS', `${folder}: found a run, allowed: a new or empty folder`, {
      hint: 'Go on with --resume, or name another folder with --out.',
    });
  }
  await mkdir(folder, { recursive: true });
}

export async function writeRunSettings(folder: string, settings: TrainSettings): Promise<void> {
  await writeFileAtomic(runFiles(folder).settings, `${JSON.stringify(settings, null, 2)}\n`);
}
