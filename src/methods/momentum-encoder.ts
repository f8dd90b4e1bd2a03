import type * as tfCore from '@tensorflow/tfjs-core';
import { averagePool, project, trainingFeatures, weightSpecs } from '../encoders/index.js';
import { floats } from '../kernels/index.js';
import { addressOf } from '../tfjs/index.js';
import type { MethodContext, MethodState, SavedArray } from './method.js';
import { savedFloats } from './saved-state.js';

const PREFIX = 'key.';

/**
 * A copy of the encoder that follows it slowly and is not trained (He et al. 2020, "Momentum Contrast", equation 2):
 * weight ← momentum·weight + (1 - momentum)·encoder's weight. Its batch norms use the batch's statistics, so it keeps
 * no running ones. Keys are not shuffled over replicas before they are normalised: on one replica, whose share is one
 * batch norm's batch, that changes nothing, and it is of use only where many small shares are normalised apart.
 */
export class MomentumEncoder {
  private readonly context: MethodContext;
  private readonly momentum: number;
  private readonly copies: Readonly<Record<string, tfCore.Variable>>;

  constructor(context: MethodContext, momentum: number) {
    this.context = context;
    this.momentum = momentum;
    const { tf, graph, tensors } = context;
    const copies: Record<string, tfCore.Variable> = {};
    for (const { name, trainable } of weightSpecs(graph)) {
      if (trainable) copies[name] = tf.tidy(() => tf.variable(tf.clone(tensors[name]!), false));
    }
    this.copies = copies;
  }

  /** Projections z [pictures, dim] of pictures [pictures, size, size, 3], without gradient; a copy. */
  embed(pictures: tfCore.Tensor4D): Float32Array {
    const { tf, graph } = this.context;
    return tf.tidy(() => {
      const map = trainingFeatures(tf, graph, this.copies, pictures, () => undefined);
      return project(tf, this.copies, averagePool(tf, map)).dataSync<'float32'>().slice();
    });
  }

  /** Moves towards the encoder as it now is. */
  follow(): void {
    const { tf, tensors, kernels } = this.context;
    for (const [name, copy] of Object.entries(this.copies)) {
      const source = addressOf(tf, tensors[name]!);
      kernels.exports.blend(addressOf(tf, copy), source, copy.size, this.momentum, 1 - this.momentum);
    }
  }

  state(): MethodState {
    return Object.fromEntries(
      Object.entries(this.copies).map(([name, copy]): [string, SavedArray] => [
        PREFIX + name,
        { shape: copy.shape, data: copy.dataSync<'float32'>().slice() },
      ]),
    );
  }

  restore(state: MethodState): void {
    const { tf, kernels } = this.context;
    for (const [name, copy] of Object.entries(this.copies)) {
      const saved = savedFloats(state, PREFIX + name, copy.shape);
      floats(kernels.heap, addressOf(tf, copy), copy.size).set(saved);
    }
  }

  dispose(): void {
    for (const copy of Object.values(this.copies)) copy.dispose();
  }
}
