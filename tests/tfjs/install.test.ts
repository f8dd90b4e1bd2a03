import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { floats } from '../../src/kernels/index.js';
import { addressOf, emptyTensor, install, tfjsHeap, uninstall } from '../../src/tfjs/index.js';
import { uniform } from './convolution-reference.js';

const REPLACED = [
  'Identity',
  'Conv2D',
  'Conv2DBackpropInput',
  'BatchMatMul',
  'DepthwiseConv2dNative',
  'FusedConv2D',
  'FusedDepthwiseConv2D',
  '_FusedMatMul',
  'Cast',
  'ClipByValue',
  'Prelu',
  'Relu6',
];
const ADDED = [
  'Conv2DBackpropFilter',
  'DepthwiseConv2dNativeBackpropInput',
  'DepthwiseConv2dNativeBackpropFilter',
  'UnsortedSegmentSum',
  'Einsum',
  'BroadcastTo',
  'LogSoftmax',
];

const OURS = 'NearmissBatchNormTrain';

const registered = (name: string): unknown => tf.getKernel(name, 'wasm')?.kernelFunc;

test('refuses a tf whose WASM backend has not been started, and says how to start it', async () => {
  await tf.setBackend('cpu');
  expect(tf.engine().registry['wasm']).toBeUndefined();
  await expect(install(tf)).rejects.toMatchObject({
    code: 'NM_TFJS_BACKEND',
    message: expect.stringContaining("setBackend('wasm')"),
  });
});

describe('with the WASM backend', () => {
  beforeEach(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => uninstall(tf));

  test('importing registers nothing; install does; uninstall puts all back', async () => {
    const kernelsBefore = tf.getKernelsForBackend('wasm').length;
    const stock = REPLACED.map(registered);
    expect(stock.every(Boolean)).toBe(true);
    expect(ADDED.map(registered)).toEqual(ADDED.map(() => undefined));

    await install(tf);
    for (const name of [...REPLACED, ...ADDED]) expect(registered(name), name).toBeTruthy();
    for (const [i, name] of REPLACED.entries()) expect(registered(name), name).not.toBe(stock[i]);
    for (const name of ['Conv2D', OURS]) expect(tf.getGradient(name), name).toBeTruthy();

    uninstall(tf);
    expect(REPLACED.map(registered)).toEqual(stock);
    expect(ADDED.map(registered)).toEqual(ADDED.map(() => undefined));
    expect(tf.getGradient(OURS)).toBeUndefined();
    expect(tf.getKernelsForBackend('wasm').length).toBe(kernelsBefore);
    uninstall(tf);
  });

  test('is idempotent, also when called twice at once, and follows a change of tier', async () => {
    const [first, second] = await Promise.all([install(tf, { tier: 'plain' }), install(tf, { tier: 'plain' })]);
    const forward = registered('Conv2D');
    expect(second).toBe(first);
    expect(await install(tf)).toBe(first);
    expect(registered('Conv2D')).toBe(forward);
    const relaxed = await install(tf, { tier: 'relaxed' });
    expect(relaxed.tier).toBe('relaxed');
    expect(registered('Conv2D')).not.toBe(forward);
  });

  test('works while another backend is active', async () => {
    await tf.setBackend('cpu');
    await install(tf);
    await tf.setBackend('wasm');
    expect(
      tf.conv2d(tf.ones<tf.Rank.R4>([1, 3, 3, 1]), tf.ones<tf.Rank.R4>([3, 3, 1, 1]), 1, 'valid').dataSync()[0],
    ).toBe(9);
  });

  test('reads and writes tensors where they lie', async () => {
    const heap = tfjsHeap(tf);
    const tensor = tf.tensor1d([1, 2, 3]);
    expect([...floats(heap, addressOf(tf, tensor), 3)]).toEqual([1, 2, 3]);
    const empty = emptyTensor(tf, [2, 2]);
    floats(heap, addressOf(tf, empty), 4).set([5, 6, 7, 8]);
    expect(empty.arraySync()).toEqual([
      [5, 6],
      [7, 8],
    ]);
    tensor.dispose();
    empty.dispose();
  });

  test('says so when the heap is full', () => {
    expect(() => tfjsHeap(tf).malloc(2 ** 32 - 1)).toThrow(expect.objectContaining({ code: 'NM_OUT_OF_MEMORY' }));
  });

  test('refuses NCHW depthwise and tensors that are not numbers', async () => {
    await install(tf);
    const x = tf.ones([1, 2, 5, 5]) as tf.Tensor4D;
    const unsupported = expect.objectContaining({ code: 'NM_TENSOR_UNSUPPORTED' });
    expect(() => tf.depthwiseConv2d(x, tf.ones([3, 3, 2, 1]), 1, 'same', 'NCHW')).toThrow(unsupported);
    expect(() => tf.matMul(tf.ones([2, 2], 'bool'), tf.ones([2, 2], 'bool'))).toThrow(unsupported);
  });

  test('survives growth of the heap in mid-use', async () => {
    await install(tf);
    const heap = tfjsHeap(tf);
    const x = tf.tensor(uniform(2 * 9 * 9 * 5, 1), [2, 9, 9, 5]) as tf.Tensor4D;
    const filter = tf.tensor(uniform(9 * 5 * 7, 2), [3, 3, 5, 7]) as tf.Tensor4D;
    const before = tf.conv2d(x, filter, 1, 'same').dataSync();
    const size = heap.memory.buffer.byteLength;
    // Larger than what is free: output and scratch lie in the grown part.
    const large = tf.zeros([8, 64, 64, 128]) as tf.Tensor4D;
    const after = tf.conv2d(x, filter, 1, 'same');
    tf.conv2d(large, tf.ones([3, 3, 128, 8]) as tf.Tensor4D, 1, 'same').dispose();
    expect(heap.memory.buffer.byteLength).toBeGreaterThan(size);
    expect(after.dataSync()).toEqual(before);
    large.dispose();
  });
});
