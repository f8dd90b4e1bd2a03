import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { initialWeights, tinyMobile, tinyResnet, weightSpecs } from '../../src/encoders/index.js';
import { NO_AUGMENTATION } from '../../src/images/index.js';
import type { TrainingKernels } from '../../src/kernels/index.js';
import { methodByName, type StepResult } from '../../src/methods/index.js';
import { hcl, ntxent, resolveObjective, ring } from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { install } from '../../src/tfjs/index.js';
import { BatchOrder } from '../../src/train/batches.js';
import { allocateExchange, Exchange } from '../../src/train/exchange.js';
import { Replica } from '../../src/train/replica.js';
import { Team } from '../../src/train/team.js';

const ITEMS = 6;
let kernels: TrainingKernels;

beforeAll(async () => {
  await tf.setBackend('wasm');
  kernels = await install(tf, { precise: true });
});

function randomPixels(count: number): Uint8Array {
  const random = randomStream(4, count);
  return Uint8Array.from({ length: count * 32 * 32 * 3 }, () => random.integer(256));
}

describe('a step of SimCLR', () => {
  const cases = { 'NT-Xent': ntxent(), HCL: hcl(), ring: ring({ temperature: 0.5, inner: 0.1, outer: 0.6 }) };
  for (const [name, objective] of Object.entries(cases)) {
    for (const graph of [tinyResnet(), tinyMobile()]) {
      it(`${name} on ${graph.name}: the loss changes along its gradient as the gradient says`, () => {
        const weights = initialWeights(graph, 2);
        const variables = Object.fromEntries(
          weightSpecs(graph).map((spec) => {
            const { data, shape } = weights[spec.name]!;
            return [spec.name, tf.variable(tf.tensor(data, [...shape]), spec.trainable)];
          }),
        );
        const trainable = Object.values(variables).filter((variable) => variable.trainable);
        const exchange = allocateExchange({ replicas: 1, views: 2 * ITEMS, dim: graph.head[2], values: 1 });
        const views = tf.randomUniform([2 * ITEMS, 32, 32, 3], -2, 2, 'float32', 11) as tf.Tensor4D;
        const run = methodByName('simclr').start({
          tf,
          kernels,
          graph,
          tensors: variables,
          trainable,
          gather: new Exchange(exchange, 0),
          objective,
          options: {},
          items: ITEMS,
          seed: 0,
        });
        const instanceIds = Int32Array.from({ length: ITEMS }, (_, i) => i);
        const step = (): StepResult =>
          run.step({
            step: 50,
            objective: resolveObjective(objective, 50, 100),
            learningRate: 1e-3,
            views,
            instanceIds,
          });
        const { gradients } = step();
        const squared = trainable.reduce((sum, v) => sum + tf.sum(tf.square(gradients[v.name]!)).dataSync()[0]!, 0);
        const start = trainable.map((variable) => tf.mul(variable, 1));
        const at = (distance: number): number => {
          trainable.forEach((variable, i) => {
            variable.assign(tf.add(start[i]!, tf.mul(gradients[variable.name]!, distance / Math.sqrt(squared))));
          });
          return step().loss;
        };
        const distance = 2e-3;
        const slope = (at(distance) - at(-distance)) / (2 * distance);
        // Central differences in float32, through ReLUs: about a percent.
        expect(slope / Math.sqrt(squared)).toBeGreaterThan(0.97);
        expect(slope / Math.sqrt(squared)).toBeLessThan(1.03);
        tf.disposeVariables();
      });
    }
  }
});

describe('data-parallel gradients', () => {
  it('add up to those of one replica', async () => {
    // Both replicas get the same pictures (as different items), so that their batch norms see what one replica sees.
    const graph = tinyResnet();
    const pictures = { size: 32, data: randomPixels(4) };
    const rows = Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3);
    let seed = 0;
    const halves = (): string[] => {
      const items = new BatchOrder({ seed, items: 8, batch: 8 }).at(0);
      const of = (from: number): string =>
        [...items.subarray(from, from + 4)]
          .map((i) => rows[i])
          .sort()
          .join();
      return [of(0), of(4)];
    };
    while (halves()[0] !== halves()[1]) seed++;
    const moments: Float32Array[] = [];
    for (const replicas of [1, 2]) {
      const team = await Team.start({
        graph,
        weights: initialWeights(graph, 1),
        replica: 0,
        exchange: allocateExchange({
          replicas,
          views: 16,
          dim: graph.head[2],
          values: Replica.exchangedValues(graph),
        }),
        sources: [pictures, pictures],
        rows,
        recipe: NO_AUGMENTATION,
        method: 'simclr',
        methodOptions: {},
        objective: hcl(),
        seed,
        batch: 8,
        learningRate: 1e-3,
        warmup: 0,
        weightDecay: 0,
        updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
      });
      await team.run({ from: 0, to: 1, steps: 10 }, () => undefined);
      moments.push((await team.state()).optimiser['m']!);
      await team.close();
    }
    const [one, two] = moments as [Float32Array, Float32Array];
    const largest = one.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const difference = one.reduce((most, value, i) => Math.max(most, Math.abs(value - two[i]!)), 0);
    expect(largest).toBeGreaterThan(1e-6);
    expect(difference / largest).toBeLessThan(2e-3);
  });
});
