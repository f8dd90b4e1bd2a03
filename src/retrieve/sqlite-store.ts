import { statSync } from 'node:fs';
import type Database from 'libsql';
import { NearmissError } from '../errors.js';
import type { SimdTier } from '../kernels/load.js';
import { loadRetrievalKernels, type RetrievalKernels } from '../kernels/retrieval.js';
import { MAX_TOP } from '../kernels/retrieval-layout.js';
import { Coder } from './coder.js';
import { checkedEncoder, checkFingerprint, checkStillSame } from './encoder-identity.js';
import type { ListOptions, ListReport, SearchEngine } from './engine.js';
import { checkFilter } from './filter.js';
import { Follower } from './follower.js';
import { readHits } from './hits.js';
import { checkId, type Item, itemRows, type JsonObject, vectorOf } from './items.js';
import { createSearchEngine } from './search-engine.js';
import { checkSearch } from './search-options.js';
import { openFile, storeError, transaction } from './sqlite-file.js';
import { pruneItems } from './sqlite-prune.js';
import { reembedFile } from './sqlite-reembed.js';
import { prepareStatements, type Statements } from './sqlite-statements.js';
import type {
  Hits,
  Pruning,
  Reembedding,
  SearchOptions,
  Store,
  StoredItem,
  StoreEncoder,
  StoreInfo,
  StoreStats,
  WriteOptions,
} from './store.js';
import { checkWhole, isFloat32Array } from './vectors.js';

export interface OpenOptions {
  /** Creates the file if there is none; a file that is there must have been filled by this encoder. */
  readonly create?: StoreEncoder;
  /** Refuses writes; also works on a read-only file system while no process writes. Default false. */
  readonly readOnly?: boolean;
  /** How long to wait for another process's transaction, ms, 0 … 600,000. Default 5,000. */
  readonly busyTimeout?: number;
  /**
   * Where searches take the float32 vectors from. `memory` (default): all come there, in the background, after their codes
   * have been read and searches are answered. `disk`: only their codes do, about a quarter of the space, and the hundred or so
   * vectors that a search needs are read from the file.
   */
  readonly vectors?: 'memory' | 'disk';
  /** SIMD tier of the search; default: the best this engine has. */
  readonly tier?: SimdTier;
}

/** A store in a file of its own. */
export interface SqliteStore extends Store {
  readonly path: string;
  /** The content hash of an item, at once: undefined without the item, null where it has none. */
  hash(id: string): string | null | undefined;
  /**
   * Divides the items in memory into lists, which `approximate` searches of this store use until it is closed; pays past
   * some 200,000 items. Returns the recall measured on the items themselves.
   */
  buildLists(options?: ListOptions): Promise<ListReport>;
}

/** Removals that readers may still have to learn of; with more, whoever is behind reads everything again. */
const REMOVALS_KEPT = 16_384;

/**
 * Opens a store in an SQLite file (WAL): one process writes at a time, any number read and see its writes in their next
 * call. Codes come into memory with the first search (`refresh` does it earlier), vectors after it. Calls run on this thread.
 *
 * @throws `NM_STORE_MISSING`, `NM_STORE_INVALID` (not a store, or damaged), `NM_STORE_VERSION` (written by a newer
 *   nearmiss), `NM_ENCODER_MISMATCH`, `NM_STORE_BUSY`, `NM_STORE_WRITE_FAILED`, `NM_OPTION_INVALID`
 *
 * @example
 * const store = await openStore('faces.db', { create: { fingerprint: 'sha256:…', dimension: 2 } });
 * await store.upsert([{ id: 'a.png', vector: Float32Array.of(3, 4), metadata: { page: 7 } }]);
 * const [best] = await store.search(Float32Array.of(0, 1), { k: 1 }); // id a.png, score 0.8
 * await store.close();
 */
export async function openStore(path: string, options: OpenOptions = {}): Promise<SqliteStore> {
  const { readOnly = false, busyTimeout = 5000, create, vectors = 'memory', tier } = options;
  checkWhole('busyTimeout', busyTimeout, 0, 600_000);
  if (vectors !== 'memory' && vectors !== 'disk') {
    throw new NearmissError('NM_OPTION_INVALID', `vectors: found ${JSON.stringify(vectors)}, allowed: memory, disk`);
  }
  const { db, info } = openFile(path, { readOnly, busyTimeout, ...(create ? { create } : {}) });
  try {
    const sql = prepareStatements(db, path);
    const { dimension, metric } = info;
    const holdsVectors = vectors === 'memory';
    const kernels = (): Promise<RetrievalKernels> => loadRetrievalKernels(tier === undefined ? {} : { tier });
    const readRow = (row: number, into: Float32Array): void => {
      const [bytes] = sql.vector.get(follower.number(row)) as [Uint8Array];
      into.set(vectorOf(bytes));
    };
    const readRows = (first: number, end: number, into: Float32Array): void => follower.vectors(first, end, into);
    const reading = holdsVectors ? { readRow, readRows } : { readRow };
    const engine = createSearchEngine(await kernels(), { dimension, metric, ...reading });
    const follower = new Follower(db, sql, engine, { path, info, holdsVectors });
    const coder = readOnly ? undefined : new Coder(createSearchEngine(await kernels(), { dimension, metric }));
    return new FileStore(path, info, engine, { db, sql, follower, coder, holdsVectors });
  } catch (error) {
    db.close();
    throw storeError(path, error);
  }
}

/** An open file and what works on it. */
interface Connection {
  readonly db: Database.Database;
  readonly sql: Statements;
  readonly follower: Follower;
  /** Makes the codes of what is written; undefined where the store is for reading only. */
  readonly coder: Coder | undefined;
  /** Whether the engine is to hold the vectors. */
  readonly holdsVectors: boolean;
}

/** What a transaction did, for the count of items and the memory of removals. */
interface Written<T> {
  readonly result: T;
  readonly added: number;
  readonly removed: number;
}

class FileStore implements SqliteStore {
  readonly path: string;
  readonly info: StoreInfo;
  readonly #engine: SearchEngine;
  #open: Connection | undefined;
  /** While lists are built, the engine must not change. */
  #building: Promise<unknown> = Promise.resolve();
  /** The next step of taking vectors into memory. */
  #holding: NodeJS.Immediate | undefined;

  constructor(path: string, info: StoreInfo, engine: SearchEngine, connection: Connection) {
    this.path = path;
    this.info = info;
    this.#engine = engine;
    this.#open = connection;
  }

  checkEncoder(fingerprint: string): void {
    checkFingerprint(this.path, this.info, fingerprint);
  }

  async upsert(
    items: readonly Item[],
    options: WriteOptions = {},
  ): Promise<{ readonly added: number; readonly updated: number }> {
    if (options.fingerprint !== undefined) this.checkEncoder(options.fingerprint);
    const rows = itemRows(items, this.info.dimension, this.info.metric);
    const { coder } = this.#writable();
    const codes = coder.codes(rows);
    return this.#write(({ sql }, change) => {
      coder.prepare(sql);
      let updated = 0;
      for (const [i, { id, hash, metadata, vector }] of rows.entries()) {
        const code = codes[i]!;
        if (sql.update.run(id, hash, metadata, vector, change, code).changes > 0) updated += 1;
        else sql.insert.run(id, hash, metadata, vector, change, code);
      }
      return { result: { added: rows.length - updated, updated }, added: rows.length - updated, removed: 0 };
    });
  }

  async delete(ids: readonly string[]): Promise<number> {
    for (const [i, id] of ids.entries()) checkId(id, `ids[${i}]`);
    return this.#write(({ sql }, change) => {
      let removed = 0;
      for (const id of ids) {
        const [row] = (sql.number.get(id) as [number] | undefined) ?? [];
        if (row === undefined) continue;
        sql.remove.run(row);
        sql.log.run(row, change);
        removed += 1;
      }
      return { result: removed, added: 0, removed };
    });
  }

  async get(id: string): Promise<StoredItem | undefined> {
    return this.#read(({ sql }) => {
      const row = sql.item.get(id) as ItemRecord | undefined;
      return row && storedItem(row);
    });
  }

  async items(options: { readonly after?: string; readonly limit?: number } = {}): Promise<StoredItem[]> {
    const { after = '', limit = 1000 } = options;
    checkWhole('limit', limit, 1, 10_000);
    return this.#read(({ sql }) => (sql.items.all(after, limit) as ItemRecord[]).map(storedItem));
  }

  hash(id: string): string | null | undefined {
    return this.#read(({ sql }) => (sql.hash.get(id) as [string | null] | undefined)?.[0]);
  }

  async hashes(ids: readonly string[]): Promise<Map<string, string | null>> {
    return this.#snapshot(({ sql }) => {
      const known = new Map<string, string | null>();
      for (const id of ids) {
        const row = sql.hash.get(id) as [string | null] | undefined;
        if (row) known.set(id, row[0]);
      }
      return known;
    });
  }

  async count(): Promise<number> {
    return this.#read(({ sql }) => sql.state().items);
  }

  async ids(options: { readonly after?: string; readonly limit?: number } = {}): Promise<string[]> {
    const { after = '', limit = 1000 } = options;
    checkWhole('limit', limit, 1, 1_000_000);
    return this.#read(({ sql }) => (sql.ids.all(after, limit) as [string][]).map(([id]) => id));
  }

  search(query: Float32Array, options?: SearchOptions): Promise<Hits>;
  search(queries: readonly Float32Array[], options?: SearchOptions): Promise<Hits[]>;
  async search(queries: Float32Array | readonly Float32Array[], options: SearchOptions = {}): Promise<Hits | Hits[]> {
    const { k = 10, filter, radius, mode = 'exact', fingerprint } = options;
    checkWhole('k', k, 1, MAX_TOP);
    checkSearch(radius, mode, this.info.metric);
    if (filter !== undefined) checkFilter(filter);
    if (fingerprint !== undefined) this.checkEncoder(fingerprint);
    await this.#built();
    const single = isFloat32Array(queries);
    return this.#current(({ sql, follower }) => {
      const found = this.#engine.search(single ? [queries] : queries, {
        k,
        mode: this.#engine.lists ? mode : 'exact',
        ...(filter === undefined ? {} : { filter: follower.bitmap(filter) }),
        ...(radius === undefined ? {} : { radius }),
      });
      const lists = readHits(found, itemReader(sql.hit, follower));
      return single ? lists[0]! : lists;
    });
  }

  async refresh(): Promise<void> {
    await this.#built();
    this.#current(() => undefined);
  }

  async buildLists(options: ListOptions = {}): Promise<ListReport> {
    await this.refresh();
    while (this.#current(() => this.#engine.hold())) await new Promise((resolve) => setImmediate(resolve));
    clearImmediate(this.#holding);
    this.#holding = undefined;
    const building = this.#engine.buildLists(options);
    this.#building = building.catch(() => undefined);
    return building;
  }

  async prune(): Promise<Pruning> {
    const { db } = this.#writable();
    const remove = async (removeRows: (change: number) => number): Promise<number> =>
      this.#write((_, change) => {
        const removed = removeRows(change);
        return { result: removed, added: 0, removed };
      });
    return pruneItems(db, (body) => this.#read(body), remove);
  }

  async reembed(encoder: StoreEncoder): Promise<Reembedding> {
    const { db } = this.#writable();
    checkedEncoder(encoder);
    const replace = async (write: (change: number) => Written<undefined>): Promise<void> =>
      this.#write((_, change) => write(change), 0);
    return reembedFile(this.path, encoder, { db, openStore, replace, guard: (body) => this.#read(body) });
  }

  async stats(): Promise<StoreStats> {
    return this.#snapshot(({ db, sql }) => {
      const pragma = (name: string): number => (db.prepare(`PRAGMA ${name}`).raw().get() as [number])[0];
      const pageBytes = pragma('page_size');
      const log = statSync(`${this.path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
      return {
        items: sql.state().items,
        bytes: pragma('page_count') * pageBytes + log,
        freeBytes: pragma('freelist_count') * pageBytes + log,
      };
    });
  }

  async compact(): Promise<void> {
    const { coder } = this.#writable();
    this.#write(({ db, sql }) => {
      coder.fill(db, sql);
      return { result: undefined, added: 0, removed: 0 };
    }, 0);
    this.#read(({ db }) => {
      db.exec('VACUUM');
      db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    });
  }

  async close(): Promise<void> {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    clearImmediate(this.#holding);
    this.#engine.clear();
    try {
      if (!open.coder) return;
      // libsql frees a connection when its statements are collected, not when it is closed: empty the log now, so that
      // the file by itself holds everything. A reader that is busy keeps the log; nothing is lost then either.
      open.db.exec('PRAGMA busy_timeout = 100');
      open.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    } catch (error) {
      throw storeError(this.path, error);
    } finally {
      open.db.close();
    }
  }

  /** Waits until no lists are being built, whoever began meanwhile. */
  async #built(): Promise<void> {
    for (let awaited: unknown; awaited !== this.#building; ) {
      awaited = this.#building;
      await awaited;
    }
  }

  #opened(): Connection {
    if (this.#open) return this.#open;
    throw new NearmissError('NM_STORE_CLOSED', `${this.path}: the store has been closed`);
  }

  #writable(): Connection & { readonly coder: Coder } {
    const open = this.#opened();
    const { coder } = open;
    if (coder) return { ...open, coder };
    throw new NearmissError('NM_STORE_READ_ONLY', `${this.path}: the store was opened for reading only`);
  }

  #read<T>(body: (open: Connection) => T): T {
    const open = this.#opened();
    try {
      return body(open);
    } catch (error) {
      throw storeError(this.path, error);
    }
  }

  /** Several reads of one state of the store. */
  #snapshot<T>(body: (open: Connection) => T): T {
    return this.#read((open) => transaction(open.db, 'DEFERRED', () => body(open)));
  }

  /** Reads one state of the store, which the engine has been brought to. */
  #current<T>(body: (open: Connection) => T): T {
    const result = this.#snapshot((open) => {
      open.follower.follow(open.sql.state());
      return body(open);
    });
    this.#holdSoon();
    return result;
  }

  /** Takes vectors into memory between other work, for as long as the process has some. */
  #holdSoon(): void {
    if (!this.#open?.holdsVectors || this.#holding || this.#engine.holdsVectors) return;
    this.#holding = setImmediate(() => {
      this.#holding = undefined;
      try {
        this.#current(() => this.#engine.hold());
      } catch {
        // The vectors stay in the file; a search that needs what cannot be read there says so.
      }
    }).unref();
  }

  /** One transaction, in which `body` writes under the number `change`; `keep` removals are remembered for readers. */
  #write<T>(body: (open: Connection, change: number) => Written<T>, keep: number = REMOVALS_KEPT): T {
    this.#writable();
    return this.#read((open) =>
      transaction(open.db, 'IMMEDIATE', () => {
        const { sql } = open;
        const state = sql.state();
        checkStillSame(this.path, this.info, sql.setting('fingerprint') ?? 'none');
        const change = state.change + 1;
        const { result, added, removed } = body(open, change);
        const items = state.items + added - removed;
        const removals = state.removals + removed;
        if (removals > keep) {
          sql.forget.run(change + 1);
          sql.setState.run(change, change, items, 0);
        } else sql.setState.run(change, state.pruned, items, removals);
        return result;
      }),
    );
  }
}

type ItemRecord = readonly [id: string, vector: Uint8Array, metadata: string, hash: string | null];

function storedItem([id, bytes, metadata, hash]: ItemRecord): StoredItem {
  const item = { id, vector: vectorOf(bytes), metadata: JSON.parse(metadata) as JsonObject };
  return hash === null ? item : { ...item, hash };
}

/** Reads the items of a search's rows; one that several queries found is read once. */
function itemReader(
  statement: Database.Statement,
  follower: Follower,
): (row: number) => { readonly id: string; readonly metadata: JsonObject } {
  const items = new Map<number, readonly [id: string, metadata: string]>();
  return (row) => {
    const item = items.get(row) ?? (statement.get(follower.number(row)) as [string, string]);
    items.set(row, item);
    return { id: item[0], metadata: JSON.parse(item[1]) as JsonObject };
  };
}
