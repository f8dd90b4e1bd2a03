import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type EncoderGraph, tinyMobile, tinyResnet, tinyResnetLab } from '../../src/encoders/index.js';
import type { TrainingKernels } from '../../src/kernels/index.js';
import { methodByName, type StepResult } from '../../src/methods/index.js';
import {
  generated,
  hcl,
  instance,
  mochi,
  moco,
  ntxent,
  type Objective,
  resolveObjective,
  ring,
  supcon,
} from '../../src/negatives/index.js';
import { install } from '../../src/tfjs/index.js';
import { startMethod } from './harness.js';

const ITEMS = 6;
let kernels: TrainingKernels;

beforeAll(async () => {
  await tf.setBackend('wasm');
  kernels = await install(tf, { precise: true });
});

afterEach(() => tf.disposeVariables());

const atHalf = { temperature: 0.5 };
const wide = { ...atHalf, inner: 0.1, outer: 0.6 };
const cases: readonly (readonly [method: string, what: string, objective: Objective, graph: EncoderGraph])[] = [
  ['simclr', 'NT-Xent', ntxent(), tinyResnet()],
  ['simclr', 'HCL', hcl(), tinyMobile()],
  ['simclr', 'ring', ring(wide), tinyResnet()],
  ['simclr', 'generated negatives', generated({ ...atHalf, perAnchor: 4, warmup: 0 }), tinyResnet()],
  ['supervised', 'labels', supcon({ temperature: 0.5 }), tinyResnet()],
  ['moco', 'queue', moco({ ...atHalf, capacity: 20 }), tinyResnet()],
  ['moco', 'ring', ring({ ...wide, capacity: 20 }), tinyMobile()],
  ['moco', 'mixes', mochi({ ...atHalf, capacity: 20, hardest: 6, warmup: 0 }), tinyResnet()],
  ['moco', 'generated', generated({ ...atHalf, capacity: 20, perAnchor: 4, warmup: 0 }), tinyResnet()],
  ['instance', 'softmax', instance({ ...atHalf, draws: 12 }), tinyResnet()],
  ['instance', 'NCE', instance({ ...atHalf, draws: 12, loss: { kind: 'nce' } }), tinyMobile()],
  ['instance', 'ring', ring({ ...wide, draws: 12 }), tinyResnet()],
  ['cmc', 'softmax', instance({ ...atHalf, draws: 12 }), tinyResnetLab()],
  ['cmc', 'ring', ring({ ...wide, draws: 12 }), tinyResnetLab()],
];

describe('a step', () => {
  it.each(cases)(
    'of %s with %s: the loss changes along its gradient as the gradient says',
    (name, what, given, graph) => {
      const method = methodByName(name);
      const { run, trainable } = startMethod(kernels, graph, method, given, { batch: ITEMS, items: 16 });
      const pictures = method.views * ITEMS;
      const views = tf.randomUniform([pictures, 32, 32, 3], -2, 2, 'float32', 11) as tf.Tensor4D;
      const objective = resolveObjective(given, 50, 100);
      const instanceIds = Int32Array.from({ length: ITEMS }, (_, i) => 2 * i);
      const labels = Int32Array.from({ length: ITEMS }, (_, i) => i % 2);
      const input = { step: 50, objective, learningRate: 1e-3, views, instanceIds, labels };
      // A bank takes rows and a normaliser from its first batch; in the second they are constants.
      if (method.candidates.kind === 'bank') tf.dispose(run.step(input).gradients);
      const start = run.state();
      const step = (): StepResult => {
        // Queues and banks move in a step; the loss is compared at one place.
        run.restore(start);
        return run.step(input);
      };
      const { gradients } = step();
      const squared = trainable.reduce((sum, v) => sum + tf.sum(tf.square(gradients[v.name]!)).dataSync()[0]!, 0);
      const weights = trainable.map((variable) => tf.mul(variable, 1));
      const at = (distance: number): number => {
        trainable.forEach((variable, i) => {
          variable.assign(tf.add(weights[i]!, tf.mul(gradients[variable.name]!, distance / Math.sqrt(squared))));
        });
        return step().loss;
      };
      // A ring's members, and an anchor inside a mix, are constants of the gradient but move with the weights.
      const distance = what === 'ring' || what === 'mixes' ? 5e-4 : 2e-3;
      const slope = (at(distance) - at(-distance)) / (2 * distance);
      // Central differences in float32, through ReLUs: about a percent.
      expect(slope / Math.sqrt(squared)).toBeGreaterThan(0.97);
      expect(slope / Math.sqrt(squared)).toBeLessThan(1.03);
      run.dispose();
    },
  );
});
