import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { addRelu, batchNormTrain } from '../tfjs/index.js';
import { fusedFeatures } from './fused-features.js';
import { type EncoderGraph, type EncoderNode, headNames, NORM_EPSILON } from './graph.js';
import { labChannels } from './lab.js';
import type { EncoderTensors, RecordStatistics } from './tensors.js';

export type { EncoderTensors, RecordStatistics };

import type { NormReplicas } from './norm-replicas.js';

type Tf = typeof tfCore;

function tensor(tensors: EncoderTensors, name: string): tfCore.Tensor {
  const found = tensors[name];
  if (!found) throw new Error(`encoder tensor '${name}' is missing`);
  return found;
}

function convolve(
  tf: Tf,
  node: Extract<EncoderNode, { op: 'conv' }>,
  x: tfCore.Tensor4D,
  tensors: EncoderTensors,
): tfCore.Tensor4D {
  const kernel = tensor(tensors, `${node.name}.kernel`) as tfCore.Tensor4D;
  const pad = (node.kernel - 1) / 2;
  if (!node.depthwise) return tf.conv2d(x, kernel, node.stride, pad);
  return tf.depthwiseConv2d(x, kernel, node.stride, pad);
}

function run(
  tf: Tf,
  graph: EncoderGraph,
  pictures: tfCore.Tensor4D,
  tensors: EncoderTensors,
  norm: (node: Extract<EncoderNode, { op: 'norm' }>, x: tfCore.Tensor4D) => tfCore.Tensor4D,
): tfCore.Tensor4D {
  const outputs = new Map<string, tfCore.Tensor4D>([['image', pictures]]);
  const output = (name: string): tfCore.Tensor4D => {
    const found = outputs.get(name);
    if (!found) throw new Error(`encoder '${graph.name}' reads '${name}' before it is there`);
    return found;
  };
  let last = pictures;
  for (const node of graph.nodes) {
    if (node.op === 'conv') last = convolve(tf, node, output(node.input), tensors);
    else if (node.op === 'norm') last = norm(node, output(node.input));
    else if (node.op === 'lab') last = labChannels(tf, output(node.input), node.channels);
    else if (node.op === 'concat') last = tf.concat([output(node.inputs[0]), output(node.inputs[1])], 3);
    else {
      const [a, b] = [output(node.inputs[0]), output(node.inputs[1])];
      last = node.relu ? addRelu(tf, a, b) : tf.add(a, b);
    }
    outputs.set(node.name, last);
  }
  return last;
}

/**
 * The feature map [pictures, height, width, channels] of normalised pictures [pictures, size, size, 3], with batch
 * norms on the statistics of this batch, which `record` receives; with `together` on those of all replicas' pictures,
 * forward and backward (the replicas must all call this, and go back through it). Differentiable in all trainable
 * tensors. Errors: `NM_OPTION_INVALID` for `together` where `sharesStatistics` is false.
 */
export function trainingFeatures(
  tf: Tf,
  graph: EncoderGraph,
  tensors: EncoderTensors,
  pictures: tfCore.Tensor4D,
  record: RecordStatistics,
  together?: NormReplicas,
): tfCore.Tensor4D {
  const fused = fusedFeatures(tf, graph, tensors, pictures, record, together);
  if (fused) return fused;
  if (together && together.replicas > 1) {
    const found = `encoder '${graph.name}' on backend '${tf.getBackend()}'`;
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `batch norms over all replicas: found ${found}, allowed: networks of convolutions, norms and additions on our kernels`,
    );
  }
  return layeredFeatures(tf, graph, tensors, pictures, record);
}

/** `trainingFeatures` node by node, as any other tfjs model: for graphs that the fused pass does not know. */
export function layeredFeatures(
  tf: Tf,
  graph: EncoderGraph,
  tensors: EncoderTensors,
  pictures: tfCore.Tensor4D,
  record: RecordStatistics,
): tfCore.Tensor4D {
  return run(tf, graph, pictures, tensors, (node, x) => {
    const gamma = tensor(tensors, `${node.name}.gamma`) as tfCore.Tensor1D;
    const beta = tensor(tensors, `${node.name}.beta`) as tfCore.Tensor1D;
    const normed = batchNormTrain(tf, x, gamma, beta, { epsilon: NORM_EPSILON, relu: node.relu });
    record(node.name, normed.mean, normed.variance);
    return normed.y as tfCore.Tensor4D;
  });
}

/** The feature map with batch norms on their running statistics: what the exported encoder computes. */
export function inferenceFeatures(
  tf: Tf,
  graph: EncoderGraph,
  tensors: EncoderTensors,
  pictures: tfCore.Tensor4D,
): tfCore.Tensor4D {
  return run(tf, graph, pictures, tensors, (node, x) => {
    const part = (name: string): tfCore.Tensor => tensor(tensors, `${node.name}.${name}`);
    const scale = tf.mul(part('gamma'), tf.rsqrt(tf.add(part('variance'), NORM_EPSILON)));
    const shift = tf.sub(part('beta'), tf.mul(part('mean'), scale));
    const y = tf.add(tf.mul(x, scale), shift) as tfCore.Tensor4D;
    return node.relu ? tf.relu(y) : y;
  });
}

/** h [pictures, channels]: the feature map averaged over its places. */
export function averagePool(tf: Tf, map: tfCore.Tensor4D): tfCore.Tensor2D {
  // tfjs-core's gradient of a mean makes a tensor of ones in JavaScript, as large as the map.
  const mean = tf.customGrad((x) => {
    const [pictures, height, width, channels] = (x as tfCore.Tensor4D).shape;
    return {
      value: tf.mean(x as tfCore.Tensor4D, [1, 2]),
      gradFunc: (dy: tfCore.Tensor) =>
        tf.broadcastTo(tf.reshape(tf.div(dy, height * width), [pictures, 1, 1, channels]), [
          pictures,
          height,
          width,
          channels,
        ]),
    };
  });
  return mean(map) as tfCore.Tensor2D;
}

/**
 * z [pictures, head output], unit length: the projection head that the loss is taken on (SimCLR, section 2.1). `head` is
 * one of `headNames`, and h what it reads.
 */
export function project(tf: Tf, tensors: EncoderTensors, h: tfCore.Tensor2D, head = 'head'): tfCore.Tensor2D {
  const dense = (x: tfCore.Tensor2D, layer: string): tfCore.Tensor2D => {
    const kernel = tensor(tensors, `${layer}.kernel`) as tfCore.Tensor2D;
    return tf.add(tf.matMul(x, kernel), tensor(tensors, `${layer}.bias`)) as tfCore.Tensor2D;
  };
  const raw = dense(tf.relu(dense(h, `${head}.0`)), `${head}.1`);
  const length = tf.sqrt(tf.add(tf.sum(tf.square(raw), 1, true), 1e-12));
  return tf.div(raw, length) as tfCore.Tensor2D;
}

/** The projections of all of an encoder's heads, each [pictures, head output], of h [pictures, channels]. */
export function projectAll(
  tf: Tf,
  graph: EncoderGraph,
  tensors: EncoderTensors,
  h: tfCore.Tensor2D,
): tfCore.Tensor2D[] {
  const heads = headNames(graph);
  if (heads.length === 1) return [project(tf, tensors, h)];
  const width = graph.head[0];
  return heads.map((head, part) => project(tf, tensors, tf.slice(h, [0, part * width], [-1, width]), head));
}
