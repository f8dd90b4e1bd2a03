import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, eachProduct, largestError, outputSizes, type Sizes, uniform } from './convolution-reference.js';

const base: Sizes = {
  batch: 1,
  height: 7,
  width: 9,
  channels: 5,
  filter: [2, 2],
  out: 5,
  stride: [2, 2],
  dilation: 1,
  pad: 'same',
};

/** As 1, which tfjs takes for square windows only: it finds the width of the output from the window's height. */
const ONE_AROUND = [
  [1, 1],
  [1, 1],
] as const;

const CASES: readonly Sizes[] = [
  ...[1, 2, 3].flatMap((stride) =>
    (['same', 'valid', ONE_AROUND] as const).flatMap((pad) =>
      (
        [
          [2, 2],
          [3, 3],
          [3, 2],
        ] as const
      ).map((filter) => ({ ...base, stride: [stride, stride] as const, pad, filter })),
    ),
  ),
  ...[1, 3, 8, 17, 64].map((channels) => ({ ...base, batch: 2, channels, out: channels })),
  {
    ...base,
    batch: 7,
    filter: [3, 3],
    pad: [
      [0, 2],
      [2, 1],
    ],
  },
  { ...base, stride: [1, 3], filter: [1, 4] },
  { ...base, height: 1, width: 1 },
  { ...base, filter: [7, 9], stride: [1, 1], pad: 'valid' },
  { ...base, batch: 0 },
];

const label = (s: Sizes): string =>
  `${s.batch}x${s.height}x${s.width}x${s.channels}, ${s.filter.join('x')}, stride ${s.stride}, pad ${JSON.stringify(s.pad)}`;

interface Data {
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly xShape: [number, number, number, number];
  readonly yShape: [number, number, number, number];
}

function dataOf(s: Sizes): Data {
  const { rows, columns } = outputSizes(s);
  const xShape: Data['xShape'] = [s.batch, s.height, s.width, s.channels];
  const yShape: Data['yShape'] = [s.batch, rows.outputs, columns.outputs, s.channels];
  const length = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  // Few values, so that windows have equal ones.
  const x = uniform(length(xShape), 1).map((value) => Math.round(4 * value) / 4);
  return { x, dy: uniform(length(yShape), 2), xShape, yShape };
}

/** Both gradients in float64: of max pooling to the first largest, of average pooling over the whole window. */
function reference(s: Sizes, { x, dy }: Data): { max: Float64Array; average: Float64Array } {
  const [max, average] = [new Float64Array(x.length), new Float64Array(x.length)];
  const best = new Int32Array(dy.length).fill(-1);
  eachProduct(s, true, (from, _, to) => {
    if (best[to] === -1 || x[from]! > x[best[to]!]!) best[to] = from;
    average[from]! += dy[to]! / (s.filter[0] * s.filter[1]);
  });
  dy.forEach((value, to) => {
    if (best[to] !== -1) max[best[to]!]! += value;
  });
  return { max, average };
}

function gradients(s: Sizes, { x, dy, xShape, yShape }: Data): { max: Float32Array; average: Float32Array } {
  const pad = typeof s.pad === 'object' ? ([[0, 0], [...s.pad[0]], [...s.pad[1]], [0, 0]] as const) : s.pad;
  const attrs = { filterSize: [...s.filter], strides: [...s.stride], pad: pad as 'same' };
  return tf.tidy(() => {
    const inputs = { input: tf.tensor4d(x, xShape), dy: tf.tensor4d(dy, yShape) };
    const run = (kernel: string, more: tf.NamedTensorMap): Float32Array =>
      (tf.engine().runKernel(kernel, { ...inputs, ...more }, attrs) as tf.Tensor).dataSync<'float32'>();
    return { max: run('MaxPoolGrad', { output: inputs.dy }), average: run('AvgPoolGrad', {}) };
  });
}

describe.each(TESTED_TIERS)('gradients of pooling, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  test.each(CASES.map((s) => [label(s), s] as const))('agree with float64: %s', (_, s) => {
    const data = dataOf(s);
    const found = gradients(s, data);
    const expected = reference(s, data);
    // As many windows as fit over an element add up to it.
    const terms = s.filter[0] * s.filter[1];
    expect(largestError(found.max, expected.max)).toBeLessThanOrEqual(4 * EPS * terms);
    expect(largestError(found.average, expected.average)).toBeLessThanOrEqual(4 * EPS * Math.sqrt(terms));
  });

  test('pass nothing where a window holds NaN only', () => {
    const x = tf.fill([1, 2, 2, 5], Number.NaN) as tf.Tensor4D;
    const dx = tf.grad((t) => tf.maxPool(t as tf.Tensor4D, 2, 2, 'valid'))(x, tf.ones([1, 1, 1, 5]));
    expect([...dx.dataSync()]).toEqual(new Array(20).fill(0));
  });
});

test("gradients of pooling are the cpu backend's", async () => {
  const cases = CASES.filter(({ batch }) => batch > 0);
  await tf.setBackend('cpu');
  const expected = cases.map((s) => gradients(s, dataOf(s)));
  await tf.setBackend('wasm');
  await install(tf);
  cases.forEach((s, i) => {
    const found = gradients(s, dataOf(s));
    for (const pass of ['max', 'average'] as const) {
      expect(largestError(found[pass], expected[i]![pass]), label(s)).toBeLessThan(64 * EPS);
    }
  });
  uninstall(tf);
});
