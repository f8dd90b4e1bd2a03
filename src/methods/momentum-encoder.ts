import type * as tfCore from '@tensorflow/tfjs-core';
import { averagePool, inferenceFeatures, project, trainingFeatures, weightSpecs } from '../encoders/index.js';
import { floats } from '../kernels/index.js';
import { addressOf, takeValues } from '../tfjs/index.js';
import type { MethodContext, MethodState, SavedArray, StepResult } from './method.js';
import { savedFloats, savedIntegers } from './saved-state.js';

const PREFIX = 'key.';

/**
 * A copy of the encoder that follows it slowly and is not trained (He et al. 2020, "Momentum Contrast", equation 2):
 * weight ← momentum·weight + (1 - momentum)·encoder's weight.
 *
 * Its batch norms use statistics that follow in the same way (Cai et al. 2021, "Exponential Moving Average Normalization
 * for Self-supervised and Semi-supervised Learning"), not those of the batch: these are a signature that a query and its
 * key would share and the queue's keys would not. The paper shuffles keys over devices against that, which does nothing
 * where one device normalises the whole batch; this needs no shuffling. (Over five epochs of CIFAR-10 both end alike.)
 */
export class MomentumEncoder {
  private readonly context: MethodContext;
  private readonly momentum: number;
  private readonly copies: Readonly<Record<string, tfCore.Variable>>;
  /** Statistics are those of some pictures; before the first step they are of none. */
  private calibrated = false;
  /** Statistics of the encoder's newest step, which the copy's will follow. */
  private newest: ReadonlyMap<string, Float32Array> = new Map();

  constructor(context: MethodContext, momentum: number) {
    this.context = context;
    this.momentum = momentum;
    const { tf, graph, tensors } = context;
    this.copies = Object.fromEntries(
      weightSpecs(graph).map(({ name, shape }) => {
        // Not a clone, which would share the memory that the optimiser writes to.
        const data = tensors[name]!.dataSync<'float32'>().slice();
        return [name, tf.tidy(() => tf.variable(tf.tensor(data, [...shape]), false))];
      }),
    );
  }

  /** Projections z [pictures, dim] of pictures [pictures, size, size, 3], without gradient; a copy. */
  embed(pictures: tfCore.Tensor4D): Float32Array {
    const { tf, graph } = this.context;
    if (!this.calibrated) this.calibrate(pictures);
    return takeValues(
      tf.tidy(() => {
        const map = inferenceFeatures(tf, graph, this.copies, pictures);
        return project(tf, this.copies, averagePool(tf, map));
      }),
    );
  }

  /** Takes the statistics of the first keys for its own. Every replica must call it. */
  private calibrate(pictures: tfCore.Tensor4D): void {
    const { tf, graph } = this.context;
    const statistics: StepResult['statistics'][number][] = [];
    tf.tidy(() => {
      trainingFeatures(tf, graph, this.copies, pictures, (norm, mean, variance) => {
        statistics.push({ norm, mean: tf.keep(mean), variance: tf.keep(variance) });
      });
    });
    for (const [name, data] of this.meanStatistics(statistics)) this.values(name).set(data);
    for (const { mean, variance } of statistics) tf.dispose([mean, variance]);
    this.calibrated = true;
  }

  /** Remembers the statistics that a step of the encoder saw. Every replica must call it. */
  observe(statistics: StepResult['statistics']): void {
    this.newest = this.meanStatistics(statistics);
  }

  /** Means and variances over all replicas, by tensor name. */
  private meanStatistics(statistics: StepResult['statistics']): Map<string, Float32Array> {
    const { gather } = this.context;
    const found = new Map<string, Float32Array>();
    for (const { norm, mean, variance } of statistics) {
      const means = mean.dataSync<'float32'>();
      const channels = means.length;
      // Second moments can be averaged over replicas, variances cannot.
      const own = new Float32Array(2 * channels);
      own.set(means);
      own.set(
        variance.dataSync<'float32'>().map((value, c) => value + means[c]! * means[c]!),
        channels,
      );
      const all = gather.allGather(own);
      const mixed = new Float32Array(2 * channels);
      for (let i = 0; i < all.length; i++) {
        const c = i % (2 * channels);
        mixed[c] = mixed[c]! + all[i]! / gather.replicas;
      }
      const [average, second] = [mixed.slice(0, channels), mixed.slice(channels)];
      found.set(`${norm}.mean`, average);
      found.set(
        `${norm}.variance`,
        second.map((value, c) => Math.max(0, value - average[c]! * average[c]!)),
      );
    }
    return found;
  }

  /** Moves towards the encoder as it now is, and towards the statistics of its newest step. */
  follow(): void {
    const { tf, tensors, kernels } = this.context;
    const { momentum } = this;
    for (const [name, copy] of Object.entries(this.copies)) {
      const statistics = this.newest.get(name);
      if (statistics) {
        const own = this.values(name);
        for (let c = 0; c < own.length; c++) own[c] = momentum * own[c]! + (1 - momentum) * statistics[c]!;
      } else {
        const source = addressOf(tf, tensors[name]!);
        kernels.exports.blend(addressOf(tf, copy), source, copy.size, momentum, 1 - momentum);
      }
    }
  }

  /** A view of a tensor's numbers; valid until the memory grows. */
  private values(name: string): Float32Array {
    const { tf, kernels } = this.context;
    const copy = this.copies[name]!;
    return floats(kernels.heap, addressOf(tf, copy), copy.size);
  }

  state(): MethodState {
    const copies = Object.entries(this.copies).map(([name, copy]): [string, SavedArray] => [
      PREFIX + name,
      { shape: copy.shape, data: copy.dataSync<'float32'>().slice() },
    ]);
    const calibrated = { shape: [1], data: Int32Array.of(this.calibrated ? 1 : 0) };
    return { ...Object.fromEntries(copies), [`${PREFIX}calibrated`]: calibrated };
  }

  restore(state: MethodState): void {
    for (const [name, copy] of Object.entries(this.copies)) {
      this.values(name).set(savedFloats(state, PREFIX + name, copy.shape));
    }
    this.calibrated = savedIntegers(state, `${PREFIX}calibrated`, 1)[0] === 1;
  }

  dispose(): void {
    for (const copy of Object.values(this.copies)) copy.dispose();
  }
}
