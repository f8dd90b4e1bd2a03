import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batchNormInference, batchNormTrain, install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, largestError, uniform } from './convolution-reference.js';

interface Reference {
  readonly y: Float64Array;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly dx: Float64Array;
  readonly dGamma: Float64Array;
  readonly dBeta: Float64Array;
}

/** Ioffe & Szegedy 2015, algorithm 1 and section 3, one channel after the other. */
function reference(
  x: Float32Array,
  gamma: Float32Array,
  beta: Float32Array,
  dy: Float32Array,
  epsilon: number,
  relu: boolean,
): Reference {
  const channels = gamma.length;
  const rows = x.length / channels;
  const [y, dx] = [new Float64Array(x.length), new Float64Array(x.length)];
  const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
  const [dGamma, dBeta] = [new Float64Array(channels), new Float64Array(channels)];
  for (let c = 0; c < channels; c++) {
    const column = Array.from({ length: rows }, (_, r) => x[r * channels + c]!);
    mean[c] = column.reduce((sum, v) => sum + v, 0) / rows;
    variance[c] = column.reduce((sum, v) => sum + (v - mean[c]!) ** 2, 0) / rows;
    const deviation = Math.sqrt(variance[c]! + epsilon);
    const hat = column.map((v) => (v - mean[c]!) / deviation);
    const out = hat.map((v) => gamma[c]! * v + beta[c]!);
    const g = out.map((v, r) => (relu && v <= 0 ? 0 : dy[r * channels + c]!));
    dBeta[c] = g.reduce((sum, v) => sum + v, 0);
    dGamma[c] = g.reduce((sum, v, r) => sum + v * hat[r]!, 0);
    for (let r = 0; r < rows; r++) {
      y[r * channels + c] = relu ? Math.max(0, out[r]!) : out[r]!;
      dx[r * channels + c] = (gamma[c]! / deviation) * (g[r]! - dBeta[c]! / rows - (hat[r]! * dGamma[c]!) / rows);
    }
  }
  return { y, mean, variance, dx, dGamma, dBeta };
}

function train(
  shape: number[],
  data: readonly Float32Array[],
  epsilon: number,
  relu: boolean,
): Record<keyof Reference, Float32Array> {
  return tf.tidy(() => {
    const [x, gamma, beta, dy] = data as [Float32Array, Float32Array, Float32Array, Float32Array];
    const inputs = [tf.tensor(x, shape), tf.tensor1d(gamma), tf.tensor1d(beta)];
    const forward = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Tensor =>
      batchNormTrain(tf, a, b, c, { epsilon, relu }).y;
    const [dx, dGamma, dBeta] = tf.grads(forward)(inputs, tf.tensor(dy, shape)) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const { y, mean, variance } = batchNormTrain(tf, inputs[0]!, inputs[1]!, inputs[2]!, { epsilon, relu });
    expect(y.shape).toEqual(shape);
    const floats = (t: tf.Tensor): Float32Array => t.dataSync<'float32'>();
    return {
      y: floats(y),
      mean: floats(mean),
      variance: floats(variance),
      dx: floats(dx),
      dGamma: floats(dGamma),
      dBeta: floats(dBeta),
    };
  });
}

const SHAPES = [
  [1, 1],
  [3, 5],
  [64, 8],
  [2, 3, 5, 4],
  [7, 4, 4, 17],
  [2, 1, 1, 33],
  [40, 8, 8, 3],
  [8, 16, 16, 64],
];

describe.each(TESTED_TIERS)('batch norm of training, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  for (const relu of [false, true]) {
    test.each(SHAPES.map((shape) => ({ shape })))(
      `agrees with float64 at $shape${relu ? ' with ReLU' : ''}`,
      ({ shape }) => {
        const channels = shape.at(-1)!;
        const rows = shape.reduce((a, b) => a * b, 1) / channels;
        const x = uniform(rows * channels, 1).map((v) => 2 * v + 0.5);
        const gamma = uniform(channels, 2).map((v) => 1 + 0.5 * v);
        const beta = uniform(channels, 3);
        const dy = uniform(rows * channels, 4);
        const expected = reference(x, gamma, beta, dy, 1e-3, relu);
        // An output within rounding of zero may be on either side of the ReLU: those shapes' data has none.
        if (relu) expect(expected.y.filter((v) => v > 0 && v < 1e-6).length).toBe(0);
        const found = train(shape, [x, gamma, beta, dy], 1e-3, relu);
        const sum = Math.sqrt(rows);
        // Division by a small deviation magnifies what was lost before.
        const scale = 1 / Math.sqrt(Math.min(...expected.variance) + 1e-3);
        expect(largestError(found.mean, expected.mean)).toBeLessThan(16 * EPS);
        expect(largestError(found.variance, expected.variance)).toBeLessThan(32 * EPS);
        expect(largestError(found.y, expected.y)).toBeLessThan(32 * scale * EPS);
        expect(largestError(found.dBeta, expected.dBeta)).toBeLessThan(8 * sum * EPS);
        expect(largestError(found.dGamma, expected.dGamma)).toBeLessThan(16 * sum * scale * EPS);
        expect(largestError(found.dx, expected.dx)).toBeLessThan(32 * scale * scale * EPS);
      },
    );
  }

  test('keeps its accuracy when the mean is a thousand deviations away', () => {
    const [rows, channels] = [4096, 4];
    const x = uniform(rows * channels, 5).map((v) => 1000 + v);
    const ones = new Float32Array(channels).fill(1);
    const zeros = new Float32Array(channels);
    const expected = reference(x, ones, zeros, x, 1e-5, false);
    const { variance } = tf.tidy(() => {
      const normed = batchNormTrain(tf, tf.tensor(x, [rows, channels]), tf.tensor1d(ones), tf.tensor1d(zeros));
      return { variance: normed.variance.dataSync<'float32'>() };
    });
    expect(largestError(variance, expected.variance)).toBeLessThan(1e-5);
  });
});

test('refuses parameters that do not fit, empty rows, and a backend without the kernels', async () => {
  await tf.setBackend('wasm');
  uninstall(tf);
  const x = tf.zeros([2, 3]);
  const [three, four] = [tf.ones([3]), tf.ones([4])];
  expect(() => batchNormTrain(tf, x, three, three)).toThrow(expect.objectContaining({ code: 'NM_TFJS_BACKEND' }));
  await install(tf);
  expect(() => batchNormTrain(tf, x, three, four)).toThrow(expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }));
  expect(() => batchNormTrain(tf, tf.zeros([0, 3]), three, three)).toThrow(
    expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }),
  );
  uninstall(tf);
});

test('inference with the batch statistics gives what training gives', async () => {
  await tf.setBackend('wasm');
  await install(tf);
  tf.tidy(() => {
    const x = tf.tensor(uniform(96, 1), [6, 4, 4]);
    const [gamma, beta] = [tf.tensor1d(uniform(4, 2)), tf.tensor1d(uniform(4, 3))];
    const { y, mean, variance } = batchNormTrain(tf, x, gamma, beta, { relu: true });
    const inferred = batchNormInference(tf, x, gamma, beta, { mean, variance }, { relu: true });
    expect(largestError(inferred.dataSync(), y.dataSync())).toBeLessThan(64 * EPS);
  });
  uninstall(tf);
});
