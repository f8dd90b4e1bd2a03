// A small encoder in contrastive training: in Node, and as it is in a page.
import type * as tfCore from '@tensorflow/tfjs-core';
import {
  averagePool,
  initialWeights,
  project,
  tinyMobile,
  trainingFeatures,
  weightSpecs,
} from '../../src/encoders/index.js';
import { floats, type TrainingKernels } from '../../src/kernels/index.js';
import { contrastBatch, hcl, resolveObjective, takeWorkspace } from '../../src/negatives/index.js';
import { uniform } from './convolution-reference.js';

type Tf = typeof tfCore;

export interface EncoderTraining {
  readonly losses: readonly number[];
  /** Of the first step's gradient of each tensor: its length (Euclidean), and a hash of its bits. */
  readonly gradients: Readonly<Record<string, { readonly length: number; readonly hash: number }>>;
  /** Of the trained weights. */
  readonly weights: Readonly<Record<string, number>>;
}

const ITEMS = 16;
const SIZE = 24;

/** Two views [SIZE, SIZE, 3] of each item: its own waves, shifted, in noise. First all first views, then all second. */
function views(tf: Tf): tfCore.Tensor4D {
  const picture = SIZE * SIZE * 3;
  const values = uniform(2 * ITEMS * picture, 5).map((noise, i) => {
    const [view, item] = [Math.floor(i / (ITEMS * picture)), Math.floor(i / picture) % ITEMS];
    const [y, x] = [Math.floor((i % picture) / (SIZE * 3)), Math.floor(i / 3) % SIZE];
    return (
      0.4 * noise + Math.sin((0.2 + 0.1 * (item % 4)) * (x + view) + (0.15 * Math.floor(item / 4) + 0.1) * y + (i % 3))
    );
  });
  return tf.tensor4d(values, [2 * ITEMS, SIZE, SIZE, 3]);
}

/** FNV-1a of a tensor's bits. */
function hash(values: Float32Array): number {
  let state = 0x811c9dc5;
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) {
    state = Math.imul(state ^ byte, 0x01000193);
  }
  return state >>> 0;
}

/** Trains `tiny-mobile` with hard negatives on the active backend, whose kernels these are; leaves no tensor behind. */
export function trainEncoder(tf: Tf, kernels: TrainingKernels, steps: number): EncoderTraining {
  const graph = tinyMobile();
  const initial = initialWeights(graph, 2);
  const variables: Record<string, tfCore.Variable> = {};
  for (const { name, trainable } of weightSpecs(graph)) {
    const { data, shape } = initial[name]!;
    const tensor = tf.tensor(data.slice(), [...shape]);
    variables[name] = tf.variable(tensor, trainable);
    tensor.dispose();
  }
  const names = new Map(Object.entries(variables).map(([name, variable]) => [variable.name, name]));
  const trainable = Object.values(variables).filter((variable) => variable.trainable);
  const objective = resolveObjective(hcl({ temperature: 0.5, beta: 1, tauPlus: 0.1 }), 0, steps);
  const count = 2 * ITEMS;
  const dim = graph.head[2];

  const contrast = tf.customGrad((z) => {
    const { heap } = kernels;
    const { at, release } = takeWorkspace(heap, { rows: 4 * count * dim, gradient: 4 * count * dim });
    try {
      floats(heap, at.rows, count * dim).set((z as tfCore.Tensor).dataSync());
      floats(heap, at.gradient, count * dim).fill(0);
      const { loss } = contrastBatch(kernels, { rows: at.rows, count, dim, objective, gradient: at.gradient });
      const gradient = floats(heap, at.gradient, count * dim).slice();
      return {
        value: tf.scalar(loss / count),
        gradFunc: (dy: tfCore.Tensor) => tf.mul(tf.tensor(gradient, [count, dim]), dy),
      };
    } finally {
      release();
    }
  });
  const loss = (): tfCore.Scalar => {
    const map = trainingFeatures(tf, graph, variables, views(tf), () => undefined);
    return contrast(project(tf, variables, averagePool(tf, map))) as tfCore.Scalar;
  };

  const optimiser: tfCore.Optimizer = tf.train.adam(0.003);
  const losses: number[] = [];
  const gradients: Record<string, { length: number; hash: number }> = {};
  for (let step = 0; step < steps; step++) {
    const { value, grads } = tf.variableGrads(loss, trainable);
    if (step === 0) {
      for (const [variable, grad] of Object.entries(grads)) {
        const values = grad.dataSync() as Float32Array;
        const length = Math.sqrt(values.reduce((sum, one) => sum + one * one, 0));
        gradients[names.get(variable)!] = { length, hash: hash(values) };
      }
    }
    optimiser.applyGradients(grads);
    losses.push(value.dataSync()[0]!);
    tf.dispose([value, grads]);
  }
  const weights = Object.fromEntries(
    Object.entries(variables).map(([name, variable]) => [name, hash(variable.dataSync() as Float32Array)]),
  );
  optimiser.dispose();
  tf.dispose(variables);
  return { losses, gradients, weights };
}
