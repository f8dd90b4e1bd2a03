import { NearmissError } from '../errors.js';
import { INPUT_NAME } from './interface.js';
import { DataType, encodeModel, type ModelProto } from './model.js';
import type { ActivationRange } from './quantise-graph.js';
import { createSession, loadRuntime } from './runtime.js';

/** How a tensor's range is taken from what calibration pictures give. */
export const CALIBRATION_METHODS = ['min-max', 'percentile'] as const;
export type CalibrationMethod = (typeof CALIBRATION_METHODS)[number];

/** Share of a tensor's values, in percent, that `percentile` keeps; half of the rest is cut off at either end. */
export const PERCENTILE = 99.99;

/** What calibration pictures tell of a float32 model. */
export interface Calibration {
  /** Ranges by tensor, all of which contain 0. */
  readonly ranges: Readonly<Record<CalibrationMethod, ReadonlyMap<string, ActivationRange>>>;
  /** Mean over the pictures of the rows [batch, width] that matrices multiply, by tensor. */
  readonly means: ReadonlyMap<string, Float64Array>;
}

/** Tensors of a model that calibration looks at. */
export interface CalibratedTensors {
  readonly tensors: readonly string[];
  readonly rows: readonly string[];
}

export interface CalibrationOptions {
  /** Looked at between batches. */
  readonly signal?: AbortSignal;
  /** Called after every batch; each picture is counted twice, as two passes are made. */
  readonly onProgress?: (done: number, count: number) => void;
  /** What messages call the model; `model` by default. */
  readonly name?: string;
}

/** Pictures in one run: all activations of a batch are in memory at once. */
const BATCH = 32;
const BINS = 4096;

/** What a tensor's values were counted into: bins of equal width between the smallest and the largest. */
export class Histogram {
  private readonly counts = new Float64Array(BINS);
  private readonly perUnit: number;
  private total = 0;

  constructor(private readonly range: ActivationRange) {
    this.perUnit = BINS / (range.max - range.min || 1);
  }

  add(values: Float32Array): void {
    const { counts, perUnit } = this;
    const { min } = this.range;
    for (const value of values) {
      const bin = Math.min(BINS - 1, Math.max(0, Math.floor((value - min) * perUnit)));
      counts[bin]!++;
    }
    this.total += values.length;
  }

  /** The range that keeps `percent` of the values, 0 included; as exact as the bins are wide. */
  percentile(percent: number): ActivationRange {
    const cut = ((1 - percent / 100) / 2) * this.total;
    let low = 0;
    for (let below = this.counts[0]!; below < cut && low < BINS - 1; below += this.counts[low]!) low++;
    let high = BINS - 1;
    for (let above = this.counts[high]!; above < cut && high > low; above += this.counts[high]!) high--;
    const edge = (bin: number): number => this.range.min + bin / this.perUnit;
    return { min: Math.min(0, edge(low)), max: Math.max(0, edge(high + 1)) };
  }
}

/** The smallest and the largest of the values and what was there before. */
function widen(range: ActivationRange, values: Float32Array): ActivationRange {
  let { min, max } = range;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/**
 * Runs a float32 model on calibration pictures, twice, and gives the ranges of some tensors and the means of others.
 *
 * @param pictures uint8 [count, size, size, 3], at least one
 * @throws `NM_SHAPE_MISMATCH` where the pictures are not whole or none; as `createSession`
 */
export async function calibrate(
  model: ModelProto,
  { tensors, rows }: CalibratedTensors,
  pictures: Uint8Array,
  size: number,
  options: CalibrationOptions = {},
): Promise<Calibration> {
  const { signal, onProgress, name = 'model' } = options;
  const { graph } = model;
  if (!graph) throw new NearmissError('NM_MODEL_CORRUPT', `${name}: found no graph`);
  const picture = size * size * 3;
  const count = pictures.length / picture;
  if (!Number.isInteger(count) || count === 0) {
    const allowed = `a multiple of ${picture} (${size} x ${size} x 3), at least one picture`;
    throw new NearmissError('NM_SHAPE_MISMATCH', `calibration: found ${pictures.length} bytes, allowed: ${allowed}`);
  }
  // Without a shape, which the runtime infers.
  const output = [...tensors, ...rows].map((tensor) => ({
    name: tensor,
    type: { tensorType: { elemType: DataType.FLOAT } },
  }));
  const runtime = await loadRuntime();
  const session = await createSession(runtime, encodeModel({ ...model, graph: { ...graph, output } }), 1, name);
  let done = 0;
  const pass = async (take: (valuesOf: (tensor: string) => Float32Array, batch: number) => void): Promise<void> => {
    for (let from = 0; from < count; from += BATCH) {
      signal?.throwIfAborted();
      const to = Math.min(count, from + BATCH);
      const part = pictures.slice(from * picture, to * picture);
      const input = new runtime.Tensor('uint8', part, [to - from, size, size, 3]);
      const values = await session.run({ [INPUT_NAME]: input });
      take((tensor) => values[tensor]!.data as Float32Array, to - from);
      done += to - from;
      onProgress?.(done, 2 * count);
    }
  };
  try {
    const minMax = new Map<string, ActivationRange>(tensors.map((tensor) => [tensor, { min: 0, max: 0 }]));
    const means = new Map<string, Float64Array>();
    await pass((valuesOf, batch) => {
      for (const tensor of tensors) minMax.set(tensor, widen(minMax.get(tensor)!, valuesOf(tensor)));
      for (const tensor of rows) means.set(tensor, addRows(means.get(tensor), valuesOf(tensor), batch, count));
    });
    const histograms = new Map(tensors.map((tensor) => [tensor, new Histogram(minMax.get(tensor)!)]));
    await pass((valuesOf) => {
      for (const [tensor, histogram] of histograms) histogram.add(valuesOf(tensor));
    });
    const percentile = new Map(tensors.map((tensor) => [tensor, histograms.get(tensor)!.percentile(PERCENTILE)]));
    return { ranges: { 'min-max': minMax, percentile }, means };
  } finally {
    await session.release();
  }
}

/** Adds a batch's share to the mean over `count` rows. */
function addRows(mean: Float64Array | undefined, values: Float32Array, batch: number, count: number): Float64Array {
  const width = values.length / batch;
  const sum = mean ?? new Float64Array(width);
  values.forEach((value, at) => {
    sum[at % width]! += value / count;
  });
  return sum;
}
