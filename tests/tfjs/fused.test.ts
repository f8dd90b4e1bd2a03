import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, eachProduct, largestError, type Sizes, uniform } from './convolution-reference.js';

type Activation = 'linear' | 'relu' | 'relu6' | 'elu' | 'sigmoid' | 'leakyrelu' | 'prelu';

const SLOPE = 0.3;
/** Each activation in float64; `weight` is PReLU's. */
const ACTIVATIONS: Readonly<Record<Activation, (x: number, weight: number) => number>> = {
  linear: (x) => x,
  relu: (x) => Math.max(x, 0),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  elu: (x) => (x >= 0 ? x : Math.expm1(x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  leakyrelu: (x) => (x >= 0 ? x : SLOPE * x),
  prelu: (x, weight) => (x >= 0 ? x : weight * x),
};
const NAMES = Object.keys(ACTIVATIONS) as Activation[];

const CONVOLUTION: Sizes = {
  batch: 2,
  height: 6,
  width: 5,
  channels: 4,
  filter: [3, 3],
  out: 4,
  stride: [1, 1],
  dilation: 1,
  pad: 'same',
};
const OUT: [number, number, number, number] = [2, 6, 5, 4];
const length = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The element of `values` [shape] that stands at a place of [to] after broadcasting. */
function broadcast(values: Float32Array, shape: readonly number[], to: readonly number[], place: number): number {
  let [rest, index, stride] = [place, 0, 1];
  for (let axis = 1; axis <= to.length; axis++) {
    const size = to[to.length - axis]!;
    const own = shape[shape.length - axis] ?? 1;
    if (own > 1) index += (rest % size) * stride;
    stride *= own;
    rest = Math.floor(rest / size);
  }
  return values[index]!;
}

const BIASES = [[], [1], [4], [1, 1, 1, 4], [6, 5, 1], [2, 6, 5, 4]];

describe.each(TESTED_TIERS)('fused kernels, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    // Winograd's error is tested with the plain convolution.
    await install(tf, { tier, precise: true });
  });
  afterAll(() => uninstall(tf));

  for (const depthwise of [false, true]) {
    for (const biasShape of BIASES) {
      test.each(NAMES)(`${depthwise ? 'depthwise ' : ''}convolution, bias [${biasShape}], %s`, (activation) => {
        const filterShape: [number, number, number, number] = depthwise ? [3, 3, 4, 1] : [3, 3, 4, 4];
        const [x, filter] = [uniform(length(OUT), 1), uniform(length(filterShape), 2)];
        const [bias, weights] = [uniform(length(biasShape), 3), uniform(4, 4)];
        const expected = new Float64Array(length(OUT));
        eachProduct(CONVOLUTION, depthwise, (from, tap, to) => {
          expected[to]! += x[from]! * filter[tap]!;
        });
        expected.forEach((sum, place) => {
          const biased = sum + broadcast(bias, biasShape, OUT, place);
          expected[place] = ACTIVATIONS[activation](biased, weights[place % 4]!);
        });
        const before = tf.memory();
        tf.tidy(() => {
          const run = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
          const found = run({
            x: tf.tensor(x, OUT) as tf.Tensor4D,
            filter: tf.tensor(filter, filterShape) as tf.Tensor4D,
            strides: 1,
            pad: 'same',
            bias: tf.tensor(bias, biasShape),
            activation,
            preluActivationWeights: tf.tensor(weights),
            leakyreluAlpha: SLOPE,
          });
          expect(largestError(found.dataSync(), expected)).toBeLessThan(24 * EPS * Math.sqrt(9 * 4));
        });
        expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
      });
    }
  }

  for (const biasShape of [[], [7], [1, 7], [5, 7], [5, 1], [2, 5, 7]]) {
    test.each(NAMES)(`matrix product, bias [${biasShape}], %s`, (activation) => {
      const [a, b] = [uniform(2 * 5 * 9, 1), uniform(2 * 9 * 7, 2)];
      const [bias, weights] = [uniform(length(biasShape), 3), uniform(7, 4)];
      const expected = new Float64Array(2 * 5 * 7).map((_, place) => {
        const [n, row, column] = [Math.floor(place / 35), Math.floor(place / 7) % 5, place % 7];
        let sum = broadcast(bias, biasShape, [2, 5, 7], place);
        for (let k = 0; k < 9; k++) sum += a[(n * 5 + row) * 9 + k]! * b[(n * 9 + k) * 7 + column]!;
        return ACTIVATIONS[activation](sum, weights[column]!);
      });
      tf.tidy(() => {
        const found = tf.fused.matMul({
          a: tf.tensor(a, [2, 5, 9]),
          b: tf.tensor(b, [2, 9, 7]),
          bias: tf.tensor(bias, biasShape),
          activation,
          preluActivationWeights: tf.tensor(weights),
          leakyreluAlpha: SLOPE,
        });
        expect(largestError(found.dataSync(), expected)).toBeLessThan(24 * EPS * Math.sqrt(9));
      });
    });
  }

  test('refuses an activation that it does not know', () => {
    const inputs = { a: tf.ones([1, 1, 1]), b: tf.ones([1, 1, 1]) };
    expect(() => tf.engine().runKernel('_FusedMatMul', inputs, { activation: 'swish' })).toThrow(
      expect.objectContaining({ code: 'NM_TENSOR_UNSUPPORTED' }),
    );
  });

  test('leaves nothing behind where a part of it throws', () => {
    const inputs = { x: tf.ones([1, 4, 4, 2]), filter: tf.ones([3, 3, 2, 3]), bias: tf.ones([5]) };
    const backend = tf.backend();
    const before = backend.numDataIds();
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NHWC', dilations: 1, activation: 'relu' };
    expect(() => tf.engine().runKernel('FusedConv2D', inputs, attrs)).toThrow('broadcast');
    expect(backend.numDataIds()).toBe(before);
  });

  test.each([
    { stride: 1, pad: 'same' as const },
    { stride: 2, pad: 'valid' as const },
    {
      stride: 1,
      pad: [
        [0, 0],
        [0, 0],
        [1, 0],
        [2, 1],
      ] as [[number, number], [number, number], [number, number], [number, number]],
    },
  ])('NCHW is NHWC of the transposed picture to the bit, in all three passes (stride $stride, pad $pad)', (options) => {
    const { stride, pad } = options;
    const lastPad = Array.isArray(pad) ? ([pad[0], pad[2], pad[3], pad[1]] as typeof pad) : pad;
    tf.tidy(() => {
      const x = tf.tensor(uniform(2 * 7 * 6 * 3, 1), [2, 7, 6, 3]) as tf.Tensor4D;
      const filter = tf.tensor(uniform(9 * 3 * 5, 2), [3, 3, 3, 5]) as tf.Tensor4D;
      const bias = tf.tensor1d(uniform(5, 3));
      const first = <T extends tf.Tensor>(t: T): T => tf.transpose(t, [0, 3, 1, 2]);
      const last = (p: tf.Tensor, f: tf.Tensor): tf.Tensor =>
        tf.conv2d(p as tf.Tensor4D, f as tf.Tensor4D, stride, lastPad, 'NHWC');
      const firsts = (p: tf.Tensor, f: tf.Tensor): tf.Tensor =>
        tf.conv2d(p as tf.Tensor4D, f as tf.Tensor4D, stride, pad, 'NCHW');
      const y = last(x, filter);
      expect(firsts(first(x), filter).dataSync()).toEqual(first(y).dataSync());
      const dy = tf.tensor(uniform(y.size, 4), y.shape);
      const [dx, dFilter] = tf.grads(last)([x, filter], dy);
      const [dxFirst, dFilterFirst] = tf.grads(firsts)([first(x), filter], first(dy));
      expect(dxFirst!.dataSync()).toEqual(first(dx!).dataSync());
      expect(dFilterFirst!.dataSync()).toEqual(dFilter!.dataSync());
      const fused = { filter, strides: stride, bias, activation: 'relu' as const };
      const fusedLast = tf.fused.conv2d({ ...fused, x, pad: lastPad });
      const fusedFirst = tf.fused.conv2d({ ...fused, x: first(x), pad, dataFormat: 'NCHW' });
      expect(fusedFirst.dataSync()).toEqual(first(fusedLast).dataSync());
    });
  });
});

test('a gradient larger than the output is cropped, as on other backends, and a smaller one refused', async () => {
  await tf.setBackend('wasm');
  await install(tf, { precise: true });
  tf.tidy(() => {
    const filter = tf.tensor(uniform(9 * 2 * 3, 1), [3, 3, 2, 3]) as tf.Tensor4D;
    const dy = tf.tensor(uniform(6 * 7 * 3, 2), [1, 6, 7, 3]) as tf.Tensor4D;
    const cropped = tf.slice(dy, [0, 0, 0, 0], [1, 4, 5, 3]);
    const run = (given: tf.Tensor4D): Float32Array =>
      tf.conv2dTranspose(given, filter, [1, 4, 5, 2], 1, 'same').dataSync<'float32'>();
    expect(run(dy)).toEqual(run(cropped));
    const mismatch = expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' });
    expect(() => tf.conv2dTranspose(dy, filter, [1, 8, 8, 2], 1, 'same')).toThrow(mismatch);
    const attrs = { strides: 1, pad: 'same', dataFormat: 'NHWC', dilations: 1 };
    for (const name of ['Conv2DBackpropFilter', 'DepthwiseConv2dNativeBackpropFilter']) {
      const inputs = { x: tf.ones([1, 8, 8, 3]), dy };
      const filterShape = name.startsWith('Conv') ? [3, 3, 3, 3] : [3, 3, 3, 1];
      expect(() => tf.engine().runKernel(name, inputs, { ...attrs, filterShape })).toThrow(mismatch);
    }
    const inputs = { filter: tf.ones([3, 3, 3, 1]), dy };
    const depthwise = { ...attrs, inputShape: [1, 8, 8, 3] };
    expect(() => tf.engine().runKernel('DepthwiseConv2dNativeBackpropInput', inputs, depthwise)).toThrow(mismatch);
  });
  uninstall(tf);
});
