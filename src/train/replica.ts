import type * as tfCore from '@tensorflow/tfjs-core';
import {
  averagePool,
  type EncoderGraph,
  elements,
  inferenceFeatures,
  projectAll,
  trainingFeatures,
  type Weights,
  weightSpecs,
} from '../encoders/index.js';
import { type AugmentRecipe, augment, normalise } from '../images/index.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { type MethodRun, type MethodState, methodByName } from '../methods/index.js';
import { AdaptiveSettings, type Objective, resolveObjective } from '../negatives/index.js';
import { randomStream } from '../random.js';
import { addressOf, emptyTensor, takeValues } from '../tfjs/index.js';
import { BatchOrder } from './batches.js';
import { Exchange, type ExchangeBuffers } from './exchange.js';
import { learningRateAt } from './learning-rate.js';
import type { OptimiserState } from './optimiser.js';
import { ReplicaWeights } from './replica-weights.js';
import { ParameterUpdates, type UpdateSettings } from './updates.js';
import { averageDecay, WeightAverage } from './weight-average.js';

/** Pictures that training reads, shared by all replicas: uint8 [count, size, size, 3]. */
export interface SharedPictures {
  readonly size: number;
  readonly data: Uint8Array;
}

/** Everything a replica needs to take steps; plain data, so that it can be sent to a worker. */
export interface ReplicaOptions {
  readonly graph: EncoderGraph;
  readonly weights: Weights;
  readonly exchange: ExchangeBuffers;
  readonly replica: number;
  /** The first and second source; one source alone stands for both. */
  readonly sources: readonly [SharedPictures, SharedPictures];
  /** Rows of the sources that are trained on. */
  readonly rows: Int32Array;
  /** Label of each of `rows`, where the data has them. */
  readonly labels?: Int32Array | undefined;
  readonly recipe: AugmentRecipe;
  /** Name of the method, and all of its options. */
  readonly method: string;
  readonly methodOptions: Readonly<Record<string, number>>;
  readonly objective: Objective;
  readonly seed: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly weightDecay: number;
  /** Whether batch norms take their statistics over all replicas' pictures, not only over this one's. Default false. */
  readonly syncBatchNorm?: boolean;
  readonly updates: UpdateSettings;
}

/** Figures of one step, the same on all replicas. */
export interface StepFigures {
  readonly step: number;
  readonly loss: number;
  readonly positiveSimilarity: number;
  readonly learningRate: number;
  /** Wall time of the step and of the augmentation in it, ms. */
  readonly milliseconds: number;
  readonly augmentMilliseconds: number;
}

/** Weights, optimiser state and what the method keeps, copied out of the replica. */
export interface ReplicaState {
  readonly weights: Weights;
  /** The optimiser's numbers, each float32 [trainable parameters] in the order of `weightSpecs`. */
  readonly optimiser: OptimiserState;
  /** Moving average of the weights, where one is kept. */
  readonly average?: Weights;
  readonly method: MethodState;
  /** Where settings with adaptive schedules are (`AdaptiveSettings`); absent in a state without any. */
  readonly adaptive?: string;
}

/** Share of the old running statistics that a step keeps, as PyTorch's momentum 0.1. */
const KEEP = 0.9;
const PURPOSE_AUGMENT = 0xa6;
const PURPOSE_SOURCE = 0xa7;

/**
 * One replica of a data-parallel run: an encoder on its own tfjs backend, stepping in lockstep with the others. All
 * replicas hold equal weights, to the bit, after every step.
 */
export class Replica {
  private readonly tf: typeof tfCore;
  private readonly kernels: TrainingKernels;
  private readonly options: ReplicaOptions;
  private readonly exchange: Exchange;
  private readonly weights: ReplicaWeights;
  private readonly updates: ParameterUpdates;
  private readonly average: WeightAverage | undefined;
  private readonly order: BatchOrder;
  private readonly views: 1 | 2;
  private readonly method: MethodRun;
  private readonly adaptive: AdaptiveSettings;

  constructor(tf: typeof tfCore, kernels: TrainingKernels, options: ReplicaOptions) {
    this.tf = tf;
    this.kernels = kernels;
    this.options = options;
    this.exchange = new Exchange(options.exchange, options.replica);
    this.weights = new ReplicaWeights(tf, kernels.heap, options.graph, options.weights);
    this.updates = new ParameterUpdates(kernels, options.updates, this.weights.parameters());
    this.average = options.updates.ema > 0 ? new WeightAverage(kernels, this.weights.all()) : undefined;
    this.adaptive = new AdaptiveSettings(options.objective);
    this.order = new BatchOrder({ seed: options.seed, items: options.rows.length, batch: options.batch });
    const method = methodByName(options.method);
    this.views = method.views;
    this.method = method.start({
      tf,
      kernels,
      graph: options.graph,
      tensors: this.weights.variables,
      trainable: this.weights.trainable,
      gather: this.exchange,
      syncBatchNorm: options.syncBatchNorm,
      objective: options.objective,
      options: options.methodOptions,
      items: options.rows.length,
      seed: options.seed,
    });
  }

  /** Number of values that replicas exchange each step: trained parameters, then running statistics. */
  static exchangedValues(graph: EncoderGraph): number {
    return weightSpecs(graph).reduce((sum, spec) => sum + elements(spec.shape), 0);
  }

  /**
   * Takes steps `from` … `to - 1` of a run of `steps`, or fewer when a stop is asked for; returns the step that would
   * come next.
   */
  run(from: number, to: number, steps: number, onStep: (figures: StepFigures) => void): number {
    for (let step = from; step < to; step++) {
      onStep(this.step(step, steps));
      if (this.exchange.agreeToStop()) return step + 1;
    }
    return to;
  }

  private step(step: number, steps: number): StepFigures {
    const started = performance.now();
    const { options } = this;
    const items = this.order.at(step);
    const views = this.augmented(step, items);
    const augmentMilliseconds = performance.now() - started;
    const learningRate = learningRateAt(step, { peak: options.learningRate, warmup: options.warmup, steps });
    const { labels } = options;
    const result = this.method.step({
      step,
      objective: resolveObjective(options.objective, step, steps, this.adaptive.value),
      learningRate,
      views,
      instanceIds: items,
      labels: labels && items.map((item) => labels[item]!),
    });
    views.dispose();
    this.publish(result.gradients, result.statistics);
    const means = this.exchange.reduceValues(this.weights.parameterCount);
    if (this.update(step, step === steps - 1, means, learningRate)) this.method.updated?.();
    this.adaptive.record(result);
    return {
      step,
      loss: result.loss,
      positiveSimilarity: result.positiveSimilarity,
      learningRate,
      milliseconds: performance.now() - started,
      augmentMilliseconds,
    };
  }

  /** This replica's share of the batch, augmented and normalised: first views of its items, then second views. */
  private augmented(step: number, items: Int32Array): tfCore.Tensor4D {
    const { options, kernels } = this;
    const share = items.length / this.exchange.replicas;
    const first = this.exchange.replica * share;
    const size = options.sources[0].size;
    const views = emptyTensor(this.tf, [this.views * share, size, size, 3]) as tfCore.Tensor4D;
    const output = addressOf(this.tf, views);
    const bytes = 4 * size * size * 3;
    const places = Int32Array.from({ length: share }, (_, i) => first + i);
    for (let view = 0; view < this.views; view++) {
      for (const side of [0, 1] as const) {
        const chosen = places.filter((place) => this.sourceOf(step, place, view) === side);
        // Views of one source lie together, or a picture at a time where an item's source is drawn.
        const runs = chosen.length === share ? [chosen] : Array.from(chosen, (place) => Int32Array.of(place));
        for (const run of runs) {
          augment(kernels, {
            source: options.sources[side].data,
            size,
            rows: run.map((place) => options.rows[items[place]!]!),
            items: run,
            output: output + bytes * (view * share + run[0]! - first),
            recipe: options.recipe,
            seed: options.seed,
            purpose: PURPOSE_AUGMENT,
            step,
            view,
          });
        }
      }
    }
    return views;
  }

  /** Two views are of the first and the second source; one view alone is of either, so that it learns from both. */
  private sourceOf(step: number, place: number, view: number): 0 | 1 {
    const { sources, seed } = this.options;
    if (this.views === 2) return view === 0 ? 0 : 1;
    if (sources[0].data === sources[1].data) return 0;
    return randomStream(seed, PURPOSE_SOURCE, step, place).integer(2) === 0 ? 0 : 1;
  }

  /** Puts gradients and batch statistics where the other replicas see them, and frees the tensors. */
  private publish(
    gradients: tfCore.NamedTensorMap,
    statistics: readonly { norm: string; mean: tfCore.Tensor1D; variance: tfCore.Tensor1D }[],
  ): void {
    const own = this.exchange.ownValues();
    for (const [name, variable] of Object.entries(this.weights.variables)) {
      const gradient = gradients[variable.name];
      if (!gradient) continue;
      const { heap } = this.kernels;
      own.set(floats(heap, addressOf(this.tf, gradient), gradient.size), this.weights.offsets.get(name)!);
      gradient.dispose();
    }
    for (const { norm, mean, variance } of statistics) {
      const means = mean.dataSync<'float32'>();
      own.set(means, this.weights.offsets.get(`${norm}.mean`)!);
      // Second moments can be averaged over replicas, variances cannot.
      const seconds = variance.dataSync<'float32'>().map((value, c) => value + means[c]! * means[c]!);
      own.set(seconds, this.weights.offsets.get(`${norm}.variance`)!);
      mean.dispose();
      variance.dispose();
    }
  }

  /** Returns whether the parameters changed: not at every step, where gradients are accumulated. */
  private update(step: number, last: boolean, values: Float32Array, learningRate: number): boolean {
    const { heap } = this.kernels;
    const gradients = values.subarray(0, this.weights.parameterCount);
    const { weightDecay } = this.options;
    const updated = this.updates.apply({ step, last, gradients, learningRate, weightDecay });
    this.forEachNorm((mean, variance, meanOffset, varianceOffset) => {
      const runningMean = floats(heap, addressOf(this.tf, mean), mean.size);
      const runningVariance = floats(heap, addressOf(this.tf, variance), mean.size);
      for (let c = 0; c < mean.size; c++) {
        const m = values[meanOffset + c]!;
        const v = Math.max(0, values[varianceOffset + c]! - m * m);
        runningMean[c] = KEEP * runningMean[c]! + (1 - KEEP) * m;
        runningVariance[c] = KEEP * runningVariance[c]! + (1 - KEEP) * v;
      }
    });
    if (!updated || !this.average) return updated;
    const { ema, accumulate } = this.options.updates;
    const decay = averageDecay(ema, Math.floor(step / accumulate));
    for (const [name, variable] of Object.entries(this.weights.variables)) {
      const address = addressOf(this.tf, variable);
      this.average.update(address, this.weights.offsets.get(name)!, variable.size, decay);
    }
    return true;
  }

  /** What the encoder finds with the averaged weights, where an average is kept: it is the result of the run. */
  private averaged<T>(work: () => T): T {
    if (!this.average) return work();
    const own = this.weights.all();
    this.weights.set(this.average.state());
    try {
      return work();
    } finally {
      this.weights.set(own);
    }
  }

  private forEachNorm(
    visit: (mean: tfCore.Variable, variance: tfCore.Variable, meanOffset: number, varianceOffset: number) => void,
  ): void {
    for (const node of this.options.graph.nodes) {
      if (node.op !== 'norm') continue;
      const [mean, variance] = [`${node.name}.mean`, `${node.name}.variance`];
      visit(
        this.weights.variables[mean]!,
        this.weights.variables[variance]!,
        this.weights.offsets.get(mean)!,
        this.weights.offsets.get(variance)!,
      );
    }
  }

  /**
   * Sets the running statistics to those of `pictures` (uint8 [count, size, size, 3], one batch), without training: an
   * untrained encoder is compared with its norms fitted to the data.
   */
  calibrate(pictures: Uint8Array, size: number): void {
    const { tf } = this;
    const statistics: { norm: string; mean: Float32Array; variance: Float32Array }[] = [];
    tf.tidy(() => {
      const x = this.normalised(pictures, size);
      trainingFeatures(tf, this.options.graph, this.weights.variables, x, (norm, mean, variance) => {
        statistics.push({
          norm,
          mean: mean.dataSync<'float32'>().slice(),
          variance: variance.dataSync<'float32'>().slice(),
        });
      });
    });
    for (const { norm, mean, variance } of statistics) {
      const set = (name: string, data: Float32Array): void =>
        floats(this.kernels.heap, addressOf(tf, this.weights.variables[name]!), data.length).set(data);
      set(`${norm}.mean`, mean);
      set(`${norm}.variance`, variance);
    }
  }

  private normalised(pictures: Uint8Array, size: number): tfCore.Tensor4D {
    const count = pictures.length / (size * size * 3);
    const x = emptyTensor(this.tf, [count, size, size, 3]) as tfCore.Tensor4D;
    normalise(this.kernels, { source: pictures, output: addressOf(this.tf, x) });
    return x;
  }

  /** Feature maps float32 [count, height, width, channels] of pictures, norms on running statistics. */
  featureMaps(pictures: Uint8Array, size: number): { data: Float32Array; shape: [number, number, number, number] } {
    const { tf } = this;
    return this.averaged(() => {
      const map = tf.tidy(() =>
        inferenceFeatures(tf, this.options.graph, this.weights.variables, this.normalised(pictures, size)),
      );
      const { shape } = map;
      return { data: takeValues(map), shape };
    });
  }

  /**
   * Projections z float32 [count, heads · head output], unit length: what the loss compares, norms on running statistics.
   * Of several heads each has an equal share of the length.
   */
  projections(pictures: Uint8Array, size: number): Float32Array {
    const { tf } = this;
    return this.averaged(() =>
      takeValues(
        tf.tidy(() => {
          const x = this.normalised(pictures, size);
          const map = inferenceFeatures(tf, this.options.graph, this.weights.variables, x);
          const z = projectAll(tf, this.options.graph, this.weights.variables, averagePool(tf, map));
          return tf.mul(tf.concat(z, 1), 1 / Math.sqrt(z.length));
        }),
      ),
    );
  }

  state(): ReplicaState {
    return {
      weights: this.weights.named(this.weights.all()),
      optimiser: this.updates.state(),
      ...(this.average ? { average: this.weights.named(this.average.state()) } : {}),
      method: this.method.state(),
      adaptive: this.adaptive.state(),
    };
  }

  /** Takes over a state, as when a run is resumed. */
  restore(state: ReplicaState): void {
    this.weights.set(this.weights.flat(state.weights));
    this.updates.restore(state.optimiser);
    this.average?.restore(this.weights.flat(state.average ?? state.weights));
    this.method.restore(state.method);
    if (state.adaptive !== undefined) this.adaptive.restore(state.adaptive);
  }

  /** Live tensors and bytes, to show that nothing leaks. */
  memory(): { tensors: number; tensorBytes: number; heapBytes: number } {
    const { numTensors, numBytes } = this.tf.memory();
    return { tensors: numTensors, tensorBytes: numBytes, heapBytes: this.kernels.heap.memory.buffer.byteLength };
  }

  dispose(): void {
    this.method.dispose();
    this.updates.dispose();
    this.average?.dispose();
    this.weights.dispose();
  }
}
