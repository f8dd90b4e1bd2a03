import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { EPS } from './convolution-reference.js';

const [INFINITY, NAN] = [Number.POSITIVE_INFINITY, Number.NaN];
// Klambauer et al. 2017, section 2
const [SCALE, ALPHA] = [1.0507009873554805, 1.6732632423543772];

/** erf by its Taylor series, in float64; exact to 1e-12 for |x| < 4. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

interface Function {
  readonly run: (x: tf.Tensor) => tf.Tensor;
  readonly exact: (x: number) => number;
  readonly from: number;
  readonly to: number;
  /** Largest error relative to the result, or absolute, in EPS: what the result's own rounding (1) does not explain. */
  readonly relative?: number;
  readonly absolute?: number;
  readonly special?: readonly (readonly [number, number])[];
}

const FUNCTIONS: Readonly<Record<string, Function>> = {
  exp: {
    run: (x) => tf.exp(x),
    exact: Math.exp,
    from: -87,
    to: 88.7,
    relative: 3,
    special: [
      [0, 1],
      [-0, 1],
      [89, INFINITY],
      [1e30, INFINITY],
      [INFINITY, INFINITY],
      [-105, 0],
      [-INFINITY, 0],
      [NAN, NAN],
    ],
  },
  expm1: {
    run: (x) => tf.expm1(x),
    exact: Math.expm1,
    from: -20,
    to: 88.7,
    relative: 4,
    special: [
      [0, 0],
      [1e-10, Math.fround(1e-10)],
      [-1e-10, Math.fround(-1e-10)],
      [-INFINITY, -1],
      [INFINITY, INFINITY],
      [NAN, NAN],
    ],
  },
  log: {
    run: (x) => tf.log(x),
    exact: Math.log,
    from: 0,
    to: 1e4,
    relative: 3,
    special: [
      [1, 0],
      [0, -INFINITY],
      [-0, -INFINITY],
      [-1, NAN],
      [-INFINITY, NAN],
      [INFINITY, INFINITY],
      [NAN, NAN],
    ],
  },
  log1p: {
    run: (x) => tf.log1p(x),
    exact: Math.log1p,
    from: -1,
    to: 100,
    relative: 5,
    special: [
      [0, 0],
      [1e-10, Math.fround(1e-10)],
      [-1, -INFINITY],
      [-2, NAN],
      [INFINITY, INFINITY],
      [NAN, NAN],
    ],
  },
  tanh: {
    run: (x) => tf.tanh(x),
    exact: Math.tanh,
    from: -12,
    to: 12,
    relative: 4,
    special: [
      [0, 0],
      [1e-10, Math.fround(1e-10)],
      [100, 1],
      [-100, -1],
      [INFINITY, 1],
      [-INFINITY, -1],
      [NAN, NAN],
    ],
  },
  softplus: {
    run: (x) => tf.softplus(x),
    exact: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    from: -60,
    to: 60,
    relative: 6,
    special: [
      [1000, 1000],
      [-1000, 0],
      [NAN, NAN],
    ],
  },
  erf: {
    run: (x) => tf.erf(x),
    exact: erf,
    from: -4,
    to: 4,
    // Abramowitz & Stegun 7.1.26 is exact to 1.5e-7, and rounds a polynomial of five terms of size 1.
    absolute: 2.5 + 7,
    special: [
      [INFINITY, 1],
      [-INFINITY, -1],
      [NAN, NAN],
    ],
  },
  selu: {
    run: (x) => tf.selu(x),
    exact: (x) => SCALE * (x >= 0 ? x : ALPHA * Math.expm1(x)),
    from: -20,
    to: 20,
    relative: 6,
    special: [
      [0, 0],
      [NAN, NAN],
    ],
  },
  leakyRelu: {
    run: (x) => tf.leakyRelu(x, 0.3),
    exact: (x) => (x >= 0 ? x : Math.fround(0.3) * x),
    from: -5,
    to: 5,
    relative: 1,
    special: [
      [-INFINITY, -INFINITY],
      [NAN, NAN],
    ],
  },
};

/** Evenly and, near 0, by powers of two. */
function points(from: number, to: number): Float32Array {
  const even = Array.from({ length: 20_003 }, (_, i) => from + ((to - from) * (i + 0.5)) / 20_003);
  const small = Array.from({ length: 60 }, (_, i) => [1.37 * 2 ** -i, -1.37 * 2 ** -i]).flat();
  return Float32Array.from([...even, ...small.filter((x) => x > from && x < to)]);
}

describe.each(TESTED_TIERS)('elementary functions, %s SIMD', (tier) => {
  beforeAll(async () => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
  });
  afterAll(() => uninstall(tf));

  describe.each(Object.entries(FUNCTIONS))(
    '%s',
    (_, { run, exact, from, to, relative = 0, absolute = 0, special = [] }) => {
      const of = (x: ArrayLike<number>): Float32Array =>
        tf.tidy(() => run(tf.tensor1d(Float32Array.from(x))).dataSync<'float32'>());

      test('agrees with float64 to a few roundings', () => {
        const x = points(from, to);
        let worst = 0;
        of(x).forEach((found, i) => {
          const expected = exact(x[i]!);
          // Below the least normal number float32 keeps fewer digits.
          const allowed = EPS * (relative * Math.max(Math.abs(expected), 2 ** -126) + absolute);
          const error = Math.abs(found - expected) / allowed;
          if (!(error <= worst)) worst = error;
        });
        expect(worst).toBeLessThanOrEqual(1);
      });

      test.skipIf(special.length === 0)('is right at its ends, at 0 and for NaN', () => {
        expect(of(special.map(([x]) => x))).toEqual(Float32Array.from(special, ([, y]) => y));
      });

      test('gives each element the same at every length and place', () => {
        const x = points(Math.max(from, -3), Math.min(to, 3)).slice(0, 19);
        const whole = of(x);
        for (let length = 0; length <= 19; length++) expect(of(x.slice(0, length))).toEqual(whole.slice(0, length));
      });
    },
  );

  test('subnormal numbers go into a logarithm and come out of an exponential', () => {
    const tiny = Float32Array.of(1e-40, 2 ** -149);
    const logs = tf.tidy(() => tf.log(tf.tensor1d(tiny)).dataSync());
    for (const [i, x] of tiny.entries()) expect(Math.abs(logs[i]! / Math.log(x) - 1)).toBeLessThan(4 * EPS);
    const [found] = tf.tidy(() => tf.exp(tf.tensor1d([-95])).dataSync());
    expect(Math.abs(found! - Math.exp(-95))).toBeLessThanOrEqual(2 ** -149);
  });

  test('other types stay with the stock kernels', () => {
    tf.tidy(() => {
      expect([...tf.leakyRelu(tf.tensor1d([-10, 5], 'int32'), 0.5).dataSync()]).toEqual([-5, 5]);
      expect(tf.exp(tf.tensor1d([0, 1], 'int32')).dtype).toBe('float32');
    });
  });
});
