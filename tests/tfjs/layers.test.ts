import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { largestError, uniform } from './convolution-reference.js';

type Image = tf.Tensor4D;
type Layer = readonly [string, readonly number[][], (...inputs: tf.Tensor[]) => tf.Tensor];

const ids = (): tf.Tensor1D => tf.tensor1d([3, 0, 3, 1], 'int32');
const labels = (): tf.Tensor2D => tf.oneHot(tf.tensor1d([1, 0, 4], 'int32'), 5) as tf.Tensor2D;
const ROWS = [3, 5];
const IMAGE = [2, 6, 5, 3];
const of = (name: string, run: (x: tf.Tensor) => tf.Tensor, shape = ROWS): Layer => [name, [shape], (x) => run(x!)];
const ofImage = (name: string, run: (x: Image) => tf.Tensor, shape = IMAGE): Layer => [
  name,
  [shape],
  (x) => run(x as Image),
];
// The cpu backend's gradient of resizeBilinear has height and width swapped, that of resizeNearestNeighbor is wrong.
const SQUARE = [2, 6, 6, 3];
const ofTwo = (name: string, run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, b: number[]): Layer => [
  `${name} with [${b}]`,
  [ROWS, b],
  (x, y) => run(x!, y!),
];
/** Between 1 and 3, of inputs in (-1, 1). */
const positive = (x: tf.Tensor): tf.Tensor => tf.add(x, 2);

/** What layers, losses and cells are made of: inputs in (-1, 1) of these shapes, all differentiable. */
const LAYERS: readonly Layer[] = [
  ['embedding', [[5, 4]], (table) => tf.gather(table!, ids())],
  ['gather along axis 1', [[3, 5, 2]], (x) => tf.gather(x!, ids(), 1)],
  [
    'conv1d',
    [
      [2, 7, 3],
      [3, 3, 4],
    ],
    (x, f) => tf.conv1d(x as tf.Tensor3D, f as tf.Tensor3D, 2, 'same'),
  ],
  [
    'conv2dTranspose',
    [
      [2, 3, 3, 4],
      [3, 3, 2, 4],
    ],
    (x, f) => tf.conv2dTranspose(x as Image, f as Image, [2, 6, 6, 2], 2, 'same'),
  ],
  [
    'separableConv2d',
    [IMAGE, [3, 3, 3, 2], [1, 1, 6, 4]],
    (x, d, p) => tf.separableConv2d(x as Image, d as Image, p as Image, 1, 'same'),
  ],
  [
    'conv2d NCHW',
    [
      [2, 3, 6, 5],
      [3, 3, 3, 4],
    ],
    (x, f) => tf.conv2d(x as Image, f as Image, 1, 1, 'NCHW'),
  ],
  ofImage('maxPool', (x) => tf.maxPool(x, 3, 2, 'same')),
  ofImage('avgPool', (x) => tf.avgPool(x, 3, 2, 'same')),
  ofImage('resizeBilinear', (x) => tf.image.resizeBilinear(x, [9, 7]), SQUARE),
  ofImage('localResponseNormalization', (x) => tf.localResponseNormalization(x, 2)),
  ofImage('mirrorPad', (x) =>
    tf.mirrorPad(
      x,
      [
        [0, 0],
        [2, 1],
        [1, 2],
        [0, 0],
      ],
      'reflect',
    ),
  ),
  ofImage('global average', (x) => tf.mean(x, [1, 2])),
  ofImage('global max', (x) => tf.max(x, [1, 2])),
  ofImage('depthToSpace and back', (x) =>
    tf.spaceToBatchND(
      x,
      [2, 1],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  ),
  [
    'batchNorm',
    [IMAGE, [3], [3], [3], [3]],
    (x, m, v, b, s) =>
      tf.batchNorm(x as Image, m as tf.Tensor1D, positive(v!) as tf.Tensor1D, b as tf.Tensor1D, s as tf.Tensor1D),
  ],
  [
    'batchNorm of its own statistics',
    [IMAGE, [3], [3]],
    (x, b, s) => {
      const { mean, variance } = tf.moments(x!, [0, 1, 2]);
      return tf.batchNorm(
        x as Image,
        mean as tf.Tensor1D,
        variance as tf.Tensor1D,
        b as tf.Tensor1D,
        s as tf.Tensor1D,
        1e-2,
      );
    },
  ],
  [
    'layer norm',
    [ROWS, [5], [5]],
    (x, g, b) => {
      const { mean, variance } = tf.moments(x!, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(x!, mean), tf.rsqrt(tf.add(variance, 1e-2))), g!), b!);
    },
  ],
  ...(
    [
      'relu',
      'relu6',
      'elu',
      'selu',
      'sigmoid',
      'tanh',
      'softplus',
      'exp',
      'expm1',
      'erf',
      'square',
      'abs',
      'sin',
      'softmax',
      'logSoftmax',
      'logSigmoid',
    ] as const
  ).map((name) => of(name, (x) => tf[name](x))),
  ...(['log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal'] as const).map((name) => of(name, (x) => tf[name](positive(x)))),
  of('leakyRelu', (x) => tf.leakyRelu(x, 0.1)),
  of('gelu', (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1))),
  of('swish', (x) => tf.mul(x, tf.sigmoid(x))),
  of('clipByValue', (x) => tf.clipByValue(x, -0.5, 0.4)),
  of('dropout', (x) => tf.dropout(x, 0.5, undefined, 7)),
  of('cumsum', (x) => tf.cumsum(x, 0)),
  of('prod', (x) => tf.prod(positive(x), 1)),
  of('logSumExp', (x) => tf.logSumExp(x, 0)),
  of('norm', (x) => tf.norm(x, 2, 1)),
  of('max over all', (x) => tf.max(x)),
  of('min of columns', (x) => tf.min(x, 0)),
  of('where', (x) => tf.where(tf.tensor2d([1, 0, 1], [3, 1], 'bool'), x, tf.mul(x, 2))),
  of('tile', (x) => tf.tile(x, [2, 3])),
  of('broadcastTo', (x) => tf.broadcastTo(x, [2, 3, 4, 5]), [3, 1, 5]),
  of('concat, split and stack', (x) => tf.stack(tf.split(tf.concat([x, x], 0), 2, 0))),
  of('reverse and slice', (x) => tf.slice(tf.reverse(x, 1), [0, 1], [2, 3])),
  of('transpose', (x) => tf.transpose(x)),
  ...[[5], [3, 1], [1], [3, 5]].flatMap((shape) => [
    ofTwo('maximum', tf.maximum, shape),
    ofTwo('minimum', tf.minimum, shape),
    ofTwo('squaredDifference', tf.squaredDifference, shape),
    ofTwo('div', (a, b) => tf.div(a, positive(b)), shape),
    ofTwo('pow', (a, b) => tf.pow(positive(a), b), shape),
    ofTwo('prelu', tf.prelu, shape),
  ]),
  of('softmaxCrossEntropy', (x) => tf.losses.softmaxCrossEntropy(labels(), x)),
  of('sigmoidCrossEntropy', (x) => tf.losses.sigmoidCrossEntropy(labels(), x)),
  of('huberLoss', (x) => tf.losses.huberLoss(labels(), x)),
  of('hingeLoss', (x) => tf.losses.hingeLoss(labels(), x)),
  of('cosineDistance', (x) => tf.losses.cosineDistance(tf.cast(labels(), 'float32'), x, 1)),
  [
    'attention',
    [
      [2, 4, 3],
      [2, 4, 3],
      [2, 4, 3],
    ],
    (q, k, v) => tf.matMul(tf.softmax(tf.matMul(q!, k!, false, true)), v!),
  ],
  [
    'einsum',
    [
      [2, 4, 3],
      [2, 5, 3],
    ],
    (q, k) => tf.einsum('bqd,bkd->bqk', q!, k!),
  ],
  [
    'LSTM cell',
    [[1], [5, 8], [8], [3, 3], [3, 2], [3, 2]],
    (forget, kernel, bias, data, c, h) =>
      tf.concat(
        tf.basicLSTMCell(
          tf.reshape(forget!, []),
          kernel as tf.Tensor2D,
          bias as tf.Tensor1D,
          data as tf.Tensor2D,
          c as tf.Tensor2D,
          h as tf.Tensor2D,
        ),
        0,
      ),
  ],
];

const OPTIMISERS: Readonly<Record<string, () => tf.Optimizer>> = {
  sgd: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.1, 0.9, true),
  adagrad: () => tf.train.adagrad(0.1),
  adadelta: () => tf.train.adadelta(0.1),
  adam: () => tf.train.adam(0.1),
  adamax: () => tf.train.adamax(0.1),
  rmsprop: () => tf.train.rmsprop(0.1, 0.9, 0.5, 1e-7, true),
};

/** The output and the gradients of all inputs, from a dy of uniform numbers. */
function passes([, shapes, run]: Layer): Float32Array[] {
  return tf.tidy(() => {
    const inputs = shapes.map((shape, i) => tf.tensor(uniform(tf.util.sizeFromShape(shape), i + 1), shape));
    const y = run(...inputs);
    const gradients = tf.grads((...given) => run(...given))(inputs, tf.tensor(uniform(y.size, 77), y.shape));
    return [y, ...gradients].map((tensor) => tensor.dataSync<'float32'>());
  });
}

function optimised(make: () => tf.Optimizer): Float32Array {
  const x = tf.variable(tf.tensor(uniform(35, 1), [7, 5]));
  const optimiser = make();
  for (let step = 0; step < 5; step++)
    optimiser.minimize(() => tf.sum(tf.square(tf.sin(x as unknown as tf.Tensor))), false, [x]);
  const values = x.dataSync<'float32'>().slice();
  optimiser.dispose();
  x.dispose();
  return values;
}

let expected: Float32Array[][];
let expectedOptimised: Float32Array[];
beforeAll(async () => {
  // The cpu backend has our gradients of broadcasts too, as tfjs-core's own fail; einsum has none without ours.
  await tf.setBackend('wasm');
  await install(tf);
  await tf.setBackend('cpu');
  expected = LAYERS.map((layer) => passes(layer));
  expectedOptimised = Object.values(OPTIMISERS).map(optimised);
  uninstall(tf);
});

describe.each(TESTED_TIERS)('layers, losses and optimisers, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier, precise: true });
  });
  afterAll(() => uninstall(tf));

  test.each(LAYERS.map(([name], i) => [name, i] as const))("%s has the cpu backend's values and gradients", (_, i) => {
    const before = tf.memory().numDataBuffers;
    passes(LAYERS[i]!).forEach((found, k) => {
      const values = expected[i]![k]!;
      const scale = Math.max(1e-3, ...values.map(Math.abs));
      expect(largestError(found, values, scale), k === 0 ? 'output' : `gradient ${k - 1}`).toBeLessThan(1e-5);
    });
    expect(tf.memory().numDataBuffers).toBe(before);
  });

  test.each(Object.keys(OPTIMISERS).map((name, i) => [name, i] as const))(
    '%s steps as on the cpu backend',
    (name, i) => {
      expect(largestError(optimised(OPTIMISERS[name]!), expectedOptimised[i]!)).toBeLessThan(2e-5);
    },
  );
});
