import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPairs, readPictures, selectPictures } from '../../src/images/index.js';
import { codeOf, plainPng, pngClaiming, quarters, temporaryFolder, writeTree } from './files.js';

const folder = temporaryFolder();
const red = await plainPng('#f00');
const green = await plainPng('#0f0');
const blue = await plainPng('#00f');
const size = 8;

/** First pixel of each picture, as a colour. */
function colours(pictures: { count: number; size: number; data: Uint8Array }): string[] {
  return Array.from({ length: pictures.count }, (_, row) => {
    const at = row * pictures.size * pictures.size * 3;
    return Buffer.from(pictures.data.subarray(at, at + 3)).toString('hex');
  });
}

describe('readPictures of a folder', () => {
  test('reads any nesting, in the order of names by code unit, with hashes', async () => {
    const root = await writeTree(join(folder, 'nested'), {
      'b.png': blue,
      'a/z/deep.PNG': green,
      'a-.png': red,
      'größe 写真.dat': red,
      'B.png': green,
    });
    const pictures = await readPictures(root, { size });
    // '-' comes before '/', so a-.png before a/…; capitals before small letters.
    expect(pictures.names).toEqual(['B.png', 'a-.png', 'a/z/deep.PNG', 'b.png', 'größe 写真.dat']);
    expect([...pictures.names].sort()).toEqual(pictures.names);
    expect(colours(pictures)).toEqual(['00ff00', 'ff0000', '00ff00', '0000ff', 'ff0000']);
    expect(pictures.hashes[3]).toBe(createHash('sha256').update(blue).digest('hex'));
    expect(pictures.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(pictures.data).toHaveLength(5 * size * size * 3);
    expect(pictures.skipped).toEqual([]);
    expect(pictures.labels).toBeUndefined();
  });

  test('skips what is no usable picture, and says why', async () => {
    const jpeg = await quarters(64).jpeg().toBuffer();
    const root = await writeTree(join(folder, 'broken'), {
      'good.png': red,
      'text.png': 'this is text',
      'empty.jpg': '',
      'bomb.png': pngClaiming(60000, 60000),
      'cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'drawing.svg': '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
      'big.png': new Uint8Array(20_000),
      'Thumbs.db': 'clutter',
      '.DS_Store': 'clutter',
      '.git/x.png': red,
      '__MACOSX/x.png': red,
    });
    const pictures = await readPictures(root, { size, maxBytes: 19_999 });
    expect(pictures.names).toEqual(['good.png']);
    expect(pictures.skipped).toEqual([
      { name: 'big.png', reason: '20000 bytes, allowed: 19999' },
      { name: 'bomb.png', reason: '60000x60000 pixels, allowed: 100000000' },
      { name: 'cut.jpg', reason: expect.stringMatching(/^cannot be decoded/) },
      { name: 'drawing.svg', reason: 'SVG is not read; render it to PNG first' },
      { name: 'empty.jpg', reason: 'empty file' },
      { name: 'text.png', reason: 'not a picture; allowed: PNG, JPEG, WebP, AVIF, GIF' },
    ]);
  });

  test.skipIf(process.platform === 'win32')('follows links once, never in circles, and reads no pipes', async () => {
    const root = await writeTree(join(folder, 'links/root'), { 'a/1.png': red, 'b/2.png': green });
    const outside = await writeTree(join(folder, 'links/outside'), { '3.png': blue });
    symlinkSync(root, join(root, 'a/loop'));
    symlinkSync(join(root, 'b'), join(root, 'a/again'));
    symlinkSync(outside, join(root, 'c'));
    symlinkSync(outside, join(root, 'd'));
    symlinkSync(root, join(outside, 'back'));
    symlinkSync(join(folder, 'links'), join(root, 'up'));
    symlinkSync(join(root, 'b/2.png'), join(root, 'link.png'));
    symlinkSync(join(root, 'nowhere'), join(root, 'broken.png'));
    execFileSync('mkfifo', [join(root, 'pipe.png')]);
    const pictures = await readPictures(root, { size });
    expect(pictures.names).toEqual(['a/1.png', 'b/2.png', 'c/3.png', 'link.png']);
    const inside = 'link to a folder of this source, which is read in its own place';
    expect(pictures.skipped).toEqual([
      { name: 'a/again', reason: inside },
      { name: 'a/loop', reason: inside },
      { name: 'broken.png', reason: 'broken link (ENOENT)' },
      { name: 'c/back', reason: inside },
      { name: 'd', reason: 'folder that is read in another place' },
      { name: 'pipe.png', reason: 'neither a file nor a folder' },
      { name: 'up/outside', reason: 'folder that is read in another place' },
      { name: 'up/root', reason: 'folder that is read in another place' },
    ]);
  });

  test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('names a folder it may not read', async () => {
    const root = await writeTree(join(folder, 'locked'), { 'a.png': red });
    mkdirSync(join(root, 'secret'), { mode: 0 });
    const pictures = await readPictures(root, { size });
    expect(pictures.skipped).toEqual([{ name: 'secret/', reason: 'folder cannot be read (EACCES)' }]);
  });

  test('takes folders as classes, below what all have in common', async () => {
    const root = await writeTree(join(folder, 'classes'), {
      'flowers/train/rose/1.png': red,
      'flowers/train/rose/sub/2.png': red,
      'flowers/train/iris/1.png': blue,
    });
    const pictures = await readPictures(root, { size });
    expect(pictures.classes).toEqual(['iris', 'rose']);
    expect([...(pictures.labels ?? [])]).toEqual([0, 1, 1]);
    const mixed = await writeTree(join(folder, 'mixed'), { 'rose/1.png': red, 'top.png': blue });
    expect((await readPictures(mixed, { size })).labels).toBeUndefined();
    const single = await writeTree(join(folder, 'single'), { 'rose/1.png': red, 'rose/2.png': blue });
    expect((await readPictures(single, { size })).labels).toBeUndefined();
  });

  test('gives the same pictures at any concurrency', async () => {
    const files: Record<string, Uint8Array> = {};
    for (let i = 0; i < 40; i++) files[`${i}.png`] = await plainPng(`rgb(${i * 6}, 9, 200)`, 1 + (i % 7) * 30);
    const root = await writeTree(join(folder, 'many'), files);
    const one = await readPictures(root, { size, concurrency: 1 });
    expect(await readPictures(root, { size, concurrency: 7 })).toEqual(one);
    expect(one.count).toBe(40);
  });

  test('reports progress and stops when told', async () => {
    const root = join(folder, 'many');
    const seen: number[] = [];
    await readPictures(root, { size, onProgress: (done) => seen.push(done) });
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const controller = new AbortController();
    const reading = readPictures(root, {
      size,
      signal: controller.signal,
      onProgress: (done) => {
        if (done === 5) controller.abort(new Error('enough'));
      },
    });
    await expect(reading).rejects.toThrow('enough');
    await expect(readPictures(root, { size, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    );
  });

  test('refuses what is no source', async () => {
    expect(await codeOf(() => readPictures(join(folder, 'nowhere'), { size }))).toBe('NM_SOURCE_MISSING');
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'text');
    expect(await codeOf(() => readPictures(file, { size }))).toBe('NM_SOURCE_INVALID');
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    await expect(readPictures(empty, { size })).rejects.toThrow(`${empty}: found no usable picture`);
    const useless = await writeTree(join(folder, 'useless'), { 'a.txt': 'x', 'b.txt': 'y' });
    await expect(readPictures(useless, { size })).rejects.toMatchObject({
      code: 'NM_SOURCE_EMPTY',
      message: expect.stringContaining('2 skipped, the first: a.txt: not a picture'),
    });
    expect(await codeOf(() => readPictures(useless, { size: 0 }))).toBe('NM_OPTION_INVALID');
    expect(await codeOf(() => readPictures(useless, { size, concurrency: 0 }))).toBe('NM_OPTION_INVALID');
  });
});

describe('readPairs', () => {
  test('aligns pictures of the same name, whatever the extension', async () => {
    const a = await writeTree(join(folder, 'pair-a'), { 'x/1.png': red, '2.png': green, 'alone.png': blue });
    const jpeg = await quarters(8).jpeg().toBuffer();
    const b = await writeTree(join(folder, 'pair-b'), { '2.jpg': jpeg, 'x/1.png': blue, 'z.png': red, 'bad.png': '' });
    const seen: number[] = [];
    const pairs = await readPairs(a, b, { size, onProgress: (done) => seen.push(done) });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(pairs.a.names).toEqual(['2.png', 'x/1.png']);
    expect(pairs.b.names).toEqual(['2.jpg', 'x/1.png']);
    expect(colours(pairs.a)).toEqual(['00ff00', 'ff0000']);
    expect(colours(pairs.b)[1]).toBe('0000ff');
    expect(pairs.unpaired).toEqual(['alone.png', 'z.png']);
    expect(pairs.b.skipped).toEqual([{ name: 'bad.png', reason: 'empty file' }]);
  });

  test('refuses sources without a common name, and names that stand for two pictures', async () => {
    const a = await writeTree(join(folder, 'apart-a'), { '1.png': red });
    const b = await writeTree(join(folder, 'apart-b'), { '2.png': red });
    expect(await codeOf(() => readPairs(a, b, { size }))).toBe('NM_PAIRS_EMPTY');
    const twice = await writeTree(join(folder, 'twice'), {
      '1.png': red,
      '1.jpg': await quarters(8).jpeg().toBuffer(),
    });
    expect(await codeOf(() => readPairs(a, twice, { size }))).toBe('NM_PAIR_AMBIGUOUS');
  });
});

test('selectPictures picks rows with their names, hashes and labels', async () => {
  const root = await writeTree(join(folder, 'select'), { 'p/1.png': red, 'q/2.png': green, 'r/3.png': blue });
  const all = await readPictures(root, { size });
  const some = selectPictures(all, [2, 0, 2]);
  expect(some.names).toEqual(['r/3.png', 'p/1.png', 'r/3.png']);
  expect(colours(some)).toEqual(['0000ff', 'ff0000', '0000ff']);
  expect([...(some.labels ?? [])]).toEqual([2, 0, 2]);
  expect(some.hashes[1]).toBe(all.hashes[0]);
  expect(await codeOf(() => selectPictures(all, [3]))).toBe('NM_OPTION_INVALID');
});
