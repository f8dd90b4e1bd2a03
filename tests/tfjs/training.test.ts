import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adam } from '../../src/kernels/index.js';
import { addRelu, addressOf, batchNormTrain, install, tfjsHeap, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { largestError, uniform } from './convolution-reference.js';

type Join = (a: tf.Tensor4D, b: tf.Tensor4D) => tf.Tensor4D;

const plainJoin: Join = (a, b) => tf.relu(tf.add(a, b)) as tf.Tensor4D;
const fusedJoin: Join = (a, b) => addRelu(tf, a, b);

type Norm = (x: tf.Tensor4D, gamma: tf.Tensor, beta: tf.Tensor, relu: boolean) => tf.Tensor4D;

/** Batch norm of plain tfjs ops, whose gradient is tfjs's own. */
const plainNorm: Norm = (x, gamma, beta, relu) => {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  const y = tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-3))), gamma), beta) as tf.Tensor4D;
  return relu ? tf.relu(y) : y;
};

const fusedNorm: Norm = (x, gamma, beta, relu) => batchNormTrain(tf, x, gamma, beta, { epsilon: 1e-3, relu }).y;

const SHAPES: Readonly<Record<string, number[]>> = {
  conv1: [3, 3, 16, 16],
  conv2: [3, 3, 16, 24],
  depthwise: [3, 3, 24, 1],
  shortcut: [1, 1, 16, 24],
  gamma1: [16],
  beta1: [16],
  gamma2: [24],
  beta2: [24],
  dense: [24, 5],
  bias: [5],
};

const initial = (name: string, index: number): tf.Tensor => {
  const shape = SHAPES[name]!;
  const values = uniform(
    shape.reduce((a, b) => a * b, 1),
    index + 1,
  );
  const fan = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return tf.tensor(
    name.startsWith('gamma') ? values.map((v) => 1 + v / 4) : values.map((v) => v / Math.sqrt(fan)),
    shape,
  );
};

/** A residual block with a strided short cut, a depthwise convolution, pooling, rows picked out, a dense layer. */
function loss(v: Record<string, tf.Variable>, x: tf.Tensor4D, picked: tf.Tensor1D, norm: Norm, join: Join): tf.Scalar {
  const conv = (input: tf.Tensor4D, name: string, stride: number, pad: number): tf.Tensor4D =>
    tf.conv2d(input, v[name] as unknown as tf.Tensor4D, stride, pad);
  const first = norm(conv(x, 'conv1', 1, 1), v['gamma1']!, v['beta1']!, true);
  const second = norm(conv(first, 'conv2', 2, 1), v['gamma2']!, v['beta2']!, false);
  const joined = join(second, conv(x, 'shortcut', 2, 0));
  const deep = tf.depthwiseConv2d(joined, v['depthwise'] as unknown as tf.Tensor4D, 1, 1);
  const rows = tf.gather(tf.mean(deep, [1, 2]), picked) as tf.Tensor2D;
  const z = tf.add(tf.matMul(rows, v['dense'] as unknown as tf.Tensor2D), v['bias']!);
  const unit = tf.div(z, tf.sqrt(tf.add(tf.sum(tf.square(z), 1, true), 1e-6)));
  return tf.sum(tf.mul(unit, tf.range(0, 5))) as tf.Scalar;
}

function gradients(norm: Norm, join: Join): Record<string, Float32Array> {
  return tf.tidy(() => {
    const v: Record<string, tf.Variable> = {};
    Object.keys(SHAPES).forEach((name, i) => {
      v[name] = tf.variable(initial(name, i), true, `${tf.getBackend()}-${name}-${Math.random()}`);
    });
    const x = tf.tensor4d(uniform(4 * 8 * 8 * 16, 99), [4, 8, 8, 16]);
    const picked = tf.tensor1d([3, 0, 3, 1], 'int32');
    const { value, grads } = tf.variableGrads(() => loss(v, x, picked, norm, join), Object.values(v));
    const found: Record<string, Float32Array> = { loss: value.dataSync<'float32'>() };
    for (const name of Object.keys(SHAPES)) found[name] = grads[v[name]!.name]!.dataSync<'float32'>();
    for (const variable of Object.values(v)) variable.dispose();
    return found;
  });
}

describe.each(TESTED_TIERS)('a residual block, %s SIMD', (tier) => {
  let expected: Record<string, Float32Array>;
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
    await tf.setBackend('cpu');
    expected = gradients(plainNorm, plainJoin);
    await tf.setBackend('wasm');
  });
  afterAll(() => uninstall(tf));

  test.each([
    { precise: true, within: 2e-5 },
    { precise: false, within: 2e-4 },
  ])("has the cpu backend's loss and gradients within $within (precise: $precise)", async ({ precise, within }) => {
    await install(tf, { tier, precise });
    const found = gradients(fusedNorm, fusedJoin);
    for (const [name, values] of Object.entries(expected)) {
      const scale = Math.max(...values.map(Math.abs));
      expect(largestError(found[name]!, values, scale), name).toBeLessThan(within);
    }
  });
});

test.each(TESTED_TIERS)(
  'a join adds, rectifies and passes its gradient to both sides, also to itself, %s SIMD',
  async (tier) => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
    for (const length of [0, 1, 3, 4, 5, 11]) {
      const [a, b, dy] = [uniform(length, 1), uniform(length, 2), uniform(length, 3)];
      tf.tidy(() => {
        const inputs = [tf.tensor1d(a), tf.tensor1d(b)];
        const y = addRelu(tf, inputs[0]!, inputs[1]!);
        const expected = a.map((value, i) => Math.max(0, value + b[i]!));
        expect(y.dataSync()).toEqual(expected);
        const mask = dy.map((value, i) => (expected[i]! > 0 ? value : 0));
        const [da, db] = tf.grads((p, q) => addRelu(tf, p!, q!))(inputs, tf.tensor1d(dy));
        expect(da!.dataSync()).toEqual(mask);
        expect(db!.dataSync()).toEqual(mask);
        const twice = tf.grad((p) => addRelu(tf, p, p))(inputs[0]!, tf.tensor1d(dy));
        expect(twice.dataSync()).toEqual(dy.map((value, i) => (a[i]! > 0 ? 2 * value : 0)));
      });
    }
    uninstall(tf);
  },
);

test('a join refuses unequal shapes and a backend without the kernel', async () => {
  await tf.setBackend('wasm');
  expect(() => addRelu(tf, tf.ones([2]), tf.ones([2]))).toThrow(expect.objectContaining({ code: 'NM_TFJS_BACKEND' }));
  await install(tf);
  expect(() => addRelu(tf, tf.ones([2]), tf.ones([3]))).toThrow(expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }));
  uninstall(tf);
});

test('memory stays flat over 1,000 training steps', async () => {
  await tf.setBackend('wasm');
  await install(tf);
  const heap = tfjsHeap(tf);
  const filter = tf.variable(tf.tensor(uniform(9 * 16 * 16, 1), [3, 3, 16, 16]) as tf.Tensor4D);
  const depthwise = tf.variable(tf.tensor(uniform(9 * 16, 2), [3, 3, 16, 1]) as tf.Tensor4D);
  const [gamma, beta] = [tf.variable(tf.ones([16])), tf.variable(tf.zeros([16]))];
  const x = tf.tensor(uniform(2 * 8 * 8 * 16, 3), [2, 8, 8, 16]) as tf.Tensor4D;
  const [m, v] = [tf.zeros(filter.shape), tf.zeros(filter.shape)];
  const kernels = await install(tf);
  const variables = [filter, depthwise, gamma, beta] as unknown as tf.Variable[];
  const step = (t: number): void => {
    const { value, grads } = tf.variableGrads(() => {
      const y = batchNormTrain(tf, tf.conv2d(x, filter, 1, 1), gamma, beta, { relu: true }).y;
      const strided = tf.conv2d(addRelu(tf, tf.depthwiseConv2d(y, depthwise, 1, 1), x), filter, 2, 1);
      return tf.mean(tf.matMul(tf.reshape(strided, [-1, 16]), tf.reshape(strided, [-1, 16]), true)) as tf.Scalar;
    }, variables);
    const [parameter, gradient] = [addressOf(tf, filter), addressOf(tf, grads[filter.name]!)];
    const addresses = { parameter, gradient, m: addressOf(tf, m), v: addressOf(tf, v), length: filter.size };
    adam(kernels, addresses, { step: t, learningRate: 1e-4 });
    value.dispose();
    for (const grad of Object.values(grads)) grad.dispose();
  };
  for (let t = 1; t <= 20; t++) step(t);
  const [before, size] = [tf.memory(), heap.memory.buffer.byteLength];
  for (let t = 21; t <= 1020; t++) step(t);
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.memory().numBytes).toBe(before.numBytes);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  expect(heap.memory.buffer.byteLength).toBe(size);
  uninstall(tf);
});
