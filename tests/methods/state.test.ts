import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  averagePool,
  inferenceFeatures,
  project,
  tinyMobile,
  tinyResnetLab,
  trainingFeatures,
  weightSpecs,
} from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { floats, type TrainingKernels } from '../../src/kernels/index.js';
import { type MethodState, methodByName, type StepInput } from '../../src/methods/index.js';
import { generated, instance, moco, type Objective, resolveObjective } from '../../src/negatives/index.js';
import { addressOf, install } from '../../src/tfjs/index.js';
import { type Bench, startMethod } from './harness.js';

const BATCH = 4;
let kernels: TrainingKernels;

beforeAll(async () => {
  await tf.setBackend('wasm');
  kernels = await install(tf, { precise: true });
});

afterEach(() => tf.disposeVariables());

function bench(name: string, objective: Objective, options: Readonly<Record<string, number>> = {}): Bench {
  const graph = methodByName(name).heads === 2 ? tinyResnetLab() : tinyMobile();
  return startMethod(kernels, graph, methodByName(name), objective, { batch: BATCH, items: 10, options });
}

function input(name: string, given: Objective, step: number, ids: readonly number[]): StepInput {
  const pictures = methodByName(name).views * BATCH;
  return {
    step,
    objective: resolveObjective(given, step, 100),
    learningRate: 1e-2,
    views: tf.randomUniform([pictures, 32, 32, 3], -2, 2, 'float32', 20 + step) as tf.Tensor4D,
    instanceIds: Int32Array.from(ids),
  };
}

/** What the encoder makes of pictures in training. */
function embedded({ context }: Bench, pictures: tf.Tensor4D): Float32Array {
  return tf.tidy(() => {
    const map = trainingFeatures(tf, context.graph, context.tensors, pictures, () => undefined);
    return project(tf, context.tensors, averagePool(tf, map)).dataSync<'float32'>().slice();
  });
}

/** What the key encoder of a state makes of pictures: with its own weights and its own statistics. */
function keysOf({ context: { graph } }: Bench, state: MethodState, pictures: tf.Tensor4D): Float32Array {
  return tf.tidy(() => {
    const tensors = Object.fromEntries(
      weightSpecs(graph).map(({ name, shape }) => [name, tf.tensor(floatsOf(state, `key.${name}`), [...shape])]),
    );
    const map = inferenceFeatures(tf, graph, tensors, pictures);
    return project(tf, tensors, averagePool(tf, map)).dataSync<'float32'>().slice();
  });
}

const floatsOf = (state: MethodState, name: string): Float32Array => state[name]!.data as Float32Array;
const rowOf = (rows: Float32Array, row: number, dim = 64): Float32Array => rows.slice(row * dim, (row + 1) * dim);
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, k) => sum + value * b[k]!, 0);

describe('MoCo', () => {
  const objective = moco({ temperature: 0.3, capacity: 6 });

  it('has the loss of its queries, keys and queue, with keys of the own item left out', () => {
    const setup = bench('moco', objective);
    tf.dispose(setup.run.step(input('moco', objective, 0, [0, 1, 2, 3])).gradients);
    // Item 2 is in the queue and in the batch, whose keys push out the oldest two.
    const next = input('moco', objective, 1, [2, 5, 6, 7]);
    const found = setup.run.step(next);
    const state = setup.run.state();
    const [rows, ids] = [floatsOf(state, 'queue.rows'), state['queue.ids']!.data];
    const queries = embedded(setup, tf.slice(next.views, 0, BATCH));
    const keys = keysOf(setup, state, tf.slice(next.views, BATCH, BATCH));
    let loss = 0;
    for (let i = 0; i < BATCH; i++) {
      const query = rowOf(queries, i);
      const positive = Math.exp(dot(query, rowOf(keys, i)) / 0.3);
      let sum = positive;
      for (let j = 0; j < 6; j++) {
        if (ids[j] !== next.instanceIds[i]) sum += Math.exp(dot(query, rowOf(rows, j)) / 0.3);
      }
      loss += Math.log(sum / positive) / BATCH;
    }
    expect([...ids].filter((id) => id === 2)).toHaveLength(2);
    expect(found.loss).toBeCloseTo(loss, 4);
  });

  it('keeps the newest keys with their items, wrapping around', () => {
    const setup = bench('moco', objective);
    expect(setup.run.state()['queue.ids']!.data).toHaveLength(0);
    tf.dispose(setup.run.step(input('moco', objective, 0, [0, 1, 2, 3])).gradients);
    const second = input('moco', objective, 1, [4, 5, 6, 7]);
    tf.dispose(setup.run.step(second).gradients);
    const state = setup.run.state();
    expect([...state['queue.ids']!.data]).toEqual([6, 7, 2, 3, 4, 5]);
    const keys = keysOf(setup, state, tf.slice(second.views, BATCH, BATCH));
    expect(dot(rowOf(floatsOf(state, 'queue.rows'), 4), rowOf(keys, 0))).toBeCloseTo(1, 4);
  });

  it('embeds keys with the weights that the key encoder still has, and the statistics of its first keys', () => {
    const setup = bench('moco', objective);
    const first = input('moco', objective, 0, [0, 1, 2, 3]);
    const keys = embedded(setup, tf.slice(first.views, BATCH, BATCH));
    // In place, as the optimiser does it.
    for (const variable of setup.trainable) {
      const weights = floats(kernels.heap, addressOf(tf, variable), variable.size);
      for (let i = 0; i < weights.length; i++) weights[i] = -0.5 * weights[i]!;
    }
    tf.dispose(setup.run.step(first).gradients);
    const rows = floatsOf(setup.run.state(), 'queue.rows');
    for (let i = 0; i < BATCH; i++) expect(dot(rowOf(rows, i), rowOf(keys, i))).toBeCloseTo(1, 3);
  });

  it("moves the key encoder's statistics towards those of the encoder's last step", () => {
    const { run } = bench('moco', objective, { momentum: 0.9 });
    tf.dispose(run.step(input('moco', objective, 0, [0, 1, 2, 3])).gradients);
    const before = run.state();
    const { statistics, gradients } = run.step(input('moco', objective, 1, [4, 5, 6, 7]));
    tf.dispose(gradients);
    run.updated!();
    const after = run.state();
    for (const { norm, mean, variance } of statistics) {
      for (const [part, seen] of [['mean', mean] as const, ['variance', variance] as const]) {
        const [old, moved] = [before, after].map((state) => floatsOf(state, `key.${norm}.${part}`));
        const found = seen.dataSync();
        expect(moved![0]).toBeCloseTo(0.9 * old![0]! + 0.1 * found[0]!, 4);
      }
    }
  });

  it("moves the key encoder by its momentum once the optimiser has moved the encoder's weights", () => {
    const { run, variables } = bench('moco', objective, { momentum: 0.9 });
    const kernel = variables['stem.kernel']!;
    const before = floatsOf(run.state(), 'key.stem.kernel');
    kernel.assign(tf.add(kernel, 1));
    run.updated!();
    const after = floatsOf(run.state(), 'key.stem.kernel');
    for (let k = 0; k < before.length; k += 97) expect(after[k]! - before[k]!).toBeCloseTo(0.1, 5);
  });
});

describe('a memory bank', () => {
  const objective = instance({ temperature: 0.3, draws: 5 });

  it('blends the rows of the batch with their features and leaves the others', () => {
    const setup = bench('instance', objective, { momentum: 0.25 });
    const welcome = input('instance', objective, 0, [7, 1, 2, 4]);
    const first = embedded(setup, welcome.views);
    tf.dispose(setup.run.step(welcome).gradients);
    const before = floatsOf(setup.run.state(), 'bank.rows');
    // New items have their features for rows.
    for (let i = 0; i < BATCH; i++) {
      expect(dot(rowOf(before, welcome.instanceIds[i]!), rowOf(first, i))).toBeCloseTo(1, 5);
    }
    const step = input('instance', objective, 1, [7, 1, 3, 9]);
    const features = embedded(setup, step.views);
    tf.dispose(setup.run.step(step).gradients);
    const after = floatsOf(setup.run.state(), 'bank.rows');
    for (let item = 0; item < 10; item++) {
      const place = step.instanceIds.indexOf(item);
      const old = rowOf(before, item);
      if (place < 0) {
        expect(rowOf(after, item)).toEqual(old);
        continue;
      }
      const feature = rowOf(features, place);
      const isNew = item === 3 || item === 9;
      const mixed = old.map((value, k) => (isNew ? feature[k]! : 0.25 * value + 0.75 * feature[k]!));
      const length = Math.sqrt(dot(mixed, mixed));
      expect(dot(rowOf(after, item), mixed) / length).toBeCloseTo(1, 5);
      expect(dot(rowOf(after, item), rowOf(after, item))).toBeCloseTo(1, 5);
    }
  });

  it('sets the normaliser of NCE with the first batch and moves it by its momentum', () => {
    const run = (zMomentum: number): number[] => {
      const nce = instance({ temperature: 0.3, draws: 5, loss: { kind: 'nce', zMomentum } });
      const { run } = bench('instance', nce);
      return [0, 1].map((step) => {
        tf.dispose(run.step(input('instance', nce, step, [0, 1, 2, 3])).gradients);
        return floatsOf(run.state(), 'bank.normaliser')[0]!;
      });
    };
    const [first, second] = run(1);
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(first);
    const [, following] = run(0.5);
    expect(following).not.toBe(first);
  });
});

describe('CMC', () => {
  it("compares each view's features with the other view's bank", () => {
    const objective = instance({ temperature: 0.3, draws: 5 });
    const { run, variables } = bench('cmc', objective);
    const start = run.state();
    const step = input('cmc', objective, 0, [0, 1, 2, 3]);
    const gradientOf = (state: MethodState, weight: string): Float32Array => {
      run.restore(state);
      const { gradients } = run.step(step);
      return gradients[variables[weight]!.name]!.dataSync<'float32'>().slice();
    };
    const rows = floatsOf(start, 'bank.l.rows');
    const turned = { ...start, 'bank.l.rows': { shape: [10, 64], data: rows.map((value) => -value) } };
    // The bank of lightness is what colour is compared with, and lightness is not.
    const [light, colour] = ['l.stem.kernel', 'ab.stem.kernel'];
    expect(gradientOf(turned, light!)).toEqual(gradientOf(start, light!));
    expect(gradientOf(turned, colour!)).not.toEqual(gradientOf(start, colour!));
  });
});

describe('a generator of negatives', () => {
  it('learns to make negatives that raise the loss, and not one and the same', () => {
    const objective = generated({ temperature: 0.3, perAnchor: 4, warmup: 0, capacity: 6 });
    const { run } = bench('moco', objective);
    // The encoder stands still: what changes is the adversary.
    const step = input('moco', objective, 0, [0, 1, 2, 3]);
    const start = run.state();
    const losses = Array.from({ length: 40 }, () => {
      const queue = Object.fromEntries(Object.entries(start).filter(([name]) => name.startsWith('queue.')));
      run.restore({ ...run.state(), ...queue });
      const { loss, gradients } = run.step(step);
      tf.dispose(gradients);
      return loss;
    });
    expect(losses.at(-1)! - losses[0]!).toBeGreaterThan(0.1);
  });

  it('rests while the objective warms up', () => {
    const objective = generated({ temperature: 0.3, perAnchor: 4, warmup: 0.5 });
    const { run } = bench('simclr', objective);
    tf.dispose(run.step(input('simclr', objective, 10, [0, 1, 2, 3])).gradients);
    expect(run.state()['generator.updates']!.data[0]).toBe(0);
    tf.dispose(run.step(input('simclr', objective, 60, [0, 1, 2, 3])).gradients);
    expect(run.state()['generator.updates']!.data[0]).toBe(1);
  });
});

describe('saved state', () => {
  const cases: readonly (readonly [string, Objective])[] = [
    ['moco', generated({ perAnchor: 4, warmup: 0, capacity: 6 })],
    ['instance', instance({ draws: 5, loss: { kind: 'nce' } })],
    ['cmc', instance({ draws: 5 })],
  ];

  it.each(cases)('of %s gives the same next step, to the bit', (name, objective) => {
    const run = (state: MethodState | undefined, steps: readonly number[]): { loss: number; state: MethodState } => {
      const { run } = bench(name, objective);
      if (state) run.restore(state);
      let loss = 0;
      for (const step of steps) {
        const found = run.step(input(name, objective, step, [step, step + 2, step + 4, step + 6]));
        tf.dispose(found.gradients);
        run.updated?.();
        loss = found.loss;
      }
      const kept = run.state();
      run.dispose();
      return { loss, state: kept };
    };
    const whole = run(undefined, [0, 1, 2]);
    const resumed = run(run(undefined, [0, 1]).state, [2]);
    expect(resumed.loss).toBe(whole.loss);
    expect(resumed.state).toEqual(whole.state);
  });

  it.each(cases)('of %s that is not of this run is refused', (name, objective) => {
    const { run } = bench(name, objective);
    const state = run.state();
    for (const key of Object.keys(state)) {
      const { [key]: _, ...rest } = state;
      const refused = (): unknown => run.restore(rest);
      expect(refused, key).toThrow(NearmissError);
      expect(refused, key).toThrow(`method.${key}`);
    }
  });
});
