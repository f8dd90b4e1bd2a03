import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { itemRows } from '../../src/retrieve/items.js';
import type { Session } from '../../src/retrieve/postgres-connection.js';
import { COPY_HEADER, COPY_TRAILER, copyRow, postgresRow } from '../../src/retrieve/postgres-rows.js';
import { createExtension, MIGRATIONS } from '../../src/retrieve/postgres-schema.js';
import { openPostgresStore, type PostgresOptions, type PostgresStore } from '../../src/retrieve/postgres-store.js';
import { shareFiles } from '../../src/retrieve/share.js';
import { openStore } from '../../src/retrieve/sqlite-store.js';
import { gaussian } from './oracle.js';
import { type PostgresServer, startPostgres } from './postgres-server.js';
import { code, describeStore, ENCODER, item, SPECIMENS } from './store.case.js';

let server: PostgresServer;
const schemas: string[] = [];
beforeAll(async () => {
  server = await startPostgres();
}, 120_000);
afterAll(() => server.stop(schemas));

const opened: PostgresStore[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

/** A schema that no test has used. */
function newSchema(): string {
  const schema = `nearmiss_test_${process.pid}_${schemas.length}`;
  schemas.push(schema, `${schema}_next`, `${schema}_jobs`);
  return schema;
}

async function open(schema: string, options: PostgresOptions = {}): Promise<PostgresStore> {
  const store = await openPostgresStore(server.url, { schema, ...options });
  opened.push(store);
  return store;
}

function run(store: PostgresStore, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  return store.connections.use((session) => session.query(text, values));
}

describeStore(
  'PostgreSQL',
  async () => {
    const schema = newSchema();
    return { open: (options = {}) => open(schema, options), remove: async () => undefined };
  },
  4,
);

describe('PostgreSQL store', () => {
  it('finds the ids that a store in SQLite finds', async () => {
    const dimension = 48;
    const encoder = { fingerprint: 'f', dimension };
    const sqlite = join(tmpdir(), `nearmiss-same-${process.pid}.db`);
    const stores = [await open(newSchema(), { create: encoder }), await openStore(sqlite, { create: encoder })];
    const vectors = gaussian(400 * dimension, randomStream(51));
    const items = Array.from({ length: 400 }, (_, i) => ({
      id: `id${i}`,
      vector: vectors.subarray(i * dimension, (i + 1) * dimension),
      metadata: { part: i % 10 },
    }));
    for (const store of stores) await store.upsert(items);
    const queries = Array.from({ length: 20 }, (_, i) => gaussian(dimension, randomStream(52, i)));
    for (const options of [
      { k: 15 },
      { k: 5, filter: { op: 'eq', field: 'part', value: 3 } as const },
      { radius: 0.3 },
    ]) {
      const [theirs, ours] = [await stores[0]!.search(queries, options), await stores[1]!.search(queries, options)];
      expect(theirs.map((hits) => hits.map(({ id }) => id))).toEqual(ours!.map((hits) => hits.map(({ id }) => id)));
      for (const [q, hits] of theirs.entries()) {
        for (const [i, { score }] of hits.entries()) expect(score).toBeCloseTo(ours![q]![i]!.score, 5);
      }
    }
    await stores[1]!.close();
    for (const end of ['', '-wal', '-shm']) await rm(`${sqlite}${end}`, { force: true });
  });

  it.each([false, true])(
    'never finds fewer than there are by its graph, whatever the filter (halfvec: %s)',
    async (halfvec) => {
      const dimension = 16;
      const store = await open(newSchema(), { create: { fingerprint: 'f', dimension } });
      const vectors = gaussian(3000 * dimension, randomStream(53));
      for (let start = 0; start < 3000; start += 500) {
        await store.upsert(
          Array.from({ length: 500 }, (_, i) => ({
            id: `id${start + i}`,
            vector: vectors.subarray((start + i) * dimension, (start + i + 1) * dimension),
            metadata: { rare: (start + i) % 500 === 0, odd: i % 2 === 1 },
          })),
        );
      }
      const queries = Array.from({ length: 10 }, (_, i) => gaussian(dimension, randomStream(54, i)));
      const unindexed = await store.search(queries, { mode: 'approximate' });
      expect(unindexed).toEqual(await store.search(queries));
      await store.buildIndex({ halfvec, efConstruction: 100 });
      const plan = await store.connections.transaction(async (session) => {
        await session.query('SET LOCAL enable_seqscan = off');
        const kind = halfvec ? 'halfvec' : 'vector';
        const column = halfvec ? `(embedding::halfvec(${dimension}))` : 'embedding';
        return session.query(
          `EXPLAIN SELECT id FROM ${store.schema}.items ORDER BY ${column} <#> '[${vectors.subarray(0, dimension).join(',')}]'::${kind}(${dimension}) LIMIT 10`,
        );
      });
      expect(JSON.stringify(plan)).toContain('items_hnsw');
      const exact = await store.search(queries);
      const approximate = await store.search(queries, { mode: 'approximate' });
      let shared = 0;
      for (const [q, hits] of exact.entries()) {
        expect(approximate[q]).toHaveLength(10);
        const ids = new Set(hits.map(({ id }) => id));
        shared += approximate[q]!.filter(({ id }) => ids.has(id)).length;
      }
      expect(shared / 100).toBeGreaterThan(0.9);
      for (const field of ['rare', 'odd']) {
        const filter = { op: 'eq', field, value: true } as const;
        const hits = await store.search(queries[0]!, { mode: 'approximate', k: 6, filter });
        expect(hits).toHaveLength(6);
        if (field === 'rare') expect(hits).toEqual(await store.search(queries[0]!, { k: 6, filter }));
      }
    },
  );

  it('refuses graphs of too many dimensions, settings out of range, and URLs that are none', async () => {
    const store = await open(newSchema(), { create: { fingerprint: 'f', dimension: 2001 } });
    await expect(store.buildIndex()).rejects.toThrow(code('NM_OPTION_INVALID'));
    await expect(store.buildIndex({ halfvec: true, m: 1 })).rejects.toThrow(code('NM_OPTION_INVALID'));
    for (const options of [{ poolSize: 0 }, { retryFor: -1 }, { statementTimeout: 0.5 }, { schema: 'a"b' }]) {
      await expect(openPostgresStore(server.url, options)).rejects.toThrow(code('NM_OPTION_INVALID'));
    }
    await expect(openPostgresStore('postgres://[')).rejects.toThrow(code('NM_OPTION_INVALID'));
    await expect(open(newSchema(), { create: { fingerprint: 'f', dimension: 16_001 } })).rejects.toThrow(
      code('NM_OPTION_INVALID'),
    );
  });

  it('says what is missing: the store, the extension, the server', async () => {
    await expect(open(newSchema())).rejects.toThrow(code('NM_STORE_MISSING'));
    await expect(openPostgresStore('postgres://me:secret@127.0.0.1:1/db', { retryFor: 200 })).rejects.toThrow(
      expect.objectContaining({ code: 'NM_STORE_UNREACHABLE', message: expect.not.stringContaining('secret') }),
    );
  });

  it('says what ails the server, and what it forbids', async () => {
    const store = await open(newSchema(), { create: ENCODER, retryFor: 100 });
    const raise = (state: string): Promise<unknown> =>
      run(store, `DO $$ BEGIN RAISE EXCEPTION 'told to' USING ERRCODE = '${state}'; END $$`);
    await expect(raise('57014')).rejects.toThrow(code('NM_STORE_TIMEOUT'));
    await expect(raise('40P01')).rejects.toThrow(code('NM_STORE_BUSY'));
    await expect(raise('53100')).rejects.toThrow(code('NM_STORE_WRITE_FAILED'));
    await expect(raise('42501')).rejects.toThrow(code('NM_STORE_READ_ONLY'));
    await expect(raise('22012')).rejects.toThrow('told to');
    expect(await store.count()).toBe(0);
    // a server that has no pgvector
    const session = { query: async () => [] } as unknown as Session;
    await expect(createExtension(session, 'here')).rejects.toThrow(code('NM_PGVECTOR_MISSING'));
  });

  it('migrates an older layout when it is opened for writing, and refuses a newer one', async () => {
    const schema = newSchema();
    const store = await open(schema, { create: ENCODER });
    await store.upsert([item('a', [1, 2, 3, 4])]);
    await run(store, `DROP INDEX ${store.schema}.items_metadata`);
    await run(store, `UPDATE ${store.schema}.settings SET value = '1' WHERE key = 'schema'`);
    await expect(open(schema, { readOnly: true })).rejects.toThrow(code('NM_STORE_VERSION'));
    const again = await open(schema);
    expect(again.info.schema).toBe(MIGRATIONS.length);
    const indexes = await run(store, 'SELECT 1 FROM pg_indexes WHERE schemaname = $1 AND indexname = $2', [
      schema,
      'items_metadata',
    ]);
    expect(indexes).toHaveLength(1);
    expect(await again.count()).toBe(1);
    await run(store, `UPDATE ${store.schema}.settings SET value = '99' WHERE key = 'schema'`);
    await expect(open(schema)).rejects.toThrow(code('NM_STORE_VERSION'));
  });

  it('is created once when several open it at the same time', async () => {
    const schema = newSchema();
    const stores = await Promise.all([1, 2, 3].map(() => open(schema, { create: ENCODER })));
    for (const [i, store] of stores.entries()) await store.upsert([item(`id${i}`, [1, 2, 3, 4])]);
    expect(await stores[0]!.count()).toBe(3);
  });

  it('writes rows of COPY that PostgreSQL reads as they were', async () => {
    const db = server.embedded;
    if (!db) return; // a real server is filled by COPY in all tests above
    const rows = itemRows(
      SPECIMENS.map((metadata, i) => item(`ä\\\t\n${i}`, [i, -0.1, 3e-39, 7], metadata, i % 2 ? 'h' : undefined)),
      4,
      'cosine',
    ).map((row) => postgresRow(row, 'cosine'));
    const bytes = Buffer.concat([COPY_HEADER, ...rows.map((row, place) => copyRow(place, row)), COPY_TRAILER]);
    await db.exec(
      'CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE copied (place int, id text, hash text, metadata jsonb, embedding vector, vector bytea)',
    );
    await db.query("COPY copied FROM '/dev/blob' WITH (FORMAT binary)", [], { blob: new Blob([bytes]) });
    const { rows: found } = await db.query<Record<string, unknown>>(
      'SELECT place, id, hash, metadata, embedding::text AS embedding, vector FROM copied ORDER BY place',
    );
    expect(found).toEqual(
      rows.map(({ id, hash, metadata, embedding, vector }, place) => ({
        place,
        id,
        hash,
        metadata: JSON.parse(metadata),
        embedding: expect.toSatisfy((text: string) =>
          Float32Array.from(JSON.parse(text)).every((value, i) => value === embedding[i]),
        ),
        vector: vector && new Uint8Array(vector),
      })),
    );
  });

  it('goes on after the server was away, and gives up after retryFor', async () => {
    const { restart } = server;
    if (!restart) return; // not ours to stop
    const store = await open(newSchema(), { create: ENCODER, retryFor: 20_000 });
    const hasty = await open(store.schema.slice(1, -1), { retryFor: 50 });
    await hasty.count();
    await store.upsert([item('a', [1, 2, 3, 4])]);
    const away = restart(700);
    const written = store.upsert([item('b', [1, 2, 3, 4])]);
    await expect(hasty.count()).rejects.toThrow(code('NM_STORE_UNREACHABLE'));
    await away;
    expect(await written).toEqual({ added: 1, updated: 0 });
    expect(await store.ids()).toEqual(['a', 'b']);
    expect(await hasty.count()).toBe(2);
  });
});

// `npm run build` has run before; the children import what it made.
const DIST = new URL('../../dist/retrieve/index.js', import.meta.url).href;
const WORKER = fileURLToPath(new URL('./share-worker.mjs', import.meta.url));

interface Line {
  readonly taken?: readonly string[];
  readonly finished?: readonly string[];
  readonly done?: number;
}

/** Runs a process that takes part in the share; with `hang`, it is killed as soon as it has taken files. */
function work(schema: string, files: number, hang = false): Promise<Line[]> {
  const args = [WORKER, DIST, server.url, schema, String(files), ...(hang ? ['hang'] : [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (hang && text.includes('taken')) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (hang ? signal === 'SIGKILL' : status === 0) {
        resolve(
          text
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line) as Line),
        );
      } else reject(new Error(`the worker ended with ${status ?? signal}: ${text}`));
    });
  });
}

describe('sharing files by a queue', () => {
  it('gives each file to one process, and the files of a killed process to others', async () => {
    const schema = newSchema();
    const store = await open(schema, { create: ENCODER });
    const files = 60;
    const killed = await work(schema, files, true);
    expect(killed.flatMap(({ taken = [] }) => taken)).toHaveLength(5);
    const lines = await Promise.all([work(schema, files), work(schema, files)]);
    const finished = lines.map((each) => each.flatMap((line) => line.finished ?? []));
    expect(finished.flat().sort()).toEqual(Array.from({ length: files }, (_, i) => `file ${i}`).sort());
    expect(lines.map((each) => each.at(-1)!.done)).toEqual(finished.map(({ length }) => length));
    expect(await store.count()).toBe(files);
    // what it needed is gone
    expect(await run(store, `SELECT * FROM ${store.schema}.shares`)).toEqual([]);
  }, 60_000);

  it('gives a file that fails another try, and names it in the end', async () => {
    const store = await open(newSchema(), { create: ENCODER });
    const names = async function* (): AsyncGenerator<string> {
      yield* ['a', 'bad', 'c'];
    };
    const attempt = (): Promise<unknown> =>
      shareFiles({
        store,
        name: 'n',
        names,
        batch: 1,
        work: async ([file]) => {
          if (file === 'bad') throw new Error('cannot be embedded');
        },
      });
    let failures = 0;
    let result: unknown;
    while (result === undefined) {
      result = await attempt().catch((error: Error) => {
        expect(error.message).toBe('cannot be embedded');
        failures += 1;
        return undefined;
      });
    }
    expect(failures).toBe(6); // the first time and five retries
    expect(result).toMatchObject({ failed: ['bad'] });
    // and the next call begins anew
    await expect(attempt()).rejects.toThrow('cannot be embedded');
    await expect(shareFiles({ store, name: '', names, work: async () => undefined })).rejects.toThrow(
      code('NM_OPTION_INVALID'),
    );
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(shareFiles({ store, name: 'n', names, work: async () => undefined, signal })).rejects.toThrow(
      'stopped',
    );
  });
});
