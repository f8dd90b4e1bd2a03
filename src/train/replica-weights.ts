import type * as tfCore from '@tensorflow/tfjs-core';
import { type EncoderGraph, elements, type Weights, weightSpecs } from '../encoders/index.js';
import { floats, type Heap } from '../kernels/index.js';
import { addressOf } from '../tfjs/index.js';
import type { Parameter } from './optimiser.js';

/**
 * An encoder's weights as variables of one replica's backend, and as one array: trained ones first, in the order of
 * `weightSpecs`, then running statistics. `offsets` are the places of the weights in it, in numbers.
 */
export class ReplicaWeights {
  readonly variables: Readonly<Record<string, tfCore.Variable>>;
  readonly trainable: readonly tfCore.Variable[];
  readonly offsets: ReadonlyMap<string, number>;
  /** Numbers of the trained weights, and of all. */
  readonly parameterCount: number;
  readonly count: number;
  private readonly tf: typeof tfCore;
  private readonly heap: Heap;
  private readonly graph: EncoderGraph;

  constructor(tf: typeof tfCore, heap: Heap, graph: EncoderGraph, weights: Weights) {
    this.tf = tf;
    this.heap = heap;
    this.graph = graph;
    const variables: Record<string, tfCore.Variable> = {};
    const offsets = new Map<string, number>();
    let offset = 0;
    const specs = weightSpecs(graph);
    for (const spec of [...specs.filter((s) => s.trainable), ...specs.filter((s) => !s.trainable)]) {
      const weight = weights[spec.name];
      if (!weight) throw new Error(`weight '${spec.name}' is missing`);
      variables[spec.name] = tf.tidy(() =>
        tf.variable(tf.tensor(weight.data.slice(), [...spec.shape], 'float32'), spec.trainable),
      );
      offsets.set(spec.name, offset);
      offset += elements(spec.shape);
    }
    this.variables = variables;
    this.offsets = offsets;
    this.trainable = specs.filter((s) => s.trainable).map((s) => variables[s.name]!);
    this.parameterCount = specs.reduce((sum, s) => sum + (s.trainable ? elements(s.shape) : 0), 0);
    this.count = offset;
  }

  /** The trained weights for an optimiser; those of one dimension are biases and the norms' scales and shifts. */
  parameters(): Parameter[] {
    return weightSpecs(this.graph)
      .filter((spec) => spec.trainable)
      .map(({ name, shape }) => ({
        address: () => this.addressOf(name),
        length: elements(shape),
        plain: shape.length === 1,
      }));
  }

  addressOf(name: string): number {
    return addressOf(this.tf, this.variables[name]!);
  }

  /** All weights, copied out. */
  all(): Float32Array {
    const all = new Float32Array(this.count);
    for (const [name, offset] of this.offsets) all.set(this.variables[name]!.dataSync<'float32'>(), offset);
    return all;
  }

  set(all: Float32Array): void {
    for (const [name, offset] of this.offsets) {
      const { size } = this.variables[name]!;
      floats(this.heap, this.addressOf(name), size).set(all.subarray(offset, offset + size));
    }
  }

  /** Such an array by name. */
  named(all: Float32Array): Weights {
    const weights: Record<string, Weights[string]> = {};
    for (const { name, shape } of weightSpecs(this.graph)) {
      const offset = this.offsets.get(name)!;
      weights[name] = { shape, data: all.slice(offset, offset + elements(shape)) };
    }
    return weights;
  }

  /** Weights by name as such an array. */
  flat(weights: Weights): Float32Array {
    const all = new Float32Array(this.count);
    for (const [name, offset] of this.offsets) {
      const weight = weights[name];
      if (!weight) throw new Error(`weight '${name}' is missing`);
      all.set(weight.data, offset);
    }
    return all;
  }

  dispose(): void {
    for (const variable of Object.values(this.variables)) variable.dispose();
  }
}
