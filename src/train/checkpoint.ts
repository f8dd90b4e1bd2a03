import { readFile } from 'node:fs/promises';
import { type EncoderGraph, type ReadOut, type Weights, weightSpecs } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import { writeFileAtomic } from '../files.js';
import type { MethodState, SavedArray } from '../methods/index.js';
import type { OptimiserState } from './optimiser.js';
import type { ReplicaState } from './replica.js';
import { decodeSafetensors, encodeSafetensors, type TensorFile } from './safetensors.js';

/** A run at a step: enough to go on to the bit, or to export from. */
export interface Checkpoint {
  /** Steps taken. */
  readonly step: number;
  readonly state: ReplicaState;
  /**
   * Whether the kernels' multiply-adds rounded once (`fusesMultiplyAdd`): other kernels go on to other bits. Absent: not
   * known.
   */
  readonly fusesMultiplyAdd?: boolean;
  /** Present once training has ended. */
  readonly readOut?: ReadOut;
}

const FORMAT = '1';

const METHOD_PREFIX = 'method.';
const OPTIMISER_PREFIX = 'optimiser.';

/**
 * Writes a checkpoint as safetensors (`encoder.*`, `average.*`, `optimiser.*`, `method.*`, `readout.*`),
 * whole or not at all.
 */
export async function writeCheckpoint(path: string, graph: EncoderGraph, checkpoint: Checkpoint): Promise<void> {
  const { state, readOut, fusesMultiplyAdd } = checkpoint;
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const [name, weight] of Object.entries(state.weights)) tensors[`encoder.${name}`] = weight;
  for (const [name, weight] of Object.entries(state.average ?? {})) tensors[`average.${name}`] = weight;
  for (const [name, data] of Object.entries(state.optimiser)) {
    tensors[OPTIMISER_PREFIX + name] = { shape: [data.length], data };
  }
  const integers: Record<string, { shape: readonly number[]; data: Int32Array }> = {};
  for (const [name, { shape, data }] of Object.entries(state.method)) {
    if (data instanceof Int32Array) integers[METHOD_PREFIX + name] = { shape, data };
    else tensors[METHOD_PREFIX + name] = { shape, data };
  }
  const whitening = readOut?.whitening;
  if (whitening) {
    const { mean, matrix, dimensions } = whitening;
    tensors['readout.mean'] = { shape: [mean.length], data: mean };
    tensors['readout.matrix'] = { shape: [mean.length, dimensions], data: matrix };
  }
  const metadata: Record<string, string> = {
    format: 'nearmiss-checkpoint',
    version: FORMAT,
    encoder: graph.name,
    step: String(checkpoint.step),
    ...(state.adaptive === undefined ? {} : { adaptive: state.adaptive }),
    ...(fusesMultiplyAdd === undefined ? {} : { multiplyAdd: fusesMultiplyAdd ? 'fused' : 'separate' }),
    ...(readOut ? { pool: String(readOut.pool) } : {}),
  };
  await writeFileAtomic(path, encodeSafetensors({ tensors, integers, metadata }));
}

/** Reads a checkpoint of `graph`; anything but that is `NM_CHECKPOINT_CORRUPT`. */
export async function readCheckpoint(path: string, graph: EncoderGraph): Promise<Checkpoint> {
  const file = decodeSafetensors(await readFile(path), path);
  const { metadata } = file;
  const step = Number(metadata['step']);
  if (metadata['format'] !== 'nearmiss-checkpoint' || metadata['version'] !== FORMAT || !Number.isSafeInteger(step)) {
    const found = `format '${metadata['format'] ?? 'none'}' version '${metadata['version'] ?? 'none'}'`;
    throw new NearmissError('NM_CHECKPOINT_CORRUPT', `${path}: found ${found}, allowed: nearmiss-checkpoint ${FORMAT}`);
  }
  if (metadata['encoder'] !== graph.name) {
    const found = `an encoder '${metadata['encoder']}', expected '${graph.name}'`;
    throw new NearmissError('NM_CHECKPOINT_CORRUPT', `${path}: found ${found}`);
  }
  const weights = weightsOf(file, path, graph, 'encoder.');
  const averaged = Object.keys(file.tensors).some((name) => name.startsWith('average.'));
  const average = averaged ? weightsOf(file, path, graph, 'average.') : undefined;
  const optimiser = optimiserStateOf(file);
  const readOut = readOutOf(file, graph, path);
  const { adaptive } = metadata;
  const state = {
    weights,
    optimiser,
    ...(average ? { average } : {}),
    method: methodStateOf(file),
    ...(adaptive === undefined ? {} : { adaptive }),
  };
  const fusesMultiplyAdd = multiplyAddOf(file, path);
  return {
    step,
    state,
    ...(fusesMultiplyAdd === undefined ? {} : { fusesMultiplyAdd }),
    ...(readOut ? { readOut } : {}),
  };
}

function multiplyAddOf(file: TensorFile, path: string): boolean | undefined {
  const found = file.metadata['multiplyAdd'];
  if (found === undefined) return undefined;
  if (found !== 'fused' && found !== 'separate') {
    const message = `${path}: found multiplyAdd '${found}', allowed: fused, separate`;
    throw new NearmissError('NM_CHECKPOINT_CORRUPT', message);
  }
  return found === 'fused';
}

function weightsOf(file: TensorFile, path: string, graph: EncoderGraph, prefix: string): Weights {
  const specs = weightSpecs(graph);
  return Object.fromEntries(specs.map(({ name, shape }) => [name, take(file, path, prefix + name, shape)]));
}

/** The optimiser's numbers; it checks itself that they are all there. */
function optimiserStateOf(file: TensorFile): OptimiserState {
  const entries = Object.entries(file.tensors).filter(([name]) => name.startsWith(OPTIMISER_PREFIX));
  return Object.fromEntries(entries.map(([name, { data }]) => [name.slice(OPTIMISER_PREFIX.length), data]));
}

/** What the method kept; it checks the shapes itself when it takes them up. */
function methodStateOf(file: TensorFile): MethodState {
  const state: Record<string, SavedArray> = {};
  for (const [name, array] of [...Object.entries(file.tensors), ...Object.entries(file.integers ?? {})]) {
    if (name.startsWith(METHOD_PREFIX)) state[name.slice(METHOD_PREFIX.length)] = array;
  }
  return state;
}

function readOutOf(file: TensorFile, graph: EncoderGraph, path: string): ReadOut | undefined {
  const pool = file.metadata['pool'];
  if (pool === undefined) return undefined;
  if (pool !== '1' && pool !== '2') {
    throw new NearmissError('NM_CHECKPOINT_CORRUPT', `${path}: found pool '${pool}', allowed: 1, 2`);
  }
  const grid = pool === '1' ? 1 : 2;
  const width = grid * grid * graph.featureChannels;
  const matrix = file.tensors['readout.matrix'];
  if (!matrix) return { pool: grid };
  const dimensions = matrix.shape[1] ?? 0;
  return {
    pool: grid,
    whitening: {
      mean: take(file, path, 'readout.mean', [width]).data,
      matrix: take(file, path, 'readout.matrix', [width, dimensions]).data,
      dimensions,
    },
  };
}

function take(file: TensorFile, path: string, name: string, shape: readonly number[]): Weights[string] {
  const tensor = file.tensors[name];
  if (!tensor || tensor.shape.join() !== shape.join()) {
    const found = tensor ? `shape [${tensor.shape}]` : 'none';
    throw new NearmissError('NM_CHECKPOINT_CORRUPT', `${path}: tensor '${name}': found ${found}, expected [${shape}]`);
  }
  return tensor;
}
