// Small networks that train for some steps: in Node, and as they are in a page.
import type * as tfCore from '@tensorflow/tfjs-core';
import { batchNormTrain } from '../../src/tfjs/index.js';
import { uniform } from './convolution-reference.js';

type Tf = typeof tfCore;
type Weights = Readonly<Record<string, tfCore.Variable>>;

export interface Training {
  readonly losses: readonly number[];
  /** Of the first step, by weight. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

interface Net {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly optimiser: (tf: Tf) => tfCore.Optimizer;
  loss(tf: Tf, weights: Weights): tfCore.Scalar;
}

const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);

/** 16 pictures [12, 12, 3] of 4 classes: stripes across, down, both or none, in noise. */
function pictures(tf: Tf): { x: tfCore.Tensor4D; labels: tfCore.Tensor2D } {
  const noise = uniform(16 * 12 * 12 * 3, 11);
  const x = noise.map((value, i) => {
    const [picture, row, column] = [Math.floor(i / 432), Math.floor(i / 36) % 12, Math.floor(i / 3) % 12];
    const across = picture & 1 ? (row & 2) - 1 : 0;
    const down = picture & 2 ? (column & 2) - 1 : 0;
    return 0.3 * value + across + down;
  });
  const labels = Float32Array.from({ length: 64 }, (_, i) => Number((i >> 2) % 4 === i % 4));
  return { x: tf.tensor4d(x, [16, 12, 12, 3]), labels: tf.tensor2d(labels, [16, 4]) };
}

const kernel = (weights: Weights, name: string): tfCore.Tensor4D => weights[name] as unknown as tfCore.Tensor4D;

function classify(tf: Tf, features: tfCore.Tensor4D, weights: Weights, labels: tfCore.Tensor2D): tfCore.Scalar {
  const pooled = tf.mean(features, [1, 2]) as tfCore.Tensor2D;
  const logits = tf.add(tf.matMul(pooled, weights['dense'] as unknown as tfCore.Tensor2D), weights['bias']!);
  return tf.losses.softmaxCrossEntropy(labels, logits as tfCore.Tensor2D) as tfCore.Scalar;
}

export const NETS: Readonly<Record<'convolution' | 'depthwise' | 'embedding', Net>> = {
  convolution: {
    shapes: { stem: [3, 3, 3, 16], deep: [3, 3, 16, 16], strided: [3, 3, 16, 16], dense: [16, 4], bias: [4] },
    optimiser: (tf) => tf.train.adam(0.03),
    loss(tf, weights) {
      const { x, labels } = pictures(tf);
      const stem = tf.maxPool(
        tf.relu(tf.conv2d(x, kernel(weights, 'stem'), 1, 'same')),
        2,
        2,
        'same',
      ) as tfCore.Tensor4D;
      const deep = tf.relu(tf.conv2d(stem, kernel(weights, 'deep'), 1, 'same')) as tfCore.Tensor4D;
      const strided = tf.relu(tf.conv2d(deep, kernel(weights, 'strided'), 2, 'same')) as tfCore.Tensor4D;
      return classify(tf, strided, weights, labels);
    },
  },
  depthwise: {
    shapes: {
      stem: [3, 3, 3, 8],
      gamma: [8],
      beta: [8],
      depthwise: [3, 3, 8, 2],
      pointwise: [1, 1, 16, 16],
      dense: [16, 4],
      bias: [4],
    },
    optimiser: (tf) => tf.train.adam(0.03),
    loss(tf, weights) {
      const { x, labels } = pictures(tf);
      const stem = tf.conv2d(x, kernel(weights, 'stem'), 1, 'same');
      const { y } = batchNormTrain(tf, stem, weights['gamma']!, weights['beta']!, { relu: true });
      const pooled = tf.avgPool(y, 3, 2, 'same');
      const [depthwise, pointwise] = [kernel(weights, 'depthwise'), kernel(weights, 'pointwise')];
      const separable = tf.relu(tf.separableConv2d(pooled, depthwise, pointwise, 1, 'same')) as tfCore.Tensor4D;
      return classify(tf, separable, weights, labels);
    },
  },
  // Two tables whose rows' products say whether two of 40 things belong together: those of equal remainder by 5 do.
  embedding: {
    shapes: { anchors: [40, 8], contexts: [40, 8] },
    optimiser: (tf) => tf.train.adam(0.1),
    loss(tf, weights) {
      const [left, right] = [7, 11].map((stride) =>
        Int32Array.from({ length: 200 }, (_, i) => (i * stride + Math.floor(i / 40)) % 40),
      ) as [Int32Array, Int32Array];
      const together = Float32Array.from(left, (id, i) => Number(id % 5 === right[i]! % 5));
      const rows = (name: string, ids: Int32Array): tfCore.Tensor =>
        tf.gather(weights[name] as unknown as tfCore.Tensor, tf.tensor1d(ids, 'int32'));
      const logits = tf.sum(tf.mul(rows('anchors', left), rows('contexts', right)), 1);
      return tf.losses.sigmoidCrossEntropy(tf.tensor1d(together), logits) as tfCore.Scalar;
    },
  },
};

/** Trains on the active backend; leaves no tensor behind. */
export function trainNet(tf: Tf, name: keyof typeof NETS, steps: number): Training {
  const net = NETS[name];
  const weights: Record<string, tfCore.Variable> = {};
  Object.entries(net.shapes).forEach(([weight, shape], i) => {
    const fan = Math.max(1, product(shape.slice(0, -1)));
    const values = uniform(product(shape), i + 1).map((value) => value * Math.sqrt((shape.length > 1 ? 3 : 0) / fan));
    const initial = weight === 'gamma' ? tf.ones([...shape]) : tf.tensor(values, [...shape]);
    weights[weight] = tf.variable(initial);
    initial.dispose();
  });
  const optimiser = net.optimiser(tf);
  const names = Object.fromEntries(Object.entries(weights).map(([weight, variable]) => [variable.name, weight]));
  const losses: number[] = [];
  const gradients: Record<string, readonly number[]> = {};
  for (let step = 0; step < steps; step++) {
    const { value, grads } = tf.variableGrads(() => net.loss(tf, weights), Object.values(weights));
    if (step === 0)
      for (const [variable, grad] of Object.entries(grads)) gradients[names[variable]!] = [...grad.dataSync()];
    optimiser.applyGradients(grads);
    losses.push(value.dataSync()[0]!);
    tf.dispose([value, grads]);
  }
  optimiser.dispose();
  tf.dispose(weights);
  return { losses, gradients };
}
