import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPictures } from '../../src/images/index.js';
import { randomStream } from '../../src/random.js';
import { codeOf, temporaryFolder, writeTree } from './files.js';

const folder = temporaryFolder();

/** Records of `labels`; pixel values are random, each plane's drawn from the same stream. */
function batch(labels: readonly (readonly number[])[], seed: number): Uint8Array {
  const random = randomStream(seed);
  return Uint8Array.from(
    labels.flatMap((label) => [...label, ...Array.from({ length: 3072 }, () => random.integer(256))]),
  );
}

test('reads CIFAR-10 training batches of a folder, planes to pixels, with class names', async () => {
  const first = batch([[3], [9], [0]], 1);
  const names = ['airplane', 'car', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  const root = await writeTree(join(folder, 'ten'), {
    'data_batch_1.bin': first,
    'data_batch_2.bin': batch([[3]], 2),
    'test_batch.bin': batch([[1]], 3),
    'batches.meta.txt': `${names.join('\n')}\n\n`,
  });
  const pictures = await readPictures(root, { size: 32 });
  expect(pictures.names).toEqual([
    'data_batch_1.bin/00000',
    'data_batch_1.bin/00001',
    'data_batch_1.bin/00002',
    'data_batch_2.bin/00000',
  ]);
  expect([...(pictures.labels ?? [])].map((label) => pictures.classes?.[label])).toEqual([
    'cat',
    'truck',
    'airplane',
    'cat',
  ]);
  for (const [row, pixel] of [
    [0, 0],
    [1, 33],
    [2, 1023],
  ] as const) {
    const at = row * 3073 + 1 + pixel;
    const wanted = [first[at], first[at + 1024], first[at + 2048]];
    const from = (row * 1024 + pixel) * 3;
    expect([...pictures.data.subarray(from, from + 3)]).toEqual(wanted);
  }
  const test = await readPictures(join(root, 'test_batch.bin'), { size: 16 });
  expect(test.count).toBe(1);
  expect(test.data).toHaveLength(16 * 16 * 3);
});

test('reads CIFAR-100 by its fine labels, and numbers them in order', async () => {
  const root = await writeTree(join(folder, 'hundred'), {
    'train.bin': batch(
      [
        [1, 10],
        [1, 9],
        [0, 99],
      ],
      4,
    ),
  });
  const pictures = await readPictures(root, { size: 32 });
  expect(pictures.classes).toEqual(['9', '10', '99']);
  expect([...(pictures.labels ?? [])]).toEqual([1, 0, 2]);
});

test('tells the layout of another .bin by its length', async () => {
  const root = await writeTree(join(folder, 'other'), { 'a.bin': batch([[2], [3]], 5), 'b.bin': batch([[2, 3]], 6) });
  expect((await readPictures(join(root, 'a.bin'), { size: 32 })).classes).toEqual(['2', '3']);
  expect((await readPictures(join(root, 'b.bin'), { size: 32 })).classes).toEqual(['3']);
});

test.each([
  [
    'a length that fits no layout',
    'a.bin',
    new Uint8Array(5000),
    'found 5000 bytes, allowed: a multiple of 3073 (CIFAR-10) or',
  ],
  [
    'a batch cut short',
    'data_batch_1.bin',
    new Uint8Array(3073 * 2 - 1),
    'found 6145 bytes, allowed: a multiple of 3073',
  ],
  ['an empty batch', 'test.bin', new Uint8Array(0), 'found 0 bytes, allowed: a multiple of 3074 (CIFAR-100)'],
  ['a length that fits both', 'b.bin', new Uint8Array(3073 * 3074), 'which fits both'],
  [
    'a label there is not',
    'data_batch_1.bin',
    batch([[1], [10]], 7),
    'record 1 has label 10, allowed: 0 to 9 (CIFAR-10)',
  ],
])('refuses %s', async (_, name, content, message) => {
  const root = await writeTree(join(folder, `bad-${message.length}`), { [name]: content });
  const read = (): Promise<unknown> => readPictures(join(root, name), { size: 32 });
  expect(await codeOf(read)).toBe('NM_SOURCE_INVALID');
  await expect(read()).rejects.toThrow(message);
});
