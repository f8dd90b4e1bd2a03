import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS, largestError, uniform } from './convolution-reference.js';

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** out[rows, columns] = A · B in float64, each matrix read through its own transposition. */
function product(
  a: Float32Array,
  b: Float32Array,
  r: number,
  d: number,
  c: number,
  ta: boolean,
  tb: boolean,
): Float64Array {
  const out = new Float64Array(r * c);
  for (let i = 0; i < r; i++)
    for (let j = 0; j < c; j++)
      for (let k = 0; k < d; k++)
        out[i * c + j]! += (ta ? a[k * r + i]! : a[i * d + k]!) * (tb ? b[j * d + k]! : b[k * c + j]!);
  return out;
}

describe.each(TESTED_TIERS)('matrix product, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  for (const ta of [false, true]) {
    for (const tb of [false, true]) {
      // prettier-ignore
      test.each([
        [1, 1, 1],
        [3, 5, 7],
        [4, 8, 8],
        [5, 3, 9],
        [17, 19, 23],
        [300, 4, 33],
        [6, 700, 12],
        [64, 128, 128],
        [2, 0, 3],
        [0, 2, 3],
      ])(`%i x %i x %i${ta ? ', A transposed' : ''}${tb ? ', B transposed' : ''}`, (r, d, c) => {
        const [a, b] = [uniform(r * d, 1), uniform(d * c, 2)];
        const expected = product(a, b, r, d, c, ta, tb);
        tf.tidy(() => {
          const found = tf.matMul(tf.tensor(a, ta ? [d, r] : [r, d]), tf.tensor(b, tb ? [c, d] : [d, c]), ta, tb);
          expect(found.shape).toEqual([r, c]);
          expect(largestError(found.dataSync(), expected)).toBeLessThanOrEqual(8 * EPS * Math.max(1, d / 3));
        });
      });
    }
  }

  test('broadcasts outer sizes', () => {
    const [aShape, bShape] = [
      [2, 1, 3, 4],
      [5, 4, 2],
    ];
    const [a, b] = [uniform(size(aShape), 1), uniform(size(bShape), 2)];
    tf.tidy(() => {
      const found = tf.matMul(tf.tensor(a, aShape), tf.tensor(b, bShape));
      expect(found.shape).toEqual([2, 5, 3, 2]);
      const data = found.dataSync();
      for (let i = 0; i < 2; i++)
        for (let j = 0; j < 5; j++) {
          const expected = product(a.slice(12 * i, 12 * i + 12), b.slice(8 * j, 8 * j + 8), 3, 4, 2, false, false);
          expect(largestError(data.slice(6 * (5 * i + j), 6 * (5 * i + j) + 6), expected)).toBeLessThan(16 * EPS);
        }
    });
  });

  test.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('multiplies int32 exactly (transposed: %s, %s)', (ta, tb) => {
    // Products past 2^24, where float32 has no room for units.
    const integers = (seed: number, count: number): Int32Array =>
      Int32Array.from(uniform(count, seed), (value) => Math.round(30_000 * value));
    const [a, b] = [integers(1, 2 * 3 * 5), integers(2, 5 * 4)];
    const expected = new Int32Array(2 * 3 * 4).map((_, place) => {
      const [n, row, column] = [Math.floor(place / 12), Math.floor(place / 4) % 3, place % 4];
      let sum = 0;
      for (let k = 0; k < 5; k++) {
        sum += a[15 * n + (ta ? k * 3 + row : row * 5 + k)]! * b[tb ? column * 5 + k : k * 4 + column]!;
      }
      return sum;
    });
    const found = tf.tidy(() => {
      const left = tf.tensor(a, ta ? [2, 5, 3] : [2, 3, 5], 'int32');
      const right = tf.tensor(b, tb ? [4, 5] : [5, 4], 'int32');
      return tf.matMul(left, right, ta, tb).dataSync();
    });
    expect(found).toEqual(expected);
  });

  test('sums segments, leaving out rows of no segment', () => {
    for (const length of [1, 3, 4, 9]) {
      const x = uniform(6 * length, 3);
      const ids = [2, 0, -1, 2, 7, 0];
      const expected = new Float64Array(3 * length);
      ids.forEach((id, row) => {
        if (id < 0 || id > 2) return;
        for (let i = 0; i < length; i++) expected[id * length + i]! += x[row * length + i]!;
      });
      const found = tf.tidy(() =>
        tf.unsortedSegmentSum(tf.tensor(x, [6, length]), tf.tensor1d(ids, 'int32'), 3).dataSync(),
      );
      expect(largestError(found, expected)).toBeLessThan(4 * EPS);
    }
  });
});

test('refuses sizes and types that do not fit', async () => {
  await tf.setBackend('wasm');
  await install(tf);
  const run = (a: number[], b: number[]): unknown =>
    tf.engine().runKernel('BatchMatMul', { a: tf.ones(a), b: tf.ones(b) }, { transposeA: false, transposeB: false });
  expect(() => run([2, 3], [2, 3])).toThrow(expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }));
  expect(() => run([2, 3], [3])).toThrow(expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' }));
  const segments = { x: tf.ones([2, 2]), segmentIds: tf.ones([2]) };
  expect(() => tf.engine().runKernel('UnsortedSegmentSum', segments, { numSegments: 2 })).toThrow(
    expect.objectContaining({ code: 'NM_TENSOR_UNSUPPORTED' }),
  );
  uninstall(tf);
});
