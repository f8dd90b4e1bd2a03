import { execFile, spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { openStore, type SqliteStore } from '../../src/retrieve/sqlite-store.js';
import { gaussian } from './oracle.js';
import { code, describeStore, ENCODER, item } from './store.case.js';

let folder = '';
let places = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-store-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describeStore('SQLite', async () => {
  places += 1;
  // a name that a URL would have to escape
  const path = join(folder, `store ${places} 50%?#ü.db`);
  return { open: (options) => openStore(path, options), remove: () => rm(path, { force: true }) };
});

describeStore(
  'SQLite, vectors on disk',
  async () => {
    places += 1;
    const path = join(folder, `disk ${places}.db`);
    return {
      open: (options) => openStore(path, { ...options, vectors: 'disk' }),
      remove: () => rm(path, { force: true }),
    };
  },
  3,
);

async function filled(name: string, count = 3): Promise<string> {
  const path = join(folder, name);
  const store = await openStore(path, { create: ENCODER });
  await store.upsert(Array.from({ length: count }, (_, i) => item(`id${i}`, [i, 1, 0, 0])));
  await store.close();
  return path;
}

describe('SQLite store file', () => {
  it('is one file once it is closed, with all items in it', async () => {
    const path = await filled('one.db');
    const copy = join(folder, 'copy.db');
    await copyFile(path, copy);
    const store = await openStore(copy, { readOnly: true });
    expect(await store.count()).toBe(3);
    await store.close();
  });

  it('commits to the disk, in a write-ahead log', async () => {
    const path = await filled('pragmas.db');
    const opened: unknown[] = [];
    const exec = Database.prototype.exec;
    Database.prototype.exec = function (this: Database.Database, sql: string) {
      const result = exec.call(this, sql);
      if (sql.startsWith('PRAGMA synchronous')) opened.push(this.prepare('PRAGMA synchronous').raw().get());
      return result;
    };
    try {
      await (await openStore(path)).close();
    } finally {
      Database.prototype.exec = exec;
    }
    expect(opened).toEqual([[2]]); // FULL
    expect((await readFile(path)).subarray(18, 20)).toEqual(Buffer.of(2, 2)); // WAL, in the file's header
  });

  it('refuses what is not there or not a store', async () => {
    await expect(openStore(join(folder, 'missing.db'))).rejects.toThrow(code('NM_STORE_MISSING'));
    await expect(openStore(join(folder, 'no/such/folder.db'), { create: ENCODER })).rejects.toThrow(
      code('NM_STORE_MISSING'),
    );
    await expect(openStore(join(folder, 'missing.db'), { create: ENCODER, readOnly: true })).rejects.toThrow(
      code('NM_STORE_MISSING'),
    );
    await expect(stat(join(folder, 'missing.db'))).rejects.toThrow('ENOENT');
    const text = join(folder, 'text.db');
    await writeFile(text, 'not a database, but long enough for a header of one hundred bytes: '.repeat(4));
    const empty = join(folder, 'empty.db');
    await writeFile(empty, '');
    const directory = join(folder, 'directory.db');
    await mkdir(directory);
    const other = join(folder, 'other.db');
    const db = new Database(other);
    db.exec('CREATE TABLE t (a)');
    db.close();
    for (const path of [text, directory, other]) {
      await expect(openStore(path)).rejects.toThrow(code('NM_STORE_INVALID'));
      await expect(openStore(path, { create: ENCODER })).rejects.toThrow(code('NM_STORE_INVALID'));
      await expect(openStore(path, { readOnly: true })).rejects.toThrow(code('NM_STORE_INVALID'));
    }
    await expect(openStore(empty)).rejects.toThrow(code('NM_STORE_INVALID'));
    expect((await readFile(text, 'utf8')).startsWith('not a database')).toBe(true);
    // a process killed while creating leaves an empty file: creating takes it over
    await (await openStore(empty, { create: ENCODER })).close();
    await (await openStore(empty)).close();
  });

  it('refuses a file of a newer layout, and settings that are out of range', async () => {
    const path = await filled('newer.db');
    const db = new Database(path);
    db.exec('PRAGMA user_version = 99');
    db.close();
    await expect(openStore(path)).rejects.toThrow(code('NM_STORE_VERSION'));
    await expect(openStore(path, { busyTimeout: -1 })).rejects.toThrow(code('NM_OPTION_INVALID'));
    for (const create of [
      { ...ENCODER, fingerprint: '' },
      { ...ENCODER, dimension: 0 },
      { ...ENCODER, metric: 'l1' as 'cosine' },
    ]) {
      await expect(openStore(join(folder, 'never.db'), { create })).rejects.toThrow(code('NM_OPTION_INVALID'));
    }
    await expect(stat(join(folder, 'never.db'))).rejects.toThrow('ENOENT');
  });

  it('says that a file is damaged rather than answer from it', async () => {
    const path = await filled('damaged.db', 2000);
    const bytes = await readFile(path);
    bytes.fill(0x5a, 4096, bytes.length - 4096);
    await writeFile(path, bytes);
    const search = async (): Promise<unknown> => {
      const store = await openStore(path);
      try {
        return await store.search(new Float32Array(4));
      } finally {
        await store.close().catch(() => undefined);
      }
    };
    await expect(search()).rejects.toThrow(code('NM_STORE_INVALID'));

    const short = await filled('short-vector.db');
    const db = new Database(short);
    db.exec("UPDATE items SET vector = x'00000000' WHERE id = 'id1'");
    db.close();
    const store = await openStore(short);
    await expect(store.search(new Float32Array(4))).rejects.toThrow(code('NM_STORE_INVALID'));
    await store.close();
  });

  it('waits for another writer, then gives up with NM_STORE_BUSY and nothing written', async () => {
    const path = await filled('busy.db');
    const store = await openStore(path, { busyTimeout: 50 });
    const db = new Database(path);
    db.exec('BEGIN IMMEDIATE');
    await expect(store.upsert([item('x', [1, 2, 3, 4])])).rejects.toThrow(code('NM_STORE_BUSY'));
    expect(await store.search(new Float32Array(4))).toHaveLength(3);
    db.exec('ROLLBACK');
    db.close();
    expect(await store.upsert([item('x', [1, 2, 3, 4])])).toEqual({ added: 1, updated: 0 });
    await store.close();
  });

  it('gives deleted space back on compact, and readers that were behind still see the truth', async () => {
    const path = join(folder, 'compact.db');
    const store = await openStore(path, { create: { fingerprint: 'f', dimension: 64 } });
    const vectors = gaussian(4000 * 64, randomStream(41));
    const ids = Array.from({ length: 4000 }, (_, i) => `id${i}`);
    await store.upsert(ids.map((id, i) => ({ id, vector: vectors.subarray(i * 64, (i + 1) * 64) })));
    const reader = await openStore(path, { readOnly: true });
    const probe = vectors.subarray(0, 64);
    expect((await reader.search(probe, { k: 1 }))[0]!.id).toBe('id0');
    await store.search(probe);
    const db = new Database(path);
    db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all(); // so that the file's size tells
    db.close();
    const before = (await stat(path)).size;
    await store.delete(ids.slice(0, 3500));
    const expected = (await store.search(probe, { k: 500 })).map(({ id }) => id);
    await store.compact();
    expect((await stat(path)).size).toBeLessThan(before / 4);
    expect((await reader.search(probe, { k: 500 })).map(({ id }) => id)).toEqual(expected);
    expect((await store.search(probe, { k: 500 })).map(({ id }) => id)).toEqual(expected);
    expect(await reader.count()).toBe(500);
    await reader.close();
    await store.close();
  });

  it('forgets a long list of removals without misleading a reader', async () => {
    const path = join(folder, 'removals.db');
    const store = await openStore(path, { create: { fingerprint: 'f', dimension: 1, metric: 'inner-product' } });
    const reader = await openStore(path);
    const ids = Array.from({ length: 20_000 }, (_, i) => `id${i}`);
    await store.upsert(ids.map((id, i) => item(id, [i])));
    expect((await reader.search(Float32Array.of(-1), { k: 1 }))[0]!.id).toBe('id0');
    await store.delete(ids.slice(0, 12_000));
    await store.delete(ids.slice(12_000, 19_990));
    const db = new Database(path);
    expect(db.prepare('SELECT count(*) FROM removals').raw().get()).toEqual([0]);
    db.close();
    expect((await reader.search(Float32Array.of(-1), { k: 2 })).map(({ id }) => id)).toEqual(['id19990', 'id19991']);
    expect((await reader.search(Float32Array.of(1), { k: 1000 })).length).toBe(10);
    await reader.close();
    await store.close();
  });

  it('answers alike with vectors on disk, on their way into memory, and there, while another writes', async () => {
    const path = join(folder, 'late.db');
    const dimension = 64;
    const store = await openStore(path, { create: { fingerprint: 'f', dimension } });
    const vectors = gaussian(20_000 * dimension, randomStream(43));
    const some = (first: number, end: number): Parameters<SqliteStore['upsert']>[0] =>
      Array.from({ length: end - first }, (_, i) => ({
        id: `id${first + i}`,
        vector: vectors.subarray((first + i) * dimension, (first + i + 1) * dimension),
      }));
    await store.upsert(some(0, 18_000));
    const queries = Array.from({ length: 4 }, (_, i) => gaussian(dimension, randomStream(44, i)));
    const readers = [await openStore(path, { vectors: 'disk' }), await openStore(path), await openStore(path)];
    // the last has all vectors before anything is written, the one before is amid it
    for (const [i, reader] of readers.entries()) {
      await reader.search(queries);
      for (let turn = 0; i === 2 && turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    const expected = await store.search(queries, { k: 20 });
    for (const reader of readers) expect(await reader.search(queries, { k: 20 })).toEqual(expected);
    await store.delete(expected.flatMap((hits) => hits.slice(0, 5).map(({ id }) => id)));
    await store.upsert(some(18_000, 20_000));
    // one item takes the place of another, whose code is then no bound of its vector
    await store.upsert([{ id: 'id77', vector: queries[0]! }]);
    const after = await store.search(queries, { k: 20 });
    expect(after[0]![0]!.id).toBe('id77');
    for (const reader of readers) {
      expect(await reader.search(queries, { k: 20 })).toEqual(after);
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(await reader.search(queries, { k: 20 })).toEqual(after);
      await reader.close();
    }
    await store.close();
  });

  it('says of an answer how many vectors it took to prove it', async () => {
    const path = await filled('checks.db', 50);
    const store = await openStore(path, { vectors: 'disk' });
    const hits = await store.search(Float32Array.of(-1, 0, 0, 0), { k: 3 });
    expect(hits.exactChecks).toBeGreaterThanOrEqual(3);
    expect(hits.exactChecks).toBeLessThan(50);
    expect(Object.keys(hits)).toEqual(['0', '1', '2']);
    const none = { op: 'eq', field: 'a', value: 1 } as const;
    expect((await store.search([Float32Array.of(1, 0, 0, 0)], { filter: none }))[0]!.exactChecks).toBe(0);
    await store.close();
  });

  it.each(['memory', 'disk'] as const)('searches in lists, and finds later items too, vectors in %s', async (place) => {
    const path = join(folder, `lists-${place}.db`);
    const dimension = 32;
    const store = await openStore(path, { create: { fingerprint: 'f', dimension }, vectors: place });
    const centres = gaussian(20 * dimension, randomStream(45));
    const noise = gaussian(4000 * dimension, randomStream(46));
    const ids = Array.from({ length: 4000 }, (_, i) => `id${i}`);
    const vector = (i: number): Float32Array =>
      Float32Array.from(
        { length: dimension },
        (_, j) => centres[(i % 20) * dimension + j]! + noise[i * dimension + j]! / 4,
      );
    await store.upsert(ids.map((id, i) => ({ id, vector: vector(i), metadata: { part: i % 50 } })));
    expect((await store.search(vector(3), { mode: 'approximate' }))[0]!.id).toBe('id3'); // exact without lists
    const building = store.buildLists({ recall: 0.95, lists: 20 });
    const meanwhile = store.search(vector(3), { k: 10, mode: 'approximate' }); // waits for the lists
    const report = await building;
    expect(report).toMatchObject({ lists: 20, rows: 4000 });
    expect(report.recall).toBeGreaterThanOrEqual(0.95);
    expect(report.probes).toBeLessThan(20);
    expect((await meanwhile)[0]!.id).toBe('id3');
    const queries = Array.from({ length: 50 }, (_, i) => vector(i * 79));
    const found = async (mode: 'exact' | 'approximate'): Promise<string[]> =>
      (await store.search(queries, { k: 10, mode })).flatMap((hits, q) => hits.map(({ id }) => `${q} ${id}`));
    const exact = new Set(await found('exact'));
    expect((await found('approximate')).filter((hit) => exact.has(hit)).length).toBeGreaterThan(450);
    const filter = { op: 'eq', field: 'part', value: 7 } as const;
    expect(await store.search(vector(0), { k: 80, filter, mode: 'approximate' })).toHaveLength(80);
    await store.upsert([{ id: 'later', vector: vector(3) }]);
    await store.delete(['id3']);
    const [first] = await store.search(vector(3), { k: 1, mode: 'approximate' });
    expect(first).toMatchObject({ id: 'later' });
    await store.close();
  });

  it('is created once when two open it at the same time', async () => {
    const path = join(folder, 'race.db');
    const stores = await Promise.all([openStore(path, { create: ENCODER }), openStore(path, { create: ENCODER })]);
    for (const [i, store] of stores.entries()) await store.upsert([item(`id${i}`, [1, 2, 3, 4])]);
    for (const store of stores) expect(await store.count()).toBe(2);
    for (const store of stores) await store.close();
  });
});

// `npm run build` has run before; the children import what it made.
const DIST = new URL('../../dist/retrieve/index.js', import.meta.url).href;

async function child(script: string, options: { uid?: number; shell?: string } = {}): Promise<string> {
  places += 1;
  const file = join(folder, `child${places}.mjs`);
  await writeFile(file, `import { openStore } from ${JSON.stringify(DIST)};\n${script}`);
  const run = promisify(execFile);
  const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  const { stdout } = options.shell
    ? await run('/bin/sh', ['-c', `${options.shell}; exec "$0" "$1"`, process.execPath, file], user)
    : await run(process.execPath, [file], user);
  return stdout.trim();
}

/** A user who may write nowhere in the folder: ourselves, or nobody where we are root. */
const uid = process.getuid?.() === 0 ? 65534 : undefined;
const nobodyMayRead =
  uid === undefined ||
  spawnSync(process.execPath, ['-e', `await import('${DIST}')`, '--input-type=module'], { uid, gid: uid }).status === 0;

describe.skipIf(process.platform === 'win32')('SQLite store and the system', () => {
  it('reports a full disk, keeps what was there, and writes again once there is room', async () => {
    const path = await filled('full.db', 10);
    const script = `
      const store = await openStore(${JSON.stringify(path)});
      const items = Array.from({ length: 5000 }, (_, i) => ({ id: 'new' + i, vector: new Float32Array(4), metadata: { text: 'x'.repeat(500) } }));
      const error = await store.upsert(items).catch((error) => error);
      const after = await store.count();
      const hits = await store.search(Float32Array.of(1, 0, 0, 0), { k: 20 });
      await store.upsert([{ id: 'small', vector: new Float32Array(4) }]);
      console.log(JSON.stringify([error.code, after, hits.length, await store.count()]));`;
    // no file may grow beyond 512 KiB (blocks of 512 bytes)
    expect(JSON.parse(await child(script, { shell: 'ulimit -f 1024' }))).toEqual(['NM_STORE_WRITE_FAILED', 10, 10, 11]);
    const store = await openStore(path);
    expect(await store.count()).toBe(11);
    await store.close();
  });

  it.skipIf(!nobodyMayRead)(
    'reads a store in a folder that may not be written, and refuses to write there',
    async () => {
      const locked = join(folder, 'locked');
      await mkdir(locked);
      await copyFile(await filled('to-lock.db'), join(locked, 'a.db'));
      await chmod(join(locked, 'a.db'), 0o444);
      await chmod(locked, 0o555);
      await chmod(folder, 0o755);
      const script = `
      const path = ${JSON.stringify(join(locked, 'a.db'))};
      const create = ${JSON.stringify(ENCODER)};
      const store = await openStore(path, { readOnly: true });
      const hits = await store.search(Float32Array.of(1, 0, 0, 0));
      const codes = [];
      for (const target of [path, path + '.new']) {
        await openStore(target, { create }).then(
          (opened) => opened.upsert([{ id: 'x', vector: new Float32Array(4) }])
        ).catch((error) => codes.push(error.code ?? String(error)));
      }
      console.log(JSON.stringify([hits.map(({ id }) => id), codes]));`;
      const [ids, codes] = JSON.parse(await child(script, uid === undefined ? {} : { uid }));
      await chmod(locked, 0o755);
      expect(ids).toEqual(['id2', 'id1', 'id0']);
      expect(codes).toEqual(['NM_STORE_READ_ONLY', 'NM_STORE_WRITE_FAILED']);
    },
  );

  it('shows a reader what another process wrote', async () => {
    const path = await filled('two-processes.db');
    const reader: SqliteStore = await openStore(path, { readOnly: true });
    expect(await reader.search(new Float32Array(4))).toHaveLength(3);
    await child(`
      const store = await openStore(${JSON.stringify(path)});
      await store.upsert([{ id: 'theirs', vector: Float32Array.of(100, 0, 0, 0) }]);
      await store.delete(['id0']);
      await store.close();`);
    expect((await reader.search(Float32Array.of(1, 0, 0, 0))).map(({ id }) => id)).toEqual(['theirs', 'id2', 'id1']);
    expect(reader.hash('id0')).toBeUndefined();
    await reader.close();
  });
});
