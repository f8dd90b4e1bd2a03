import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pictureBatches } from '../../src/images/batches.js';
import { type IndexBatch, type IndexCounts, indexPictures } from '../../src/retrieve/indexing.js';
import { openStore, type SqliteStore } from '../../src/retrieve/sqlite-store.js';
import { code } from './store.case.js';

/** A picture of two bytes; its embedding is the two bytes. */
type Pictures = Readonly<Record<string, readonly [number, number]>>;

let folder = '';
let store: SqliteStore;
let embedded: number[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-indexing-'));
  store = await openStore(join(folder, 'store.db'), {
    create: { fingerprint: 'encoder', dimension: 2, metric: 'inner-product' },
  });
  embedded = [];
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const embed = async (pixels: Uint8Array, count: number): Promise<Float32Array> => {
  expect(pixels.length).toBe(count * 2);
  embedded.push(count);
  return Float32Array.from(pixels);
};

async function* batches(pictures: Pictures, size = 2): AsyncGenerator<IndexBatch> {
  const entries = Object.entries(pictures);
  for (let at = 0; at < entries.length; at += size) {
    const some = entries.slice(at, at + size);
    yield {
      names: some.map(([name]) => name),
      hashes: some.map(([, pixels]) => `hash ${pixels}`),
      data: Uint8Array.from(some.flatMap(([, pixels]) => [...pixels])),
    };
  }
}

const counts = (some: Partial<IndexCounts>): IndexCounts => ({
  added: 0,
  updated: 0,
  unchanged: 0,
  removed: 0,
  skipped: 0,
  ...some,
});

describe('indexPictures', () => {
  const first: Pictures = { a: [1, 1], b: [2, 2], c: [3, 3], d: [4, 4], e: [5, 5] };

  it('embeds new and changed content only, and removes vanished names when asked to', async () => {
    expect(await indexPictures({ store, batches: batches(first), embed })).toEqual(counts({ added: 5 }));
    expect(embedded).toEqual([2, 2, 1]);
    embedded = [];
    expect(await indexPictures({ store, batches: batches(first), embed })).toEqual(counts({ unchanged: 5 }));
    expect(embedded).toEqual([]);
    const second: Pictures = { a: [1, 1], b: [9, 9], d: [4, 4], f: [6, 6] };
    expect(await indexPictures({ store, batches: batches(second), embed })).toEqual(
      counts({ added: 1, updated: 1, unchanged: 2 }),
    );
    expect(embedded).toEqual([1, 1]);
    expect(await store.count()).toBe(6);
    expect(await indexPictures({ store, batches: batches(second), embed, prune: true })).toEqual(
      counts({ unchanged: 4, removed: 2 }),
    );
    expect(await store.ids()).toEqual(['a', 'b', 'd', 'f']);
    expect((await store.search(Float32Array.of(1, 1), { k: 4 })).map(({ id, score }) => [id, score])).toEqual([
      ['b', 18],
      ['f', 12],
      ['d', 8],
      ['a', 2],
    ]);
  });

  it('counts what the source left out, keeps it when pruning, and stores metadata', async () => {
    await indexPictures({ store, batches: batches(first), embed });
    async function* source(): AsyncGenerator<IndexBatch> {
      yield {
        names: ['g'],
        hashes: ['h'],
        data: Uint8Array.of(7, 7),
        metadata: [{ page: 3 }],
        unchanged: [{ name: 'a' }],
        skipped: [{ name: 'b', reason: 'truncated' }],
      };
      yield { names: [], hashes: [], data: new Uint8Array(0), skipped: [{ name: 'x', reason: 'empty' }] };
    }
    expect(await indexPictures({ store, batches: source(), embed, prune: true })).toEqual(
      counts({ added: 1, unchanged: 1, removed: 3, skipped: 2 }),
    );
    expect(await store.ids()).toEqual(['a', 'b', 'g']);
    expect((await store.get('g'))!.metadata).toEqual({ page: 3 });
  });

  it('stops at the signal with whole batches stored, prunes nothing then, and goes on from there', async () => {
    await store.upsert([{ id: 'old', vector: new Float32Array(2) }]);
    const stop = new AbortController();
    const seen: IndexCounts[] = [];
    const run = indexPictures({
      store,
      batches: batches(first),
      embed,
      prune: true,
      signal: stop.signal,
      onProgress: (progress) => {
        seen.push(progress);
        if (seen.length === 2) stop.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(seen).toEqual([counts({ added: 2 }), counts({ added: 4 })]);
    expect(await store.ids()).toEqual(['a', 'b', 'c', 'd', 'old']);
    expect(await indexPictures({ store, batches: batches(first), embed, prune: true })).toEqual(
      counts({ added: 1, unchanged: 4, removed: 1 }),
    );
  });

  it('keeps the batches before one that fails', async () => {
    const failing = async (pixels: Uint8Array, count: number): Promise<Float32Array> => {
      if (pixels[0] === 3) throw new Error('no memory');
      return embed(pixels, count);
    };
    await expect(indexPictures({ store, batches: batches(first), embed: failing })).rejects.toThrow('no memory');
    expect(await store.ids()).toEqual(['a', 'b']);
  });

  it('refuses another encoder before embedding anything, and vectors that do not fit', async () => {
    const options = { store, batches: batches(first), embed };
    await expect(indexPictures({ ...options, fingerprint: 'other' })).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
    expect(embedded).toEqual([]);
    const short = async (): Promise<Float32Array> => new Float32Array(3);
    await expect(indexPictures({ ...options, embed: short })).rejects.toThrow(code('NM_SHAPE_MISMATCH'));
    async function* uneven(): AsyncGenerator<IndexBatch> {
      yield { names: ['a', 'b'], hashes: ['h', 'i'], data: new Uint8Array(5) };
    }
    await expect(indexPictures({ ...options, batches: uneven() })).rejects.toThrow(code('NM_SHAPE_MISMATCH'));
    async function* unhashed(): AsyncGenerator<IndexBatch> {
      yield { names: ['a', 'b'], hashes: ['h'], data: new Uint8Array(4) };
    }
    await expect(indexPictures({ ...options, batches: unhashed() })).rejects.toThrow(code('NM_SHAPE_MISMATCH'));
    expect(await store.count()).toBe(0);
  });

  it('indexes a folder of pictures, and decodes only what changed the next time', async () => {
    const emoji = fileURLToPath(new URL('../../node_modules/emoji-datasource-google/img/google/64/', import.meta.url));
    const names = (await readdir(emoji)).filter((name) => name.endsWith('.png')).slice(0, 9);
    const pictures = join(folder, 'pictures');
    await mkdir(pictures);
    for (const name of names) await copyFile(join(emoji, name), join(pictures, name));
    await writeFile(join(pictures, 'broken.png'), 'no picture');
    const decoded: number[] = [];
    const run = (): Promise<IndexCounts> =>
      indexPictures({
        store,
        batches: pictureBatches(pictures, {
          size: 16,
          batch: 4,
          unchanged: (name, hash) => store.hash(name) === hash,
        }),
        embed: async (pixels, count) => {
          decoded.push(count);
          const bytes = pixels.length / count;
          return Float32Array.from({ length: count * 2 }, (_, i) => pixels[Math.floor(i / 2) * bytes + (i % 2)]!);
        },
        prune: true,
      });
    expect(await run()).toEqual(counts({ added: 9, skipped: 1 }));
    expect(decoded.reduce((sum, count) => sum + count)).toBe(9);
    decoded.length = 0;
    await copyFile(join(emoji, names[0]!), join(pictures, names[1]!));
    await rm(join(pictures, names[2]!));
    expect(await run()).toEqual(counts({ updated: 1, unchanged: 7, removed: 1, skipped: 1 }));
    expect(decoded).toEqual([1]);
    expect(await store.count()).toBe(8);
  });
});
