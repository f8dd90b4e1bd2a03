import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, tfjsHeap, uninstall } from '../../src/tfjs/index.js';
import { EPS, largestError } from './convolution-reference.js';
import { inputsOf, KERNEL_CASES, type KernelCase, runCase } from './kernel-cases.js';

const named = KERNEL_CASES.map((one) => [one.kernel, one] as const);

type Output = [readonly number[], tf.DataType, ArrayLike<number>];

const outputOf = (output: tf.Tensor): Output => [output.shape, output.dtype, output.dataSync()];

function valuesOf(one: KernelCase): Output[] {
  const inputs = inputsOf(one);
  const outputs = runCase(one, inputs);
  const values = outputs.map(outputOf);
  tf.dispose([inputs, outputs]);
  return values;
}

beforeAll(async () => {
  await tf.setBackend('wasm');
});

test('every kernel that install registers has a case here, restores to the stock one itself, and comes back', async () => {
  const stock = new Map(tf.getKernelsForBackend('wasm').map((config) => [config.kernelName, config]));
  const gradients = ['Tile', 'Maximum', 'FusedBatchNorm'].map((name) => tf.getGradient(name));
  await install(tf);
  const ours = tf
    .getKernelsForBackend('wasm')
    .filter((config) => stock.get(config.kernelName) !== config)
    .map(({ kernelName }) => kernelName);
  expect(ours.sort()).toEqual(KERNEL_CASES.map(({ kernel }) => kernel).sort());
  const replaced = ['Tile', 'Maximum', 'FusedBatchNorm'].map((name) => tf.getGradient(name));
  uninstall(tf);
  const after = new Map(tf.getKernelsForBackend('wasm').map((config) => [config.kernelName, config]));
  expect(after.size).toBe(stock.size);
  for (const [name, config] of stock) expect(after.get(name), name).toBe(config);
  // Gradients that were registered before are the same objects again; here the first install brought tfjs-core's.
  const restored = ['Tile', 'Maximum', 'FusedBatchNorm'].map((name) => tf.getGradient(name));
  restored.forEach((gradient, i) => {
    expect(gradient).toBeTruthy();
    expect(gradient).not.toBe(replaced[i]);
    if (gradients[i]) expect(gradient).toBe(gradients[i]);
  });
});

describe('with install', () => {
  beforeAll(async () => {
    await install(tf, { precise: true });
  });
  afterAll(() => uninstall(tf));

  test.each(named.filter(([, { own }]) => !own))("%s has the cpu backend's shape, type and values", async (_, one) => {
    const found = valuesOf(one);
    await tf.setBackend('cpu');
    const expected = composed(one) ?? valuesOf(one);
    await tf.setBackend('wasm');
    expect(found.length).toBe(expected.length);
    expected.forEach(([shape, dtype, values], i) => {
      expect(found[i]![0]).toEqual(shape);
      expect(found[i]![1]).toBe(dtype);
      // Sums of up to 126 products of numbers below 1.
      expect(largestError(found[i]![2], values)).toBeLessThanOrEqual(128 * EPS);
    });
  });

  test.each(named)('%s keeps memory flat over 1,000 calls', (_, one) => {
    const heap = tfjsHeap(tf);
    const inputs = inputsOf(one);
    const call = (): void => {
      for (const output of runCase(one, inputs)) output.dispose();
    };
    for (let i = 0; i < 5; i++) call();
    const [before, size] = [tf.memory(), heap.memory.buffer.byteLength];
    for (let i = 0; i < 1000; i++) call();
    const after = tf.memory();
    for (const key of ['numTensors', 'numDataBuffers', 'numBytes'] as const) expect(after[key]).toBe(before[key]);
    expect(heap.memory.buffer.byteLength).toBe(size);
    tf.dispose(inputs);
  });
});

test.each(named)('%s gives the same where the heap grows under it', async (_, one) => {
  // A heap of its own, as each block that the kernel takes makes it grow by a fifth.
  tf.engine().reset();
  await tf.setBackend('wasm');
  await install(tf, { precise: true });
  const expected = valuesOf(one).map(([, , values]) => Array.from(values));
  const inputs = inputsOf(one);
  const { memory } = tfjsHeap(tf);
  const start = memory.buffer.byteLength;
  const { wasm } = tf.engine().registry['wasm'] as unknown as { wasm: { _malloc(bytes: number): number } };
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    const before = memory.buffer.byteLength;
    while (memory.buffer.byteLength === before) malloc(1 << 20);
    return malloc(bytes);
  };
  const outputs = runCase(one, inputs);
  wasm._malloc = malloc;
  if (one.kernel !== 'Identity') expect(memory.buffer.byteLength).toBeGreaterThan(start);
  expect(outputs.map((output) => Array.from(output.dataSync()))).toEqual(expected);
  tf.dispose([inputs, outputs]);
  uninstall(tf);
});

/** What tfjs composes of other kernels where a backend has none of that name. */
function composed(one: KernelCase): Output[] | undefined {
  const { x, logits } = inputsOf(one);
  if (one.kernel === 'BroadcastTo') return [outputOf(tf.broadcastTo(x!, one.attrs!['shape'] as [number]))];
  return one.kernel === 'LogSoftmax' ? [outputOf(tf.logSoftmax(logits!))] : undefined;
}
