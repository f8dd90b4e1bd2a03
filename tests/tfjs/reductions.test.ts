import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, largestError, uniform } from './convolution-reference.js';

type Kind = 'sum' | 'mean' | 'max' | 'min';
const KINDS: readonly Kind[] = ['sum', 'mean', 'max', 'min'];

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A reduction in float64, element by element; `terms` is how many go into each result. */
function reference(kind: Kind, x: Float32Array, shape: readonly number[], axes: readonly number[]): Float64Array {
  const kept = shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
  const start = kind === 'max' ? -Infinity : kind === 'min' ? Infinity : 0;
  const out = new Float64Array(size(kept)).fill(start);
  x.forEach((value, place) => {
    let [rest, to, stride] = [place, 0, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (kept[axis] !== 1) to += (rest % shape[axis]!) * stride;
      stride *= kept[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    if (kind === 'max') out[to] = Math.max(out[to]!, value);
    else if (kind === 'min') out[to] = Math.min(out[to]!, value);
    else out[to]! += value;
  });
  return kind === 'mean' ? out.map((value) => value / (x.length / out.length)) : out;
}

const ROWS = [1, 2, 3, 4, 5, 8, 63, 64, 65, 255, 256, 257, 4099];
const CHANNELS = [1, 3, 5, 8, 17, 64, 257];
const CASES: readonly { readonly shape: readonly number[]; readonly axes: readonly number[] }[] = [
  ...ROWS.flatMap((length) => [
    { shape: [length], axes: [0] },
    { shape: [3, length], axes: [1] },
  ]),
  ...CHANNELS.flatMap((channels) => [
    { shape: [131, channels], axes: [0] },
    { shape: [7, 5, 3, channels], axes: [1, 2] },
    { shape: [7, 5, 3, channels], axes: [0, 1, 2] },
    { shape: [7, 5, 3, channels], axes: [0, 2] },
    { shape: [2, 5, 3, channels], axes: [1, 3] },
  ]),
  { shape: [2, 1, 3], axes: [1] },
  { shape: [2, 1, 3], axes: [0, 2] },
  { shape: [3, 4, 5], axes: [0, 1, 2] },
  { shape: [9000, 3], axes: [0] },
  { shape: [2, 700, 64], axes: [1] },
];

describe.each(TESTED_TIERS)('reductions, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  describe.each(KINDS)('%s', (kind) => {
    test.each(CASES)('agrees with float64: $shape over $axes', ({ shape, axes }) => {
      const x = uniform(size(shape), 1);
      const expected = reference(kind, x, shape, axes);
      const terms = x.length / expected.length;
      // A sum of K numbers below 1 has size sqrt(K / 3) and about sqrt(K) roundings of that size.
      const scale = kind === 'mean' ? 1 / terms : 1;
      const bound =
        kind === 'max' || kind === 'min' ? 0 : 4 * EPS * Math.sqrt(terms) * Math.max(1, Math.sqrt(terms) / 3);
      tf.tidy(() => {
        const tensor = tf.tensor(x, [...shape]);
        const found = tf[kind](tensor, [...axes]);
        expect(found.shape).toEqual(shape.filter((_, axis) => !axes.includes(axis)));
        expect(largestError(found.dataSync(), expected, scale)).toBeLessThanOrEqual(bound);
        const kept = tf[kind](tensor, [...axes], true);
        expect(kept.shape).toEqual(shape.map((length, axis) => (axes.includes(axis) ? 1 : length)));
        expect(kept.dataSync()).toEqual(found.dataSync());
      });
    });
  });

  test('takes the axes of none, of negative ones and of none at all as tfjs does', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
      expect(tf.sum(x).arraySync()).toBe(21);
      expect(tf.max(x, -1).arraySync()).toEqual([3, 6]);
      expect(tf.sum(x, []).arraySync()).toEqual(x.arraySync());
      expect(tf.min(tf.scalar(3)).arraySync()).toBe(3);
      expect(tf.sum(tf.tensor1d([1, 2], 'int32')).dtype).toBe('int32');
    });
  });

  test.each([
    ['sum', 0],
    ['mean', Number.NaN],
    ['max', Number.NEGATIVE_INFINITY],
    ['min', Number.POSITIVE_INFINITY],
  ] as const)('the %s of nothing is %d', (kind, expected) => {
    tf.tidy(() => {
      expect(tf[kind](tf.zeros([0, 3]), 0).arraySync()).toEqual([expected, expected, expected]);
      expect(tf[kind](tf.zeros([0])).arraySync()).toBe(expected);
      expect(tf[kind](tf.zeros([0, 3]), 1).shape).toEqual([0]);
    });
  });

  test.each([5, 300])('keeps NaN in maxima and minima of %i numbers', (length) => {
    for (const place of [0, 3, length - 1]) {
      const x = uniform(length, 2);
      x[place] = Number.NaN;
      tf.tidy(() => {
        expect(tf.max(tf.tensor1d(x)).arraySync()).toBeNaN();
        expect(tf.min(tf.tensor2d(x, [length, 1]), 0).arraySync()).toEqual([Number.NaN]);
      });
    }
  });

  test('adds up a million equal numbers without drift', () => {
    const found = tf.tidy(() => (tf.sum(tf.fill([1 << 20], 0.1)) as tf.Scalar).arraySync());
    expect(Math.abs(found / (Math.fround(0.1) * 2 ** 20) - 1)).toBeLessThan(64 * EPS);
  });

  test.each([
    { shape: [7], axis: 0 },
    { shape: [3, 5, 8], axis: 1 },
    { shape: [3, 5, 7], axis: 1 },
    { shape: [3, 5, 7], axis: 0 },
    { shape: [2, 9], axis: -1 },
    { shape: [1, 1], axis: 0 },
    { shape: [0, 3], axis: 1 },
  ])('running sums of $shape along $axis', ({ shape, axis }) => {
    const place = (axis + shape.length) % shape.length;
    const [length, inner] = [shape[place]!, size(shape.slice(place + 1))];
    const x = uniform(size(shape), 3);
    for (const exclusive of [false, true]) {
      for (const reverse of [false, true]) {
        const expected = new Float64Array(x.length);
        x.forEach((_, i) => {
          const at = Math.floor(i / inner) % length;
          for (let k = 0; k < length; k++) {
            const before = reverse ? k > at : k < at;
            if (before || (k === at && !exclusive)) expected[i]! += x[i + (k - at) * inner]!;
          }
        });
        const found = tf.tidy(() => tf.cumsum(tf.tensor(x, shape), axis, exclusive, reverse).dataSync());
        expect(largestError(found, expected)).toBeLessThan(4 * length * EPS);
      }
    }
  });
});
