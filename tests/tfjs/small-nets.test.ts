import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { describe, expect, test } from 'vitest';
import { install, uninstall } from '../../src/tfjs/index.js';
import { TESTED_TIERS } from '../kernels/tiers.js';
import { NETS, trainNet } from './small-nets.js';

describe.each(TESTED_TIERS)('small nets, %s SIMD', (tier) => {
  test.each(Object.keys(NETS) as (keyof typeof NETS)[])('one of kind %s learns and leaves no tensor', async (net) => {
    await tf.setBackend('wasm');
    await install(tf, { tier });
    const before = tf.memory().numTensors;
    const { losses } = trainNet(tf, net, 60);
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses.at(-1)).toBeLessThan(0.1 * losses[0]!);
    expect(tf.memory().numTensors).toBe(before);
    uninstall(tf);
  });
});
