import type * as tfCore from '@tensorflow/tfjs-core';
import { type EncoderGraph, initialWeights, NORM_EPSILON } from '../src/encoders/index.js';

type Tf = typeof tfCore;

/**
 * The same step with tfjs alone, on whatever backend is active: forward, HCL loss (temperature 0.5, beta 2), backward,
 * Adam, on random views of 32x32 that are normalised already. Returns the function that takes a step of `views`.
 */
export function stockStep(tf: Tf, graph: EncoderGraph): (views: number) => number {
  const variables: Record<string, tfCore.Variable> = {};
  for (const [name, { shape, data }] of Object.entries(initialWeights(graph, 0))) {
    if (name.endsWith('.mean') || name.endsWith('.variance')) continue;
    variables[name] = tf.variable(tf.tensor(data, [...shape], 'float32'));
  }
  const weight = <T extends tfCore.Tensor>(name: string): T => variables[name] as unknown as T;
  const features = (pictures: tfCore.Tensor4D): tfCore.Tensor4D => {
    const outputs = new Map<string, tfCore.Tensor4D>([['image', pictures]]);
    let last = pictures;
    for (const node of graph.nodes) {
      if (node.op === 'conv') {
        last = tf.conv2d(
          outputs.get(node.input)!,
          weight<tfCore.Tensor4D>(`${node.name}.kernel`),
          node.stride,
          (node.kernel - 1) / 2,
        );
      } else if (node.op === 'norm') {
        const x = outputs.get(node.input)!;
        const { mean, variance } = tf.moments(x, [0, 1, 2]);
        const [beta, gamma] = [
          weight<tfCore.Tensor1D>(`${node.name}.beta`),
          weight<tfCore.Tensor1D>(`${node.name}.gamma`),
        ];
        last = tf.batchNorm4d(x, mean as tfCore.Tensor1D, variance as tfCore.Tensor1D, beta, gamma, NORM_EPSILON);
        if (node.relu) last = tf.relu(last);
      } else if (node.op === 'add') {
        last = tf.add(outputs.get(node.inputs[0])!, outputs.get(node.inputs[1])!);
        if (node.relu) last = tf.relu(last);
      } else throw new Error(`${graph.name}: found '${node.op}', allowed: conv, norm, add`);
      outputs.set(node.name, last);
    }
    return last;
  };
  const embed = (pictures: tfCore.Tensor4D): tfCore.Tensor2D => {
    const h = tf.mean<tfCore.Tensor2D>(features(pictures), [1, 2]);
    const hidden = tf.relu(tf.add(tf.matMul(h, weight('head.0.kernel')), weight('head.0.bias')));
    const raw = tf.add(tf.matMul(hidden as tfCore.Tensor2D, weight('head.1.kernel')), weight('head.1.bias'));
    return tf.div(raw, tf.sqrt(tf.add(tf.sum(tf.square(raw), 1, true), 1e-12)));
  };
  const optimiser = tf.train.adam(2e-3);
  return (views) => {
    const half = views / 2;
    const pictures = tf.randomUniform([views, 32, 32, 3], -2, 2) as tfCore.Tensor4D;
    const rows = tf.range(0, half, 1, 'int32');
    const kept = tf.tidy(() => tf.sub(1, tf.tile(tf.oneHot(rows, half), [2, 2])));
    const loss = optimiser.minimize(
      () => {
        const z = embed(pictures);
        const similarity = tf.div(tf.matMul(z, z, false, true), 0.5);
        const x = tf.mul(tf.exp(similarity), kept);
        const importance = tf.square(x);
        const meanWeight = tf.div(tf.sum(importance, 1), views - 2);
        const negatives = tf.div(tf.sum(tf.mul(importance, x), 1), meanWeight);
        const [a, b] = tf.split(z, 2) as [tfCore.Tensor2D, tfCore.Tensor2D];
        const positive = tf.tile(tf.exp(tf.div(tf.sum(tf.mul(a, b), 1), 0.5)), [2]);
        return tf.neg(tf.mean(tf.log(tf.div(positive, tf.add(positive, negatives))))) as tfCore.Scalar;
      },
      true,
      Object.values(variables),
    )!;
    const value = loss.dataSync()[0]!;
    tf.dispose([pictures, rows, kept, loss]);
    if (!Number.isFinite(value)) throw new Error(`loss ${value}`);
    return value;
  };
}
