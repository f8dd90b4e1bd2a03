import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { uniform } from './convolution-reference.js';

type Tf = typeof tf;

/** tfjs-core and its WASM backend loaded once more, as where two packages bring a copy each. */
function secondCopy(): Tf {
  const require = createRequire(import.meta.url);
  for (const path of Object.keys(require.cache)) if (path.includes('@tensorflow')) delete require.cache[path];
  const copy = require('@tensorflow/tfjs-core') as Tf;
  require('@tensorflow/tfjs-backend-wasm');
  return copy;
}

const gradientOf = (own: Tf): Float32Array =>
  own.tidy(() => {
    const x = own.tensor4d(uniform(2 * 6 * 6 * 3, 1), [2, 6, 6, 3]);
    const filter = own.tensor4d(uniform(9 * 3 * 4, 2), [3, 3, 3, 4]);
    const loss = (f: tf.Tensor): tf.Tensor => own.sum(own.square(own.conv2d(x, f as tf.Tensor4D, 1, 'same')));
    return own.grad(loss)(filter).dataSync<'float32'>();
  });

afterAll(() => uninstall(tf));

test('two copies of tfjs in one process train side by side and give the same', async () => {
  await tf.setBackend('wasm');
  const first = await install(tf);
  const expected = gradientOf(tf);
  const other = secondCopy();
  expect(other).not.toBe(tf);
  await other.setBackend('wasm');
  const second = await install(other);
  expect(second.tier).toBe(first.tier);
  expect(gradientOf(other)).toEqual(expected);
  expect(gradientOf(tf)).toEqual(expected);
  // All copies of tfjs-core of a process share one engine and one table of kernels, so there is one installation.
  expect(other.engine()).toBe(tf.engine());
  uninstall(other);
  expect(tf.getKernel('Conv2DBackpropFilter', 'wasm')).toBeUndefined();
  expect(() => gradientOf(tf)).toThrow(/Conv2DBackpropFilter/);
});
