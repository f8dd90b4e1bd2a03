import { NearmissError } from '../errors.js';
import { MAX_TOP } from '../kernels/retrieval-layout.js';
import { checkFingerprint, checkStillSame } from './encoder-identity.js';
import { checkFilter } from './filter.js';
import { checkId, type Item, itemRows, type JsonObject, vectorOf } from './items.js';
import { type ConnectionOptions, Connections, placeOf, type Session } from './postgres-connection.js';
import { type AnnOptions, buildAnnIndex } from './postgres-hnsw.js';
import { prunePostgres } from './postgres-prune.js';
import { finishReembedding } from './postgres-reembed.js';
import { postgresRow, unescapeValue, vectorFromBinary } from './postgres-rows.js';
import { openSchema, type PostgresPlace } from './postgres-schema.js';
import { type SearchTask, searchPostgres } from './postgres-search.js';
import { writeRows } from './postgres-write.js';
import { checkSearch } from './search-options.js';
import type {
  Hit,
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
import { checkRows, checkWhole, isFloat32Array, normaliseRows, vectorMatrix } from './vectors.js';

export interface PostgresOptions extends ConnectionOptions {
  /** Creates the store if there is none; one that is there must have been filled by this encoder. */
  readonly create?: StoreEncoder;
  /** Refuses writes. Default false. */
  readonly readOnly?: boolean;
  /** Schema of the database in which the store's tables lie. Default: the URL's `schema` parameter, else `nearmiss`. */
  readonly schema?: string;
}

/** A store in a PostgreSQL database with pgvector, for more than one machine. */
export interface PostgresStore extends Store {
  readonly connections: Connections;
  /** Quoted name of the schema, for SQL. */
  readonly schema: string;
  /**
   * Builds an HNSW index, which `approximate` searches use: a graph over the items, worth its space (about that of the
   * vectors again, half with `halfvec`) past some 100,000 of them. Replaces one that is there. Writes wait meanwhile.
   *
   * @throws `NM_OPTION_INVALID`: pgvector indexes at most 2,000 dimensions, 4,000 as halfvec
   */
  buildIndex(options?: AnnOptions): Promise<void>;
}

/**
 * Opens a store in PostgreSQL, by a connection string such as `postgres://user:password@host:5432/database`. Searches are
 * exact unless asked otherwise, and find the ids that a store in SQLite would, up to float32's rounding. Broken connections
 * are taken up again for `retryFor`.
 *
 * @throws `NM_POSTGRES_MISSING` (no package pg), `NM_PGVECTOR_MISSING`, `NM_STORE_MISSING`, `NM_STORE_VERSION`,
 *   `NM_ENCODER_MISMATCH`, `NM_STORE_UNREACHABLE`, `NM_STORE_READ_ONLY` (no right to create it), `NM_OPTION_INVALID`
 */
export async function openPostgresStore(url: string, options: PostgresOptions = {}): Promise<PostgresStore> {
  const { poolSize = 4, statementTimeout = 60_000, retryFor = 10_000, readOnly = false, create } = options;
  checkWhole('poolSize', poolSize, 1, 100);
  checkWhole('statementTimeout', statementTimeout, 0, 86_400_000);
  checkWhole('retryFor', retryFor, 0, 600_000);
  const { address, schema } = splitUrl(url, options.schema);
  const connections = await Connections.open(address, { poolSize, statementTimeout, retryFor });
  try {
    const place: PostgresPlace = { connections, schema: `"${schema}"`, name: placeOf(url) };
    const info = await openSchema(place, { readOnly, ...(create ? { create } : {}) });
    const bulk = await connections.use(speaksCopy);
    const again = (other: PostgresOptions): Promise<PostgresStore> =>
      openPostgresStore(url, { poolSize, statementTimeout, retryFor, ...other });
    return new DatabaseStore(place, info, readOnly, bulk, again);
  } catch (error) {
    await connections.close();
    throw error;
  }
}

/** The connection string without our own parameter, and the schema. */
function splitUrl(url: string, option: string | undefined): { address: string; schema: string } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      'store: found no valid URL, allowed: postgres://user:password@host/database',
    );
  }
  const schema = option ?? parsed.searchParams.get('schema') ?? 'nearmiss';
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,39}$/.test(schema)) {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `schema: found ${JSON.stringify(schema)}, allowed: up to 40 letters, digits and _, no digit first`,
    );
  }
  parsed.searchParams.delete('schema');
  return { address: parsed.href, schema };
}

/** PGlite, which is PostgreSQL within a process, takes no COPY over a socket. */
async function speaksCopy(session: Session): Promise<boolean> {
  const [row] = await session.query<{ version: string }>('SELECT version()');
  return !row!.version.includes('PGlite');
}

/** A row of the statement that reads whole items. */
interface ItemRecord {
  readonly id: string;
  readonly hash: string | null;
  readonly metadata: JsonObject;
  readonly embedding: Uint8Array;
  readonly vector: Uint8Array | null;
}

function storedItem({ id, hash, metadata, embedding, vector }: ItemRecord): StoredItem {
  const item = {
    id,
    vector: vector === null ? vectorFromBinary(embedding) : vectorOf(vector).slice(),
    metadata: unescapeValue(metadata),
  };
  return hash === null ? item : { ...item, hash };
}

class DatabaseStore implements PostgresStore {
  readonly info: StoreInfo;
  readonly #place: PostgresPlace;
  readonly #readOnly: boolean;
  readonly #bulk: boolean;
  readonly #again: (options: PostgresOptions) => Promise<PostgresStore>;
  #closed = false;

  constructor(
    place: PostgresPlace,
    info: StoreInfo,
    readOnly: boolean,
    bulk: boolean,
    again: (options: PostgresOptions) => Promise<PostgresStore>,
  ) {
    this.#place = place;
    this.info = info;
    this.#readOnly = readOnly;
    this.#bulk = bulk;
    this.#again = again;
  }

  get schema(): string {
    return this.#place.schema;
  }

  get connections(): Connections {
    return this.#opened();
  }

  checkEncoder(fingerprint: string): void {
    checkFingerprint(this.#place.name, this.info, fingerprint);
  }

  async upsert(
    items: readonly Item[],
    options: WriteOptions = {},
  ): Promise<{ readonly added: number; readonly updated: number }> {
    if (options.fingerprint !== undefined) this.checkEncoder(options.fingerprint);
    const rows = itemRows(items, this.info.dimension, this.info.metric).map((row) =>
      postgresRow(row, this.info.metric),
    );
    const connections = this.#writable();
    if (rows.length === 0) return { added: 0, updated: 0 };
    return connections.transaction(async (session) => {
      await this.#checkUnchanged(session);
      const added = await writeRows(session, this.schema, rows, this.#bulk);
      return { added, updated: rows.length - added };
    });
  }

  async delete(ids: readonly string[]): Promise<number> {
    for (const [i, id] of ids.entries()) checkId(id, `ids[${i}]`);
    const rows = await this.#writable().use((session) =>
      session.prepared<{ count: number }>(
        'delete',
        `WITH gone AS (DELETE FROM ${this.schema}.items WHERE id = ANY ($1::text[]) RETURNING 1)
         SELECT count(*)::int AS count FROM gone`,
        [ids],
      ),
    );
    return rows[0]!.count;
  }

  async get(id: string): Promise<StoredItem | undefined> {
    const [row] = await this.#opened().use((session) =>
      session.prepared<ItemRecord>('get', `${this.#selectItems} WHERE id = $1`, [id]),
    );
    return row && storedItem(row);
  }

  async items(options: { readonly after?: string; readonly limit?: number } = {}): Promise<StoredItem[]> {
    const { after = '', limit = 1000 } = options;
    checkWhole('limit', limit, 1, 10_000);
    const rows = await this.#opened().use((session) =>
      session.prepared<ItemRecord>('items', `${this.#selectItems} WHERE id > $1 ORDER BY id LIMIT $2`, [after, limit]),
    );
    return rows.map(storedItem);
  }

  async hashes(ids: readonly string[]): Promise<Map<string, string | null>> {
    const rows = await this.#opened().use((session) =>
      session.prepared<{ id: string; hash: string | null }>(
        'hashes',
        `SELECT id, hash FROM ${this.schema}.items WHERE id = ANY ($1::text[])`,
        [ids],
      ),
    );
    return new Map(rows.map(({ id, hash }) => [id, hash]));
  }

  async count(): Promise<number> {
    const rows = await this.#opened().use((session) =>
      session.prepared<{ count: string }>('count', `SELECT count(*) AS count FROM ${this.schema}.items`, []),
    );
    return Number(rows[0]!.count);
  }

  async ids(options: { readonly after?: string; readonly limit?: number } = {}): Promise<string[]> {
    const { after = '', limit = 1000 } = options;
    checkWhole('limit', limit, 1, 1_000_000);
    const rows = await this.#opened().use((session) =>
      session.prepared<{ id: string }>(
        'ids',
        `SELECT id FROM ${this.schema}.items WHERE id > $1 ORDER BY id LIMIT $2`,
        [after, limit],
      ),
    );
    return rows.map(({ id }) => id);
  }

  search(query: Float32Array, options?: SearchOptions): Promise<Hit[]>;
  search(queries: readonly Float32Array[], options?: SearchOptions): Promise<Hit[][]>;
  async search(queries: Float32Array | readonly Float32Array[], options: SearchOptions = {}): Promise<Hit[] | Hit[][]> {
    const { k = 10, filter, radius, mode = 'exact', fingerprint } = options;
    const connections = this.#opened();
    const { dimension, metric } = this.info;
    checkWhole('k', k, 1, MAX_TOP);
    checkSearch(radius, mode, metric);
    if (filter !== undefined) checkFilter(filter);
    if (fingerprint !== undefined) this.checkEncoder(fingerprint);
    const single = isFloat32Array(queries);
    const matrix = vectorMatrix(single ? [queries] : queries, dimension, 'queries').slice();
    checkRows(matrix, dimension, metric, (row) => `query ${row}`);
    if (metric === 'cosine') normaliseRows(matrix, dimension);
    const lists: Hit[][] = [];
    for (let at = 0; at < matrix.length; at += dimension) {
      const query = matrix.subarray(at, at + dimension);
      const task = { schema: this.schema, metric, query, k, mode, ...(filter ? { filter } : {}) };
      lists.push(await this.#searchOne(connections, task, radius));
    }
    return single ? lists[0]! : lists;
  }

  /** Searches read the database itself, so there is nothing to do but to see that it is there. */
  async refresh(): Promise<void> {
    await this.#opened().use((session) => session.query('SELECT 1'));
  }

  async prune(): Promise<Pruning> {
    return prunePostgres(this.#writable(), this.schema);
  }

  async buildIndex(options: AnnOptions = {}): Promise<void> {
    await buildAnnIndex(this.#writable(), this.schema, this.info, options);
  }

  async reembed(encoder: StoreEncoder): Promise<Reembedding> {
    this.#writable();
    const beside = `${this.schema.slice(1, -1)}_next`;
    const store = await this.#again({ schema: beside, create: encoder });
    return {
      store,
      finish: async ({ drop = false } = {}) => {
        await finishReembedding(this.#writable(), this.#place, `"${beside}"`, store.info, drop);
        await store.close();
      },
      close: () => store.close(),
    };
  }

  async stats(): Promise<StoreStats> {
    const rows = await this.#opened().use((session) =>
      session.query<{ bytes: string }>(`SELECT pg_total_relation_size($1::regclass) AS bytes`, [
        `${this.schema}.items`,
      ]),
    );
    return { items: await this.count(), bytes: Number(rows[0]!.bytes), freeBytes: 0 };
  }

  async compact(): Promise<void> {
    await this.#writable().use(async (session) => {
      // Rewriting a large table takes longer than a statement should.
      await session.query('SET statement_timeout = 0');
      try {
        await session.query(`VACUUM (FULL, ANALYZE) ${this.schema}.items`);
      } finally {
        await session.query('RESET statement_timeout');
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#place.connections.close();
  }

  get #selectItems(): string {
    return `SELECT id, hash, metadata, vector_send(embedding) AS embedding, vector FROM ${this.schema}.items`;
  }

  async #searchOne(connections: Connections, task: SearchTask, radius: number | undefined): Promise<Hit[]> {
    try {
      const { hits, fingerprint } = await searchPostgres(connections, task, radius);
      if (fingerprint !== undefined) checkStillSame(this.#place.name, this.info, fingerprint);
      return hits;
    } catch (error) {
      // Vectors of another dimension than the query: filled anew meanwhile, which this says.
      if (error instanceof Error && 'code' in error && error.code === '22000') {
        await connections.use((session) => this.#checkUnchanged(session));
      }
      throw error;
    }
  }

  async #checkUnchanged(session: Session): Promise<void> {
    // Held until the transaction ends, so that no reembedding finishes in between.
    const [row] = await session.query<{ value: string }>(
      `SELECT value FROM ${this.schema}.settings WHERE key = 'fingerprint' FOR SHARE`,
    );
    checkStillSame(this.#place.name, this.info, row!.value);
  }

  #opened(): Connections {
    if (!this.#closed) return this.#place.connections;
    throw new NearmissError('NM_STORE_CLOSED', `${this.#place.name}: the store has been closed`);
  }

  #writable(): Connections {
    const connections = this.#opened();
    if (!this.#readOnly) return connections;
    throw new NearmissError('NM_STORE_READ_ONLY', `${this.#place.name}: the store was opened for reading only`);
  }
}
