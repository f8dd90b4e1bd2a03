import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { check, dataOf, EXACT, label, passes, reference, WINOGRAD } from './convolution-conformance.js';
import { largestError, type Sizes } from './convolution-reference.js';

const base: Sizes = {
  batch: 1,
  height: 7,
  width: 9,
  channels: 5,
  filter: [3, 3],
  out: 8,
  stride: [1, 1],
  dilation: 1,
  pad: 'same',
};

const CASES: readonly Sizes[] = [
  // strides and paddings
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
    ).map((pad) => ({ ...base, stride: [stride, stride] as const, pad })),
  ),
  { ...base, stride: [2, 1] },
  { ...base, stride: [1, 3], pad: 'valid' },
  // filters
  ...(
    [
      [1, 1],
      [2, 2],
      [5, 5],
      [1, 3],
      [3, 1],
      [4, 2],
    ] as const
  ).flatMap((filter) => [
    { ...base, filter },
    { ...base, filter, stride: [2, 2] as const, pad: 'valid' as const },
  ]),
  { ...base, filter: [1, 1], stride: [3, 3], pad: 'valid' },
  { ...base, filter: [2, 2], stride: [3, 3] },
  // channels
  ...[1, 3, 8, 17, 64].flatMap((channels) => [
    { ...base, batch: 2, height: 5, width: 6, channels, out: 3 },
    { ...base, batch: 2, height: 5, width: 6, channels, out: 17, filter: [1, 1] as const },
    { ...base, batch: 2, height: 8, width: 8, channels, out: channels },
    { ...base, batch: 1, height: 6, width: 6, channels, out: 8, stride: [2, 2] as const, pad: 1 },
  ]),
  // pictures and batches
  { ...base, height: 1, width: 1, channels: 4 },
  { ...base, height: 1, width: 3 },
  { ...base, height: 3, width: 2 },
  { ...base, height: 13, width: 4, channels: 8, out: 16 },
  { ...base, height: 16, width: 16, channels: 8, out: 8 },
  { ...base, batch: 7, height: 4, width: 4, channels: 16, out: 24 },
  { ...base, batch: 7, height: 9, width: 10, channels: 4, out: 4 },
  { ...base, batch: 7, height: 8, width: 8, channels: 3, out: 32, stride: [2, 2], pad: 1 },
  { ...base, batch: 70, height: 4, width: 4, channels: 8, out: 8 },
  // whole and partial tiles of Winograd's algorithm
  { ...base, height: 8, width: 12, channels: 16, out: 24 },
  { ...base, batch: 3, height: 7, width: 6, channels: 24, out: 16 },
  { ...base, batch: 2, height: 10, width: 9, channels: 16, out: 16, pad: 'valid' },
  { ...base, batch: 2, height: 6, width: 8, channels: 16, out: 16, pad: 2 },
  {
    ...base,
    batch: 5,
    height: 7,
    width: 7,
    channels: 64,
    out: 72,
    pad: [
      [2, 0],
      [0, 1],
    ],
  },
  { ...base, batch: 21, height: 4, width: 4, channels: 64, out: 64 },
  { ...base, batch: 70, height: 4, width: 4, channels: 16, out: 16 },
  // stride 2 by phases: whole and partial tiles, paddings of either parity
  ...(['same', 0, 1, 2] as const).map((pad) => ({
    ...base,
    batch: 3,
    height: 16,
    width: 15,
    channels: 16,
    out: 32,
    stride: [2, 2] as const,
    pad,
  })),
  {
    ...base,
    batch: 5,
    height: 14,
    width: 15,
    channels: 32,
    out: 16,
    stride: [2, 2],
    pad: [
      [2, 1],
      [1, 2],
    ],
  },
  { ...base, batch: 37, height: 8, width: 8, channels: 64, out: 80, stride: [2, 2], pad: 1 },
  { ...base, batch: 0 },
  { ...base, batch: 0, channels: 16, out: 16 },
  { ...base, batch: 0, height: 8, width: 8, channels: 16, out: 16, stride: [2, 2] },
];

const DILATED: readonly Sizes[] = [
  ...[2, 3].flatMap((dilation) => [
    { ...base, dilation },
    { ...base, dilation, pad: 'valid' as const, channels: 8 },
    { ...base, dilation, filter: [1, 2] as const, channels: 3 },
    { ...base, dilation, pad: 2 },
  ]),
];

describe.each(TESTED_TIERS)('convolution, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
  });
  afterAll(() => uninstall(tf));

  describe.each([
    { precise: true, factor: EXACT },
    { precise: false, factor: WINOGRAD },
  ])('precise: $precise', (options) => {
    beforeAll(async () => {
      await install(tf, { tier, precise: options.precise });
    });
    test.each(CASES.map((s) => [label(s), s] as const))('agrees with float64: %s', (_, s) => {
      const d = dataOf(s);
      check(s, passes(s, d, true), reference(s, d), options.factor, true);
    });
    test.each(DILATED.map((s) => [label(s), s] as const))('agrees with float64: %s', (_, s) => {
      const d = dataOf(s);
      check(s, passes(s, d, false), reference(s, d), options.factor, false);
    });
  });
});

test("agrees with tfjs's cpu backend in shapes and values", async () => {
  const all = [...CASES.map((s) => [s, true] as const), ...DILATED.map((s) => [s, false] as const)].filter(
    ([s]) => s.batch > 0 && s.batch < 10,
  );
  await tf.setBackend('cpu');
  const expected = all.map(([s, gradients]) => passes(s, dataOf(s), gradients));
  await tf.setBackend('wasm');
  await install(tf, { precise: true });
  all.forEach(([s, gradients], i) => {
    const found = passes(s, dataOf(s), gradients);
    const { y, dx, dFilter } = expected[i]!;
    check(
      s,
      found,
      { y: Float64Array.from(y), dx: Float64Array.from(dx), dFilter: Float64Array.from(dFilter) },
      2 * EXACT,
      gradients,
    );
  });
  uninstall(tf);
});

test("Winograd's largest error is about 1e-5 of the largest output, a direct sum's 1e-6", async () => {
  await tf.setBackend('wasm');
  const s = { ...base, batch: 8, height: 8, width: 8, channels: 64, out: 64 };
  const d = dataOf(s);
  const expected = reference(s, d);
  for (const [precise, limit] of [
    [true, 3e-6],
    [false, 5e-5],
  ] as const) {
    await install(tf, { precise });
    const found = passes(s, d, true);
    for (const pass of ['y', 'dx', 'dFilter'] as const) {
      const largest = expected[pass].reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expect(largestError(found[pass], expected[pass], largest), pass).toBeLessThan(limit);
    }
  }
  uninstall(tf);
});
