import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, largestError, uniform } from './convolution-reference.js';

const kernel = (name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attrs) as tf.Tensor;

describe.each(TESTED_TIERS)('element by element, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  test.each([0, 1, 3, 4, 5, 11])('clips %i floats and keeps NaN', (length) => {
    const x = uniform(length, 1).map((value) => 4 * value);
    if (length > 1) x[1] = Number.NaN;
    if (length > 4) x[4] = Number.NaN;
    const expected = x.map((value) => Math.min(Math.max(value, -0.5), 1.5));
    expect(tf.tidy(() => tf.clipByValue(tf.tensor1d(x), -0.5, 1.5).dataSync())).toEqual(expected);
  });

  test('clips int32, exactly', () => {
    const x = [-7, 0, 3, 2 ** 31 - 1, -(2 ** 31), 16_777_217];
    const found = tf.tidy(() => tf.clipByValue(tf.tensor1d(x, 'int32'), -5, 20_000_001).dataSync());
    expect([...found]).toEqual([-5, 0, 3, 20_000_001, -5, 16_777_217]);
  });

  test('relu6 keeps NaN, of floats, and takes int32', () => {
    expect(tf.relu6(tf.tensor1d([-1, 0, 3.5, 7, Number.NaN])).dataSync()).toEqual(
      Float32Array.of(0, 0, 3.5, 6, Number.NaN),
    );
    expect([...kernel('Relu6', { x: tf.tensor1d([-1, 3, 7], 'int32') }, {}).dataSync()]).toEqual([0, 3, 6]);
  });

  test.each([
    { shape: [2, 3], alpha: [] },
    { shape: [2, 3], alpha: [1] },
    { shape: [2, 3], alpha: [3] },
    { shape: [2, 3], alpha: [1, 3] },
    { shape: [2, 3], alpha: [2, 1] },
    { shape: [2, 3], alpha: [2, 3] },
    { shape: [3, 3], alpha: [3, 1] },
    { shape: [2, 4, 3, 2], alpha: [1, 1, 2] },
    { shape: [2, 4, 3, 2], alpha: [4, 1, 1] },
    { shape: [2, 4, 3, 2], alpha: [4, 3, 2] },
    { shape: [1, 3], alpha: [2, 3] },
    { shape: [0, 3], alpha: [3] },
  ])('PReLU of $shape with weights $alpha is the cpu backend’s, and so are its gradients', async ({ shape, alpha }) => {
    const size = (of: readonly number[]): number => of.reduce((a, b) => a * b, 1);
    const run = (): Float32Array[] =>
      tf.tidy(() => {
        const [x, weights] = [tf.tensor(uniform(size(shape), 1), shape), tf.tensor(uniform(size(alpha), 2), alpha)];
        const y = tf.prelu(x, weights);
        if (size(shape) !== size(y.shape)) return [y.dataSync<'float32'>()];
        const gradients = tf.grads((a, b) => tf.prelu(a!, b!))([x, weights], tf.tensor(uniform(y.size, 3), y.shape));
        return [y, ...gradients].map((tensor) => tensor.dataSync<'float32'>());
      });
    const before = tf.memory();
    const found = run();
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    await tf.setBackend('cpu');
    const expected = run();
    await tf.setBackend('wasm');
    expected.forEach((values, i) => {
      expect(found[i]!.length).toBe(values.length);
      expect(largestError(found[i]!, values)).toBeLessThan(16 * EPS);
    });
  });

  test('PReLU of int32 is float32', () => {
    const found = tf.prelu(tf.tensor1d([2, -1, -3], 'int32'), tf.tensor1d([0.5, 0.25, 0.5]));
    expect(found.dtype).toBe('float32');
    expect([...found.dataSync()]).toEqual([2, -0.25, -1.5]);
  });

  test('refuses to clip bools', () => {
    expect(() => tf.clipByValue(tf.tensor1d([true], 'bool'), 0, 1)).toThrow(
      expect.objectContaining({ code: 'NM_TENSOR_UNSUPPORTED' }),
    );
  });

  test('casts numbers to bool as zero or not', () => {
    const floats = [0, 0.25, -3, 256, Number.NaN, -0];
    expect([...tf.cast(tf.tensor1d(floats), 'bool').dataSync()]).toEqual([0, 1, 1, 1, 1, 0]);
    expect([...tf.cast(tf.tensor1d([0, 3, 256, -1], 'int32'), 'bool').dataSync()]).toEqual([0, 1, 1, 1]);
  });

  test('casts between numbers as stock does', () => {
    expect([...tf.cast(tf.tensor1d([1.7, -1.7]), 'int32').dataSync()]).toEqual([1, -1]);
    expect([...tf.cast(tf.tensor1d([true, false], 'bool'), 'float32').dataSync()]).toEqual([1, 0]);
  });

  test.each([
    { shape: [7], axis: 0 },
    { shape: [3, 5], axis: 1 },
    { shape: [3, 5], axis: -1 },
    { shape: [4, 3, 5], axis: 1 },
    { shape: [1, 1], axis: 1 },
  ])('log softmax of $shape over axis $axis, far from 0 too, and its gradient', ({ shape, axis }) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const logits = uniform(length, 1).map((value) => 200 + 80 * value);
    const dy = uniform(length, 2);
    const place = axis < 0 ? axis + shape.length : axis;
    const inner = shape.slice(place + 1).reduce((a, b) => a * b, 1);
    const [expected, gradient] = [new Float64Array(length), new Float64Array(length)];
    for (let start = 0; start < length; start++) {
      if (Math.floor(start / inner) % shape[place]! !== 0) continue;
      const places = Array.from({ length: shape[place]! }, (_, i) => start + i * inner);
      const largest = Math.max(...places.map((p) => logits[p]!));
      const sum = places.reduce((total, p) => total + Math.exp(logits[p]! - largest), 0);
      const dySum = places.reduce((total, p) => total + dy[p]!, 0);
      for (const p of places) {
        expected[p] = logits[p]! - largest - Math.log(sum);
        gradient[p] = dy[p]! - Math.exp(expected[p]) * dySum;
      }
    }
    tf.tidy(() => {
      const x = tf.tensor(logits, shape);
      expect(largestError(kernel('LogSoftmax', { logits: x }, { axis }).dataSync(), expected)).toBeLessThan(320 * EPS);
      const found = tf.grad((t) => kernel('LogSoftmax', { logits: t }, { axis }))(x, tf.tensor(dy, shape));
      expect(largestError(found.dataSync(), gradient)).toBeLessThan(320 * EPS);
    });
  });

  test.each([
    { from: [], to: [2, 3] },
    { from: [3], to: [2, 3] },
    { from: [2, 1], to: [2, 3] },
    { from: [2, 1, 3], to: [4, 2, 5, 3] },
    { from: [2, 3], to: [2, 3] },
    { from: [1], to: [0] },
  ])('broadcasts $from to $to as adding zeros does', ({ from, to }) => {
    const before = tf.memory();
    tf.tidy(() => {
      const values = uniform(
        from.reduce((a, b) => a * b, 1),
        1,
      );
      const x = tf.tensor(values, from);
      const found = kernel('BroadcastTo', { x }, { shape: to, inputShape: from });
      const expected = tf.add(x, tf.zeros(to));
      expect(found.shape).toEqual(to);
      expect(found.dataSync()).toEqual(expected.dataSync());
    });
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });

  test.each([
    { from: [2], to: [3] },
    { from: [2, 3], to: [3] },
    { from: [2, 1], to: [3, 4] },
  ])('refuses to broadcast $from to $to', ({ from, to }) => {
    expect(() => kernel('BroadcastTo', { x: tf.ones(from) }, { shape: to, inputShape: from })).toThrow(
      expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }),
    );
  });
});

test('leaves stock kernels working on a backend that started while ours stood in their place', async () => {
  await tf.setBackend('wasm');
  await install(tf);
  tf.engine().reset();
  await tf.setBackend('wasm');
  await install(tf);
  expect([...tf.clipByValue(tf.tensor1d([-2, 2]), -1, 1).dataSync()]).toEqual([-1, 1]);
  uninstall(tf);
  expect([...tf.clipByValue(tf.tensor1d([-2, 2]), -1, 1).dataSync()]).toEqual([-1, 1]);
  const product = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([1, 0, 0, 2], [2, 2]));
  expect([...product.dataSync()]).toEqual([1, 4, 3, 8]);
});
