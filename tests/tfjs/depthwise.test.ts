import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { check, dataOf, EXACT, label, passes, reference } from './convolution-conformance.js';
import type { Sizes } from './convolution-reference.js';

const base: Sizes = {
  batch: 2,
  height: 7,
  width: 9,
  channels: 5,
  filter: [3, 3],
  out: 5,
  stride: [1, 1],
  dilation: 1,
  pad: 'same',
};

// prettier-ignore
const CASES: readonly Sizes[] = [
  ...[1, 2, 3].flatMap((stride) =>
    (
      [
        'same',
        'valid',
        1,
        [
          [0, 2],
          [2, 1],
        ],
      ] as const
    ).flatMap((pad) => [
      { ...base, stride: [stride, stride] as const, pad },
      { ...base, stride: [stride, stride] as const, pad, channels: 8, out: 8, height: 8, width: 8 },
    ]),
  ),
  ...(
    [
      [1, 1],
      [2, 2],
      [5, 5],
      [1, 3],
      [4, 2],
    ] as const
  ).flatMap((filter) => [
    { ...base, filter },
    { ...base, filter, stride: [3, 3] as const, pad: 'valid' as const },
  ]),
  ...[1, 3, 8, 17, 64].flatMap((channels) =>
    [1, 2, 3].map((multiplier) => ({ ...base, height: 5, width: 6, channels, out: channels * multiplier })),
  ),
  { ...base, channels: 3, out: 6, stride: [2, 2], pad: 1 },
  { ...base, height: 1, width: 1 },
  { ...base, height: 3, width: 2 },
  { ...base, batch: 7, height: 16, width: 16, channels: 36, out: 36 },
  { ...base, batch: 0 },
];

const DILATED: readonly Sizes[] = [2, 3].flatMap((dilation) => [
  { ...base, dilation },
  { ...base, dilation, pad: 'valid' as const, channels: 8, out: 16 },
  { ...base, dilation, filter: [2, 3] as const },
]);

describe.each(TESTED_TIERS)('depthwise convolution, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  test.each([...CASES, ...DILATED].map((s) => [label(s), s] as const))('agrees with float64: %s', (_, s) => {
    const d = dataOf(s, true);
    check(s, passes(s, d, true, true), reference(s, d, true), EXACT, true, true);
  });
});

test("agrees with tfjs's cpu backend in shapes and values", async () => {
  const all = CASES.filter((s) => s.batch > 0 && s.batch < 7);
  await tf.setBackend('wasm');
  await install(tf);
  await tf.setBackend('cpu');
  const expected = all.map((s) => passes(s, dataOf(s, true), true, true));
  await tf.setBackend('wasm');
  all.forEach((s, i) => {
    const { y, dx, dFilter } = expected[i]!;
    const doubles = { y: Float64Array.from(y), dx: Float64Array.from(dx), dFilter: Float64Array.from(dFilter) };
    check(s, passes(s, dataOf(s, true), true, true), doubles, 2 * EXACT, true, true);
  });
  uninstall(tf);
});

test('refuses the gradient of a convolution that has both strides and dilations', async () => {
  await tf.setBackend('wasm');
  await install(tf);
  const attrs = { strides: [2, 2], dilations: [2, 2], pad: 'same', inputShape: [1, 5, 5, 1] };
  const inputs = { dy: tf.ones([1, 3, 3, 1]), filter: tf.ones([3, 3, 1, 1]) };
  expect(() => tf.engine().runKernel('DepthwiseConv2dNativeBackpropInput', inputs, attrs)).toThrow(
    expect.objectContaining({ code: 'NM_TENSOR_UNSUPPORTED' }),
  );
  uninstall(tf);
});
