import type { RetrievalKernels } from '../kernels/retrieval.js';
import { permutation, randomStream } from '../random.js';
import type { Centroids } from './lists.js';
import type { Segments } from './segments.js';
import type { Metric } from './vectors.js';

/** Rows a list that centroids are learnt from. */
const SAMPLE = 64;
const ITERATIONS = 8;
const LANES = 8;
/** Multiplications between two pauses: some tens of milliseconds. */
const STEP = 2 ** 29;
/** Names the stream of k-means apart from other uses of a seed. */
const PURPOSE = 0x6b6d;

export interface Clustering {
  readonly centroids: Centroids;
  /** The list of each position. */
  readonly lists: Int32Array;
}

export interface ClusteringOptions {
  readonly metric: Metric;
  readonly lists: number;
  readonly seed: number;
  /** Called between steps with the share of the work that is done; may throw. */
  pause(done: number): Promise<void>;
}

/**
 * k-means over the codes of positions 0 … count - 1, in the rotated space: spherical (Dhillon and Modha, "Concept
 * decompositions for large sparse text data using clustering", 2001) under cosine and inner product, Lloyd's under l2.
 */
export async function clusterRows(
  kernels: RetrievalKernels,
  segments: Segments,
  count: number,
  options: ClusteringOptions,
): Promise<Clustering> {
  const { metric, lists, seed, pause } = options;
  const { dimension } = segments.shape;
  const random = randomStream(seed, PURPOSE);
  const sampled = Math.min(count, lists * SAMPLE);
  const sample = permutation(count, random).subarray(0, sampled).slice();
  const step = Math.max(4, Math.min(4096, Math.floor(STEP / (lists * dimension)) & ~3));
  const work = new Workspace(kernels, segments, lists, step);
  try {
    const start = new Float32Array(lists * dimension);
    work.decode(sample.subarray(0, lists), (vector, i) => start.set(vector, i * dimension));
    let centroids = finish(start, dimension, metric);
    const total = sampled * ITERATIONS + count;
    let done = 0;
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      work.use(centroids);
      const sums = new Float64Array(lists * dimension);
      const sizes = new Int32Array(lists);
      for (let first = 0; first < sampled; first += step) {
        const part = sample.subarray(first, Math.min(sampled, first + step));
        const assigned = work.assign(part);
        work.add(part.length, assigned, sums, sizes);
        done += part.length;
        await pause(done / total);
      }
      const next = new Float32Array(lists * dimension);
      for (let list = 0; list < lists; list++) {
        const at = list * dimension;
        if (sizes[list] === 0) {
          // A list that lost all its rows starts again at one of them.
          work.decode(Int32Array.of(sample[random.integer(sampled)]!), (vector) => next.set(vector, at));
        } else for (let j = 0; j < dimension; j++) next[at + j] = sums[at + j]! / sizes[list]!;
      }
      centroids = finish(next, dimension, metric);
    }
    work.use(centroids);
    const assignment = new Int32Array(count);
    const sums = new Float64Array(lists * dimension);
    const sizes = new Int32Array(lists);
    const positions = new Int32Array(step);
    for (let first = 0; first < count; first += step) {
      const part = positions.subarray(0, Math.min(step, count - first));
      for (let i = 0; i < part.length; i++) part[i] = first + i;
      const assigned = work.assign(part);
      assignment.set(assigned, first);
      if (metric === 'inner-product') work.add(part.length, assigned, sums, sizes);
      done += part.length;
      await pause(done / total);
    }
    if (metric === 'inner-product') {
      // The rows' mean says how long they are, which decides inner products; the direction alone decided the list.
      const means = centroids.rows.map((_, i) => sums[i]! / Math.max(1, sizes[Math.floor(i / dimension)]!));
      centroids = { rows: means, penalties: centroids.penalties };
    }
    return { centroids, lists: assignment };
  } finally {
    work.release();
  }
}

/** Centroids from means: of length 1, or with the penalty that turns products into distances. */
function finish(rows: Float32Array, dimension: number, metric: Metric): Centroids {
  const count = rows.length / dimension;
  const penalties = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * dimension, (i + 1) * dimension);
    let squared = 0;
    for (const value of row) squared += value * value;
    if (metric === 'l2') penalties[i] = squared / 2;
    else if (squared > 0) for (let j = 0; j < dimension; j++) row[j]! /= Math.sqrt(squared);
  }
  return { rows, penalties };
}

/** The memory in which rows are decoded and compared with centroids. */
class Workspace {
  readonly #kernels: RetrievalKernels;
  readonly #segments: Segments;
  readonly #lists: number;
  readonly #start: number;
  readonly #vectors: number;
  readonly #panels: number;
  readonly #penalties: number;
  readonly #scratch: number;
  readonly #assigned: number;
  readonly #scores: number;

  constructor(kernels: RetrievalKernels, segments: Segments, lists: number, step: number) {
    this.#kernels = kernels;
    this.#segments = segments;
    this.#lists = lists;
    const { dimension } = segments.shape;
    const padded = Math.ceil(lists / LANES) * LANES;
    this.#start = segments.take(step * dimension * 4);
    this.#vectors = this.#start;
    this.#panels = segments.take(padded * dimension * 4);
    this.#penalties = segments.take(padded * 4);
    this.#scratch = segments.take(128);
    this.#assigned = segments.take(step * 4);
    this.#scores = segments.take(step * 4);
  }

  release(): void {
    this.#segments.release(this.#start);
  }

  use(centroids: Centroids): void {
    const { dimension } = this.#segments.shape;
    const { memory } = this.#segments;
    const padded = Math.ceil(this.#lists / LANES) * LANES;
    const panels = new Float32Array(memory, this.#panels, padded * dimension);
    const penalties = new Float32Array(memory, this.#penalties, padded);
    panels.fill(0);
    penalties.fill(Number.POSITIVE_INFINITY);
    penalties.set(centroids.penalties);
    for (let c = 0; c < this.#lists; c++) {
      const to = Math.floor(c / LANES) * dimension * LANES + (c % LANES);
      for (let j = 0; j < dimension; j++) panels[to + j * LANES] = centroids.rows[c * dimension + j]!;
    }
  }

  #decode(at: number, position: number): void {
    const { dimension, stride } = this.#segments.shape;
    const segment = this.#segments.block(position);
    this.#kernels.exports.decodeRows(segment, this.#segments.index(position), 1, dimension, stride, at);
  }

  /** Hands out the decoded vectors of positions, one at a time. */
  decode(positions: Int32Array, take: (vector: Float32Array, i: number) => void): void {
    const { dimension } = this.#segments.shape;
    for (const [i, position] of positions.entries()) {
      this.#decode(this.#vectors, position);
      take(new Float32Array(this.#segments.memory, this.#vectors, dimension), i);
    }
  }

  /** The list of each position; their decoded vectors stay for `add`. */
  assign(positions: Int32Array): Int32Array {
    const { dimension } = this.#segments.shape;
    for (const [i, position] of positions.entries()) this.#decode(this.#vectors + i * dimension * 4, position);
    const count = Math.ceil(positions.length / 4) * 4;
    this.#kernels.exports.assignRows(
      this.#vectors,
      count,
      dimension,
      this.#panels,
      this.#penalties,
      Math.ceil(this.#lists / LANES) * LANES,
      this.#scratch,
      this.#assigned,
      this.#scores,
    );
    return new Int32Array(this.#segments.memory, this.#assigned, positions.length);
  }

  /** Adds the vectors of the last `assign` to the sums [lists, dimension] of their lists. */
  add(count: number, assigned: Int32Array, sums: Float64Array, sizes: Int32Array): void {
    const { dimension } = this.#segments.shape;
    const vectors = new Float32Array(this.#segments.memory, this.#vectors, count * dimension);
    for (let i = 0; i < count; i++) {
      const to = assigned[i]! * dimension;
      for (let j = 0; j < dimension; j++) sums[to + j]! += vectors[i * dimension + j]!;
      sizes[assigned[i]!]! += 1;
    }
  }
}
