import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { Crc32 } from '../../src/retrieve/crc32.js';
import { readDeviceIndex } from '../../src/retrieve/device-index.js';
import { writeDeviceIndex } from '../../src/retrieve/device-index-writer.js';
import { fromHalf, toHalf } from '../../src/retrieve/half.js';
import { openStore, type SqliteStore } from '../../src/retrieve/sqlite-store.js';
import { METRICS } from '../../src/retrieve/vectors.js';
import { gaussian } from './oracle.js';
import { arbitraryFilter, code, item, SPECIMENS } from './store.case.js';

const DIMENSION = 20;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-index-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A store whose ids were added in byte order, as an index file has them. */
async function filled(name: string, metric: (typeof METRICS)[number], count = 150): Promise<SqliteStore> {
  const store = await openStore(join(folder, `${name}.db`), {
    create: { fingerprint: 'f', dimension: DIMENSION, metric, modelCard: { name: 'ä' } },
  });
  const random = randomStream(61);
  await store.upsert(
    Array.from({ length: count }, (_, i) =>
      item(
        `é${String(i).padStart(5, '0')}`,
        [...gaussian(DIMENSION, randomStream(62, i))],
        SPECIMENS[random.integer(14)],
      ),
    ),
  );
  return store;
}

describe('index file', () => {
  it.each(METRICS)('answers as the store that it was written from: %s', async (metric) => {
    const store = await filled(`same-${metric}`, metric);
    const path = join(folder, `same-${metric}.nmi`);
    const seen: number[] = [];
    const { items, bytes } = await writeDeviceIndex(store, path, { onProgress: (done) => seen.push(done) });
    const file = await readFile(path);
    expect([items, bytes, ...seen]).toEqual([150, file.length, 150]);
    // at an odd address, as a part of a larger buffer
    const odd = new Uint8Array(file.length + 1);
    odd.set(file, 1);
    const index = await readDeviceIndex(odd.subarray(1));
    expect(index.info).toEqual({ fingerprint: 'f', dimension: DIMENSION, metric, modelCard: { name: 'ä' } });
    const queries = Array.from({ length: 4 }, (_, i) => gaussian(DIMENSION, randomStream(63, i)));
    expect(index.search(queries, { k: 7 })).toEqual(await store.search(queries, { k: 7 }));
    const radius = metric === 'l2' ? 5 : 0.2;
    await fc.assert(
      fc.asyncProperty(arbitraryFilter, async (filter) => {
        const options = { k: 9, filter, radius };
        expect(index.search(queries[0]!, options)).toEqual(await store.search(queries[0]!, options));
      }),
      { numRuns: 40 },
    );
    expect(index.get('é00003')).toMatchObject({ id: 'é00003', metadata: (await store.get('é00003'))!.metadata });
    expect(index.get('é')).toBeUndefined();
    expect([index.count, index.id(149)]).toEqual([150, 'é00149']);
    expect(() => index.checkEncoder('g')).toThrow(code('NM_ENCODER_MISMATCH'));
    expect(() => index.search(queries[0]!, { filter: { op: 'like' } as never })).toThrow(code('NM_FILTER_INVALID'));
    await store.close();
  });

  it('is exact for rounded vectors with float16, at half their size, and can leave metadata out', async () => {
    const store = await filled('half', 'cosine', 2000);
    const path = join(folder, 'half.nmi');
    const whole = await writeDeviceIndex(store, path, { withoutMetadata: true });
    const small = await writeDeviceIndex(store, path, { withoutMetadata: true, vectors: 'float16' });
    expect(whole.bytes - small.bytes).toBe(2000 * DIMENSION * 2);
    const index = await readDeviceIndex(await readFile(path));
    const query = gaussian(DIMENSION, randomStream(64));
    const hits = index.search(query, { k: 10 });
    const theirs = await store.search(query, { k: 10 });
    expect(hits[0]).toEqual({ id: theirs[0]!.id, score: expect.closeTo(theirs[0]!.score, 3), metadata: {} });
    await store.close();
    const large = await openStore(join(folder, 'large.db'), {
      create: { fingerprint: 'f', dimension: 1, metric: 'l2' },
    });
    await large.upsert([item('a', [1e6])]);
    await expect(writeDeviceIndex(large, path, { vectors: 'float16' })).rejects.toThrow(code('NM_INDEX_TOO_LARGE'));
    // what was there stays, and nothing lies about
    expect((await readDeviceIndex(await readFile(path))).count).toBe(2000);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await large.close();
  });

  it.each(METRICS)(
    'needs no vectors with int8, and is exact for those that the codes stand for: %s',
    async (metric) => {
      const store = await filled(`int8-${metric}`, metric, 2000);
      const path = join(folder, `int8-${metric}.nmi`);
      const whole = await writeDeviceIndex(store, path);
      const small = await writeDeviceIndex(store, path, { vectors: 'int8' });
      // The header has a field more.
      expect(whole.bytes - small.bytes).toBeGreaterThan(2000 * DIMENSION * 4 - 200);
      const index = await readDeviceIndex(await readFile(path));
      expect(index.vectors).toBe('int8');
      const bound = index.vectorError!;
      expect(bound).toBeGreaterThan(0);
      expect(bound).toBeLessThan(metric === 'cosine' ? 0.05 : 0.2);
      const items = Array.from({ length: index.count }, (_, row) => index.get(index.id(row))!);
      for (const { id, vector } of items.slice(0, 50)) {
        const stored = (await store.get(id))!.vector;
        const length = metric === 'cosine' ? Math.hypot(...stored) : 1;
        expect(Math.hypot(...stored.map((value, j) => value / length - vector[j]!))).toBeLessThan(bound);
      }
      for (let i = 0; i < 4; i++) {
        const query = gaussian(DIMENSION, randomStream(65, i));
        const hits = index.search(query, { k: 10 });
        const scores = items.map(({ id, vector }) => ({ id, score: scoreOf(metric, query, vector) }));
        scores.sort((a, b) => (metric === 'l2' ? a.score - b.score : b.score - a.score));
        expect(hits.map(({ id }) => id)).toEqual(scores.slice(0, 10).map(({ id }) => id));
        const theirs = new Map((await store.search(query, { k: 1000 })).map(({ id, score }) => [id, score]));
        const length = metric === 'inner-product' ? Math.hypot(...query) : 1;
        for (const [n, { id, score }] of hits.entries()) {
          expect(score).toBeCloseTo(scores[n]!.score, 5);
          expect(Math.abs(score - theirs.get(id)!)).toBeLessThan(bound * length);
        }
      }
      await store.close();
    },
  );

  it('of no items finds nothing', async () => {
    const store = await filled('none', 'l2', 0);
    const path = join(folder, 'none.nmi');
    await writeDeviceIndex(store, path);
    const index = await readDeviceIndex(await readFile(path));
    expect(index.search(new Float32Array(DIMENSION))).toEqual([]);
    await store.close();
  });

  it('is refused wherever a byte was altered, and wherever it was cut', async () => {
    const store = await filled('altered', 'inner-product', 20);
    const path = join(folder, 'altered.nmi');
    await writeDeviceIndex(store, path);
    await store.close();
    const file = new Uint8Array(await readFile(path));
    const refused = async (bytes: Uint8Array): Promise<void> => {
      await expect(readDeviceIndex(bytes)).rejects.toThrow(code('NM_INDEX_INVALID'));
    };
    await refused(new Uint8Array(0));
    await refused(new Uint8Array([...file, 0]));
    await fc.assert(fc.asyncProperty(fc.nat(file.length - 1), async (length) => refused(file.subarray(0, length))));
    let padding = 0;
    for (let at = 0; at < file.length; at += 1 + (at % 3)) {
      const altered = file.slice();
      altered[at] = altered[at]! ^ 0x10;
      const failed = await readDeviceIndex(altered).then(
        () => false,
        () => true,
      );
      if (failed) await refused(altered);
      else {
        // only zeros between sections, which nothing reads
        expect(file[at], `byte ${at}`).toBe(0);
        padding += 1;
      }
    }
    expect(padding).toBeLessThan(64 * 4);
  });
});

describe('parts of the format', () => {
  it('has the CRC-32 of zip, in pieces of any length', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) ^ (i >> 3));
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), (a, b) => {
        const [first, second] = [Math.min(a, b), Math.max(a, b)];
        const crc = new Crc32().update(bytes.subarray(0, first)).update(bytes.subarray(first, second));
        expect(crc.value).toBe(ownCrc(bytes.subarray(0, second)));
      }),
    );
    expect(new Crc32().update(new TextEncoder().encode('123456789')).value).toBe(0xcbf43926);
  });

  it('rounds to the nearest float16, ties to even, and back', () => {
    const halves = Array.from({ length: 65536 }, (_, half) => half).filter((half) => (half & 0x7fff) <= 0x7c00);
    expect(halves.filter((half) => toHalf(fromHalf(half)) !== half)).toEqual([]);
    expect(fromHalf(toHalf(Number.NaN))).toBeNaN();
    fc.assert(
      fc.property(fc.nat(0x7bfe), fc.constantFrom(0.25, 0.5, 0.75), (half, share) => {
        const [low, high] = [fromHalf(half), fromHalf(half + 1)];
        const value = low + share * (high - low);
        const expected = share < 0.5 ? half : share > 0.5 ? half + 1 : half % 2 === 0 ? half : half + 1;
        expect(toHalf(value)).toBe(expected);
        expect(toHalf(-value)).toBe(expected | 0x8000);
      }),
    );
    expect(toHalf(65520)).toBe(0x7c00);
  });
});

/** The obvious way, in float64. */
function scoreOf(metric: (typeof METRICS)[number], query: Float32Array, vector: Float32Array): number {
  const product = query.reduce((sum, value, j) => sum + value * vector[j]!, 0);
  if (metric === 'cosine') return product / (Math.hypot(...query) * Math.hypot(...vector));
  return metric === 'l2' ? Math.hypot(...query.map((value, j) => value - vector[j]!)) : product;
}

/** Bit by bit, the obvious way. */
function ownCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
