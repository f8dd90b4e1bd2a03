import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layeredFeatures, trainingFeatures } from '../../src/encoders/forward.js';
import type { EncoderGraph, EncoderNode } from '../../src/encoders/graph.js';
import { weightSpecs } from '../../src/encoders/graph.js';
import { encoderByName } from '../../src/encoders/index.js';
import { planPass } from '../../src/encoders/pass-plan.js';
import { SIMD_TIERS, type TrainingKernels } from '../../src/kernels/index.js';
import { randomStream } from '../../src/random.js';
import { install, uninstall } from '../../src/tfjs/index.js';

type Layer = [name: string, input: string, kernel: 1 | 3, stride: 1 | 2, from: number, to: number, relu: boolean];

const conv = (...[name, input, kernel, stride, inputChannels, outputChannels, relu]: Layer): EncoderNode[] => [
  { op: 'conv', name, input, kernel, stride, inputChannels, outputChannels },
  { op: 'norm', name: `${name}.norm`, input: name, channels: outputChannels, relu },
];
const depthwise = (name: string, input: string, channels: number): EncoderNode[] => [
  { op: 'conv', name, input, kernel: 3, stride: 1, inputChannels: channels, outputChannels: channels, depthwise: true },
  { op: 'norm', name: `${name}.norm`, input: name, channels, relu: true },
];
const add = (name: string, a: string, b: string, relu: boolean): EncoderNode => ({
  op: 'add',
  name,
  inputs: [a, b],
  relu,
});
const graphOf = (name: string, featureChannels: number, ...nodes: EncoderNode[]): EncoderGraph => ({
  name,
  nodes,
  featureChannels,
  downsampling: 1,
  head: [featureChannels, 8, 4],
});

/** Forms of networks, each with a way for gradients to meet that the others lack. */
const GRAPHS: readonly EncoderGraph[] = [
  graphOf('ends in a norm', 24, ...conv('a', 'image', 3, 1, 3, 16, true), ...conv('b', 'a.norm', 3, 2, 16, 24, true)),
  graphOf(
    'a norm read by a convolution and a join',
    32,
    ...conv('a', 'image', 3, 1, 3, 32, true),
    ...conv('b', 'a.norm', 3, 1, 32, 32, false),
    add('c', 'b.norm', 'a.norm', true),
  ),
  graphOf(
    'a join read by two convolutions of stride 2',
    32,
    ...conv('a', 'image', 3, 1, 3, 16, true),
    ...conv('b', 'a.norm', 1, 1, 16, 16, false),
    add('c', 'b.norm', 'a.norm', true),
    ...conv('d', 'c', 3, 2, 16, 32, true),
    ...conv('e', 'd.norm', 3, 1, 32, 32, false),
    ...conv('f', 'c', 1, 2, 16, 32, false),
    add('g', 'e.norm', 'f.norm', true),
  ),
  graphOf(
    'joins read by joins, without ReLU',
    16,
    ...conv('a', 'image', 3, 2, 3, 16, true),
    ...conv('b', 'a.norm', 3, 1, 16, 16, false),
    add('c', 'b.norm', 'a.norm', true),
    ...depthwise('d', 'c', 16),
    add('e', 'd.norm', 'c', false),
    ...conv('f', 'e', 1, 1, 16, 16, true),
    add('g', 'e', 'f.norm', true),
    add('h', 'g', 'a.norm', false),
  ),
  encoderByName('tiny-resnet'),
  encoderByName('tiny-mobile'),
];

const SIZE = 16;
// Not a multiple of any part's pictures, and more than one part in the first layers.
const BATCH = 21;

function variablesOf(graph: EncoderGraph): Record<string, tf.Variable> {
  const random = randomStream(7);
  const variables: Record<string, tf.Variable> = {};
  for (const { name, shape } of weightSpecs(graph)) {
    if (name.startsWith('head') || name.endsWith('.mean') || name.endsWith('.variance')) continue;
    const [centre, spread] = name.endsWith('.gamma') ? [1, 0.3] : [0, 0.3];
    const data = Float32Array.from(
      { length: tf.util.sizeFromShape([...shape]) },
      () => centre + spread * random.normal(),
    );
    variables[name] = tf.tidy(() => tf.variable(tf.tensor(data, [...shape])));
  }
  return variables;
}

const uniform = (shape: [number, number, number, number], seed: number): tf.Tensor4D => {
  const random = randomStream(seed);
  const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => 2 * random.uniform() - 1);
  return tf.tensor4d(data, shape);
};

type Features = typeof trainingFeatures;

/** Feature map, statistics and gradients of a random linear function of the map, by name. */
function results(
  graph: EncoderGraph,
  features: Features,
  variables: Record<string, tf.Variable>,
): Map<string, Float32Array> {
  const found = new Map<string, Float32Array>();
  tf.tidy(() => {
    const pictures = uniform([BATCH, SIZE, SIZE, 3], 1);
    const { grads } = tf.variableGrads(() => {
      const map = features(tf, graph, variables, pictures, (norm, mean, variance) => {
        found.set(`${norm}.mean`, mean.dataSync<'float32'>().slice());
        found.set(`${norm}.variance`, variance.dataSync<'float32'>().slice());
      });
      found.set('map', map.dataSync<'float32'>().slice());
      return tf.sum(tf.mul(map, uniform(map.shape, 2))) as tf.Scalar;
    }, Object.values(variables));
    for (const [name, variable] of Object.entries(variables)) {
      found.set(`gradient of ${name}`, grads[variable.name]!.dataSync<'float32'>().slice());
    }
  });
  return found;
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function difference(a: Float32Array, b: Float32Array): number {
  let [most, largest] = [0, 1e-3];
  a.forEach((value, i) => {
    const off = Math.abs(value - b[i]!);
    most = off > most || Number.isNaN(off) ? off : most;
    largest = Math.max(largest, Math.abs(b[i]!));
  });
  return most / largest;
}

describe.each(SIMD_TIERS)('fused training pass, %s SIMD', (tier) => {
  let kernels: TrainingKernels;
  beforeAll(async () => {
    await tf.setBackend('wasm');
    kernels = await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  test.each(GRAPHS.map((graph) => [graph.name, graph] as const))(
    'agrees with the layers one by one: %s',
    (_, graph) => {
      expect(planPass(graph, SIZE, SIZE)).toBeDefined();
      const variables = variablesOf(graph);
      const fused = results(graph, trainingFeatures, variables);
      const layered = results(graph, layeredFeatures, variables);
      expect([...fused.keys()].sort()).toEqual([...layered.keys()].sort());
      // Sums over parts of the batch round in another order than sums over the whole.
      for (const [name, value] of fused) {
        expect(difference(value, layered.get(name)!), name).toBeLessThan(2e-5);
      }
      for (const variable of Object.values(variables)) variable.dispose();
    },
  );

  test('gives the same bits again', () => {
    const graph = encoderByName('tiny-resnet');
    const variables = variablesOf(graph);
    const [first, second] = [results(graph, trainingFeatures, variables), results(graph, trainingFeatures, variables)];
    for (const [name, value] of first) expect(Buffer.compare(bytesOf(value), bytesOf(second.get(name)!)), name).toBe(0);
    for (const variable of Object.values(variables)) variable.dispose();
  });

  test('leaves no tensor and no heap behind, with and without a way back', () => {
    const graph = encoderByName('tiny-resnet');
    const variables = variablesOf(graph);
    const forwardOnly = (): void =>
      tf.tidy(() => {
        trainingFeatures(tf, graph, variables, uniform([BATCH, SIZE, SIZE, 3], 3), () => {});
      });
    for (let i = 0; i < 3; i++) {
      results(graph, trainingFeatures, variables);
      forwardOnly();
    }
    const { numTensors, numBytes } = tf.memory();
    const heap = kernels.heap.memory.buffer.byteLength;
    for (let i = 0; i < 20; i++) {
      results(graph, trainingFeatures, variables);
      forwardOnly();
    }
    expect(tf.memory()).toMatchObject({ numTensors, numBytes });
    expect(kernels.heap.memory.buffer.byteLength).toBe(heap);
    for (const variable of Object.values(variables)) variable.dispose();
  });
});

test('leaves graphs of other forms to the layers', () => {
  const image = conv('a', 'image', 3, 1, 3, 8, true);
  const withoutNorm: EncoderNode = { ...image[0]!, name: 'b', input: 'a.norm', inputChannels: 8 } as EncoderNode;
  for (const nodes of [
    [...image, withoutNorm],
    [...image, add('b', 'a.norm', 'image', true)],
    [
      ...conv('a', 'image', 3, 1, 3, 12, true),
      ...conv('b', 'a.norm', 1, 1, 12, 12, true),
      add('c', 'a.norm', 'b.norm', true),
    ],
    [...image, { op: 'concat', name: 'b', inputs: ['a.norm', 'a.norm'] } satisfies EncoderNode],
  ]) {
    expect(planPass(graphOf('other', 8, ...nodes), 8, 8)).toBeUndefined();
  }
});
