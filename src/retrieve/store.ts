import type { Filter } from './filter.js';
import type { Item, JsonObject } from './items.js';
import type { Metric } from './vectors.js';

/** What filled a store; fixed when it is created. */
export interface StoreEncoder {
  /** Names the encoder and its weights (such as the SHA-256 of the model file), 1 … 256 characters. */
  readonly fingerprint: string;
  /** Dimension of its vectors, 1 … 16,384. */
  readonly dimension: number;
  /** Default `cosine`. */
  readonly metric?: Metric;
  /** Where the model lies, for whoever wants to embed a query. */
  readonly modelPath?: string;
  /** The model's card. */
  readonly modelCard?: JsonObject;
}

export interface StoreInfo extends StoreEncoder {
  readonly metric: Metric;
  /** Version of the store's layout. */
  readonly schema: number;
}

export interface StoredItem {
  readonly id: string;
  /** The vector as it was given. */
  readonly vector: Float32Array;
  readonly metadata: JsonObject;
  readonly hash?: string;
}

export interface Hit {
  readonly id: string;
  /** Cosine, inner product or, under `l2`, distance; exact but for the rounding of float32. */
  readonly score: number;
  readonly metadata: JsonObject;
}

/** The hits of a query, best first. */
export interface Hits extends Array<Hit> {
  /**
   * How many items' float32 vectors were read because their codes could not exclude them; the rest of the store is proven to
   * hold nothing better. Undefined where another program searches (PostgreSQL).
   */
  readonly exactChecks?: number;
}

export interface SearchOptions {
  /** Most hits a query, 1 … 1,000. Default 10. */
  readonly k?: number;
  /** Only items whose metadata meet it; while k of them are there, k are found. */
  readonly filter?: Filter;
  /** Only hits at least this good: a score of at least `radius` or, under `l2`, a distance of at most `radius`. */
  readonly radius?: number;
  /**
   * `exact` (default) considers every item. `approximate` may miss some of the best where the store has an index for it
   * (`buildIndex`, `buildLists`), never the number of hits; without one it is exact too.
   */
  readonly mode?: 'exact' | 'approximate';
  /** The encoder that made the query; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
}

export interface WriteOptions {
  /** The encoder that made the vectors; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
}

export interface StoreStats {
  readonly items: number;
  /** Bytes that the store takes where it lies, with those it could give back. */
  readonly bytes: number;
  /** Bytes that `compact` would give back, at least; 0 where that is not known. */
  readonly freeBytes: number;
}

/**
 * A store on its way from one encoder to another: the new items are gathered beside the old ones, which stay searchable
 * until `finish` puts the new in their place. Given up or interrupted, it is gone on with by the next `reembed` to the same
 * encoder.
 */
export interface Reembedding {
  /** Takes the new items. */
  readonly store: Store;
  /**
   * Puts the new items in the place of the old, in one transaction, and closes `store`. The store that was reembedded must
   * be opened again: it still speaks of the old encoder.
   *
   * @param options `drop`: give up items of which no new vector is there; otherwise they are `NM_REEMBED_INCOMPLETE`
   */
  finish(options?: { readonly drop?: boolean }): Promise<void>;
  /** Leaves what was gathered for another time. */
  close(): Promise<void>;
}

/** Collects the ids that stay, in the store's own temporary space, and then removes all others. */
export interface Pruning {
  /** Ids that stay. */
  keep(ids: readonly string[]): Promise<void>;
  /** Removes every item that was not kept, in one transaction, and returns how many. */
  finish(): Promise<number>;
  /** Forgets what was kept and removes nothing. */
  cancel(): Promise<void>;
}

/**
 * Items with vectors, searched exactly. What a promise of a write has confirmed survives a crash of the process and of
 * the machine; a call that fails has changed nothing. Every call may fail with `NM_STORE_CLOSED`, `NM_STORE_BUSY`,
 * `NM_STORE_INVALID` (it turned out damaged), `NM_STORE_WRITE_FAILED` (disk full, input/output error) or, over a network,
 * `NM_STORE_UNREACHABLE` and `NM_STORE_TIMEOUT`.
 */
export interface Store {
  readonly info: StoreInfo;
  /** Throws `NM_ENCODER_MISMATCH` for another encoder than the one that filled the store. */
  checkEncoder(fingerprint: string): void;
  /**
   * Writes items in one transaction: all or none. An item of a known id replaces it whole.
   *
   * @throws `NM_ITEM_INVALID`, `NM_ITEM_DUPLICATE`, `NM_VECTOR_INVALID`, `NM_SHAPE_MISMATCH`, `NM_ENCODER_MISMATCH`,
   *   `NM_STORE_READ_ONLY`
   */
  upsert(items: readonly Item[], options?: WriteOptions): Promise<{ readonly added: number; readonly updated: number }>;
  /** Removes items in one transaction and returns how many there were; unknown ids are no error. */
  delete(ids: readonly string[]): Promise<number>;
  get(id: string): Promise<StoredItem | undefined>;
  /** As `ids`, with all that belongs to them; `limit` at most 10,000, default 1,000. */
  items(options?: { readonly after?: string; readonly limit?: number }): Promise<StoredItem[]>;
  /** The content hashes of those ids that are there; null where an item has none. */
  hashes(ids: readonly string[]): Promise<Map<string, string | null>>;
  count(): Promise<number>;
  /** The ids after `after` in byte order, at most `limit` (default 1,000): pages through all in constant memory. */
  ids(options?: { readonly after?: string; readonly limit?: number }): Promise<string[]>;
  /**
   * The best items for a query, best first; equal scores in the order in which the items were added.
   *
   * @throws `NM_FILTER_INVALID`, `NM_OPTION_INVALID`, `NM_SHAPE_MISMATCH`, `NM_VECTOR_INVALID`, `NM_ENCODER_MISMATCH`
   */
  search(query: Float32Array, options?: SearchOptions): Promise<Hits>;
  /** The same for several queries, which share the reading of the vectors. */
  search(queries: readonly Float32Array[], options?: SearchOptions): Promise<Hits[]>;
  /** Reads into memory what a search needs and has not yet; the first search does so itself. */
  refresh(): Promise<void>;
  prune(): Promise<Pruning>;
  /** Begins, or goes on, to fill the store anew by another encoder. */
  reembed(encoder: StoreEncoder): Promise<Reembedding>;
  stats(): Promise<StoreStats>;
  /** Gives the space of removed items back. */
  compact(): Promise<void>;
  /** Ends the use of the store; further calls are `NM_STORE_CLOSED`, a second `close` is none. */
  close(): Promise<void>;
}
