import type { Gather } from '../methods/index.js';

/**
 * Shared memory of the data-parallel replicas: a barrier, the gathered embeddings, and sums of gradients taken in a
 * fixed order, so that every replica computes the same numbers to the bit. One replica needs none of the waiting.
 */
export interface ExchangeBuffers {
  readonly replicas: number;
  /** [arrived, generation, stop, broken] */
  readonly control: SharedArrayBuffer;
  /** Embeddings of the whole batch, float32 [views, dim]. */
  readonly embeddings: SharedArrayBuffer;
  /** Each replica's gradient with respect to all embeddings, float32 [replicas, views, dim]. */
  readonly embeddingGradients: SharedArrayBuffer;
  /** Each replica's parameter gradients and batch statistics, float32 [replicas, values]. */
  readonly values: SharedArrayBuffer;
  /** Their means, float32 [values]. */
  readonly means: SharedArrayBuffer;
  /** Per replica: loss and log figures, float64 [replicas, FIGURES]. */
  readonly figures: SharedArrayBuffer;
}

export const FIGURES = 8;

export interface ExchangeShape {
  readonly replicas: number;
  readonly views: number;
  readonly dim: number;
  readonly values: number;
}

export function allocateExchange(shape: ExchangeShape): ExchangeBuffers {
  const floats = (count: number): SharedArrayBuffer => new SharedArrayBuffer(Math.max(4, 4 * count));
  return {
    replicas: shape.replicas,
    control: new SharedArrayBuffer(16),
    embeddings: floats(shape.views * shape.dim),
    embeddingGradients: floats(shape.replicas * shape.views * shape.dim),
    values: floats(shape.replicas * shape.values),
    means: floats(shape.values),
    figures: new SharedArrayBuffer(8 * FIGURES * shape.replicas),
  };
}

const ARRIVED = 0;
const GENERATION = 1;
const STOP = 2;
const BROKEN = 3;

/** The run was broken from outside: another replica failed, or the main thread gave up. */
export class ExchangeBroken extends Error {
  constructor() {
    super('another training worker has stopped');
    this.name = 'ExchangeBroken';
  }
}

/** Asks all replicas to stop after the step they are in. */
export function requestStop(buffers: ExchangeBuffers): void {
  Atomics.store(new Int32Array(buffers.control), STOP, 1);
}

/** Takes a stop request back, before a run goes on. */
export function clearStop(buffers: ExchangeBuffers): void {
  Atomics.store(new Int32Array(buffers.control), STOP, 0);
}

/** Wakes replicas that wait for one that will never come; they throw `ExchangeBroken`. */
export function breakExchange(buffers: ExchangeBuffers): void {
  const control = new Int32Array(buffers.control);
  Atomics.store(control, BROKEN, 1);
  Atomics.notify(control, GENERATION);
}

/** One replica's side of the exchange. */
export class Exchange implements Gather {
  readonly replica: number;
  readonly replicas: number;
  readonly embeddings: Float32Array;
  readonly figures: Float64Array;
  private readonly control: Int32Array;
  private readonly embeddingGradients: Float32Array;
  private readonly values: Float32Array;
  private readonly means: Float32Array;

  constructor(buffers: ExchangeBuffers, replica: number) {
    this.replica = replica;
    this.replicas = buffers.replicas;
    this.control = new Int32Array(buffers.control);
    this.embeddings = new Float32Array(buffers.embeddings);
    this.embeddingGradients = new Float32Array(buffers.embeddingGradients);
    this.values = new Float32Array(buffers.values);
    this.means = new Float32Array(buffers.means);
    this.figures = new Float64Array(buffers.figures);
  }

  /** Waits until all replicas are here. */
  barrier(): void {
    if (this.replicas === 1) return;
    const generation = Atomics.load(this.control, GENERATION);
    if (Atomics.add(this.control, ARRIVED, 1) === this.replicas - 1) {
      Atomics.store(this.control, ARRIVED, 0);
      Atomics.add(this.control, GENERATION, 1);
      Atomics.notify(this.control, GENERATION);
    }
    while (Atomics.load(this.control, GENERATION) === generation) {
      if (Atomics.load(this.control, BROKEN) !== 0) throw new ExchangeBroken();
      Atomics.wait(this.control, GENERATION, generation);
    }
    if (Atomics.load(this.control, BROKEN) !== 0) throw new ExchangeBroken();
  }

  allGather(own: Float32Array): Float32Array {
    const all = new Float32Array(this.replicas * own.length);
    // In parts, where it is longer than the shared memory for embeddings.
    const part = Math.max(1, Math.floor(this.embeddings.length / this.replicas));
    for (let from = 0; from < own.length; from += part) {
      const length = Math.min(part, own.length - from);
      this.embeddings.set(own.subarray(from, from + length), this.replica * length);
      this.barrier();
      for (let r = 0; r < this.replicas; r++) {
        all.set(this.embeddings.subarray(r * length, (r + 1) * length), r * own.length + from);
      }
      // Nobody writes before everybody has read.
      this.barrier();
    }
    return all;
  }

  sumFigures(figures: readonly number[]): number[] {
    this.figures.set(figures, FIGURES * this.replica);
    this.barrier();
    const sums = figures.map((_, index) => {
      let sum = 0;
      for (let r = 0; r < this.replicas; r++) sum += this.figures[FIGURES * r + index]!;
      return sum;
    });
    // Nobody writes the next figures before everybody has read these.
    this.barrier();
    return sums;
  }

  /** Whether to stop now: asked at the end of a step, all replicas get the same answer, whenever the request came. */
  agreeToStop(): boolean {
    this.barrier();
    const [stop = 0] = this.sumFigures([Atomics.load(this.control, STOP)]);
    return stop > 0;
  }

  /** This replica's own slice for its gradient with respect to all embeddings. */
  ownEmbeddingGradient(): Float32Array {
    const length = this.embeddings.length;
    return this.embeddingGradients.subarray(this.replica * length, (this.replica + 1) * length);
  }

  /** Sums all replicas' gradients over embeddings `from` to `to` (floats) into `target`, in replica order. */
  sumEmbeddingGradients(from: number, to: number, target: Float32Array): void {
    const length = this.embeddings.length;
    target.set(this.embeddingGradients.subarray(from, to));
    for (let r = 1; r < this.replicas; r++) {
      const other = this.embeddingGradients.subarray(r * length + from, r * length + to);
      for (let i = 0; i < target.length; i++) target[i] = target[i]! + other[i]!;
    }
  }

  /** This replica's own slice for parameter gradients and statistics. */
  ownValues(): Float32Array {
    const length = this.means.length;
    return this.values.subarray(this.replica * length, (this.replica + 1) * length);
  }

  /**
   * The first `gradientCount` values summed over the replicas, the others averaged, both in replica order; each replica
   * adds up its share of them. Gradients are sums because each replica's is that of the whole batch's mean loss
   * through its own pictures.
   */
  reduceValues(gradientCount: number): Float32Array {
    this.barrier();
    const length = this.means.length;
    const from = Math.floor((this.replica * length) / this.replicas);
    const to = Math.floor(((this.replica + 1) * length) / this.replicas);
    const scale = 1 / this.replicas;
    for (let i = from; i < to; i++) {
      let sum = this.values[i]!;
      for (let r = 1; r < this.replicas; r++) sum = Math.fround(sum + this.values[r * length + i]!);
      this.means[i] = i < gradientCount ? sum : sum * scale;
    }
    this.barrier();
    return this.means;
  }
}
