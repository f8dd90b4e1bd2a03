import type * as tfCore from '@tensorflow/tfjs-core';
import { adam, floats } from '../kernels/index.js';
import { diversity, type GeneratedNegatives } from '../negatives/index.js';
import { randomStream } from '../random.js';
import { addressOf, takeValues } from '../tfjs/index.js';
import type { MethodContext, MethodState, SavedArray, StepInput } from './method.js';
import { savedFloats, savedIntegers } from './saved-state.js';

const PURPOSE_WEIGHTS = 0x6e;
const PURPOSE_NOISE = 0x6f;
/** Numbers of noise that a negative is made of, beside its item's embedding (Wang et al. 2021, section 3.2). */
const NOISE = 64;
/** Weight of the diversity term. */
const DIVERSITY = 1;

/**
 * An adversary that makes negatives for an item out of the item's embedding and noise (Wang et al. 2021, "Instance-wise
 * Hard Negative Example Generation for Contrastive Learning in Unpaired Image-to-Image Translation", section 3.2),
 * adapted to one embedding a picture: [embedding, noise] → dim, ReLU → dim → unit length. It ascends the contrastive loss
 * and is kept from giving one answer to all noise by the diversity term. It learns from the step in which the encoder
 * learns from its negatives (the reference alternates, at the cost of a second pass); the encoder takes the negatives
 * for constants. All replicas add up their gradients, so their generators are equal.
 */
export class NegativeGenerator {
  private readonly context: MethodContext;
  private readonly perAnchor: number;
  private readonly dim: number;
  private readonly weights: Readonly<Record<string, tfCore.Variable>>;
  /** Adam's moments and gradient, one after the other for all weights, on the heap. */
  private readonly memory: number;
  private readonly parameters: number;
  private updates = 0;
  private inputs: tfCore.Tensor2D | undefined;
  private made: { readonly address: number; readonly items: number } | undefined;

  /** A generator where the objective asks for one. */
  static of(context: MethodContext): NegativeGenerator | undefined {
    const { synthesise } = context.objective;
    return synthesise?.kind === 'generate' ? new NegativeGenerator(context, synthesise.perAnchor) : undefined;
  }

  private constructor(context: MethodContext, perAnchor: number) {
    const { tf, graph, kernels, seed } = context;
    this.context = context;
    this.perAnchor = perAnchor;
    const dim = graph.head[2];
    this.dim = dim;
    const layer = (index: number, shape: [number, number], gain: number): tfCore.Variable => {
      const random = randomStream(seed, PURPOSE_WEIGHTS, index);
      const deviation = Math.sqrt(gain / shape[0]);
      const data = Float32Array.from({ length: shape[0] * shape[1] }, () => deviation * random.normal());
      return tf.tidy(() => tf.variable(tf.tensor2d(data, shape)));
    };
    const zeros = (): tfCore.Variable => tf.tidy(() => tf.variable(tf.zeros([dim])));
    this.weights = {
      '0.kernel': layer(0, [dim + NOISE, dim], 2),
      '0.bias': zeros(),
      '1.kernel': layer(1, [dim, dim], 1),
      '1.bias': zeros(),
    };
    this.parameters = Object.values(this.weights).reduce((sum, { size }) => sum + size, 0);
    this.memory = kernels.heap.malloc(12 * this.parameters);
    floats(kernels.heap, this.memory, 3 * this.parameters).fill(0);
  }

  private forward(inputs: tfCore.Tensor2D): tfCore.Tensor2D {
    const { tf } = this.context;
    const dense = (x: tfCore.Tensor2D, index: number): tfCore.Tensor2D =>
      tf.add(tf.matMul(x, this.weights[`${index}.kernel`] as tfCore.Tensor2D), this.weights[`${index}.bias`]!);
    const raw = dense(tf.relu(dense(inputs, 0)), 1);
    return tf.div(raw, tf.sqrt(tf.add(tf.sum(tf.square(raw), 1, true), 1e-12)));
  }

  /**
   * Negatives [items, perAnchor, dim] for the embeddings [items, dim] of the batch's items from `firstItem` on; nothing
   * while the objective goes without. They stay until `learn`, which takes up the gradient that the loss adds to them.
   */
  generate(input: StepInput, embeddings: Float32Array, firstItem: number): GeneratedNegatives | undefined {
    if (input.objective.synthesise?.kind !== 'generate') return undefined;
    const { tf, kernels, seed } = this.context;
    const { dim, perAnchor } = this;
    const items = embeddings.length / dim;
    const width = dim + NOISE;
    const data = new Float32Array(items * perAnchor * width);
    for (let item = 0; item < items; item++) {
      const random = randomStream(seed, PURPOSE_NOISE, input.step, firstItem + item);
      const embedding = embeddings.subarray(item * dim, (item + 1) * dim);
      for (let row = item * perAnchor; row < (item + 1) * perAnchor; row++) {
        data.set(embedding, row * width);
        for (let k = 0; k < NOISE; k++) data[row * width + dim + k] = random.normal();
      }
    }
    this.inputs = tf.keep(tf.tensor2d(data, [items * perAnchor, width]));
    const negatives = takeValues(tf.tidy(() => this.forward(this.inputs!)));
    const { length } = negatives;
    const address = kernels.heap.malloc(8 * length);
    floats(kernels.heap, address, length).set(negatives);
    floats(kernels.heap, address + 4 * length, length).fill(0);
    this.made = { address, items };
    return { rows: address, items, gradient: address + 4 * length };
  }

  /**
   * One step of Adam, up the contrastive loss and towards diversity. `scale` makes the gradient that the loss has left
   * that of the whole batch's mean. Every replica must call it.
   */
  learn(input: StepInput, scale: number): void {
    const { made, inputs } = this;
    if (!made || !inputs) return;
    const { tf, kernels, gather } = this.context;
    const { dim, perAnchor } = this;
    const length = made.items * perAnchor * dim;
    const gradient = made.address + 4 * length;
    const slopes = floats(kernels.heap, gradient, length);
    for (let i = 0; i < length; i++) slopes[i] = -scale * slopes[i]!;
    const weight = DIVERSITY / gather.replicas;
    diversity(kernels, { rows: made.address, items: made.items, perAnchor, dim, gradient, weight });
    const pull = tf.tensor2d(floats(kernels.heap, gradient, length).slice(), [length / dim, dim]);
    const variables = Object.values(this.weights);
    const { value, grads } = tf.variableGrads(
      () => tf.sum(tf.mul(this.forward(inputs), pull)) as tfCore.Scalar,
      variables,
    );
    const own = new Float32Array(this.parameters);
    let offset = 0;
    for (const variable of variables) {
      own.set(grads[variable.name]!.dataSync<'float32'>(), offset);
      offset += variable.size;
    }
    tf.dispose([value, pull, inputs, ...Object.values(grads)]);
    kernels.heap.free(made.address);
    this.made = this.inputs = undefined;
    this.update(gather.allGather(own), input.learningRate);
  }

  /** Adds the replicas' gradients up in their order and takes the step. */
  private update(all: Float32Array, learningRate: number): void {
    const { tf, kernels } = this.context;
    const { parameters, memory } = this;
    const gradient = floats(kernels.heap, memory + 8 * parameters, parameters);
    gradient.set(all.subarray(0, parameters));
    for (let from = parameters; from < all.length; from += parameters) {
      for (let i = 0; i < parameters; i++) gradient[i] = gradient[i]! + all[from + i]!;
    }
    this.updates++;
    let offset = 0;
    for (const variable of Object.values(this.weights)) {
      const at = (part: number): number => memory + 4 * (part * parameters + offset);
      const parameter = addressOf(tf, variable);
      const addresses = { parameter, m: at(0), v: at(1), gradient: at(2), length: variable.size };
      adam(kernels, addresses, { step: this.updates, learningRate });
      offset += variable.size;
    }
  }

  state(): MethodState {
    const moments = floats(this.context.kernels.heap, this.memory, 2 * this.parameters).slice();
    const weights = Object.entries(this.weights).map(([name, variable]): [string, SavedArray] => [
      `generator.${name}`,
      { shape: variable.shape, data: variable.dataSync<'float32'>().slice() },
    ]);
    return {
      ...Object.fromEntries(weights),
      'generator.moments': { shape: [2, this.parameters], data: moments },
      'generator.updates': { shape: [1], data: Int32Array.of(this.updates) },
    };
  }

  restore(state: MethodState): void {
    const { tf, kernels } = this.context;
    for (const [name, variable] of Object.entries(this.weights)) {
      const saved = savedFloats(state, `generator.${name}`, variable.shape);
      floats(kernels.heap, addressOf(tf, variable), variable.size).set(saved);
    }
    const moments = savedFloats(state, 'generator.moments', [2, this.parameters]);
    floats(kernels.heap, this.memory, 2 * this.parameters).set(moments);
    this.updates = savedIntegers(state, 'generator.updates', 1)[0]!;
  }

  dispose(): void {
    for (const variable of Object.values(this.weights)) variable.dispose();
    this.context.kernels.heap.free(this.memory);
  }
}
