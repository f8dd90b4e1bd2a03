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
  /** Cosine or inner product, exact but for the rounding of float32. */
  readonly score: number;
  readonly metadata: JsonObject;
}

export interface SearchOptions {
  /** Hits a query, 1 … 1,000. Default 10. */
  readonly k?: number;
  /** The encoder that made the query; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
}

export interface WriteOptions {
  /** The encoder that made the vectors; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
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
 * `NM_STORE_INVALID` (the file turned out damaged) or `NM_STORE_WRITE_FAILED` (disk full, input/output error).
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
  /** The content hashes of those ids that are there; null where an item has none. */
  hashes(ids: readonly string[]): Promise<Map<string, string | null>>;
  count(): Promise<number>;
  /** The ids after `after` in byte order, at most `limit` (default 1,000): pages through all in constant memory. */
  ids(options?: { readonly after?: string; readonly limit?: number }): Promise<string[]>;
  /** The best items for a query, best first; equal scores in the order in which the items were added. */
  search(query: Float32Array, options?: SearchOptions): Promise<Hit[]>;
  /** The same for several queries, which share the reading of the vectors. */
  search(queries: readonly Float32Array[], options?: SearchOptions): Promise<Hit[][]>;
  /** Reads into memory what a search needs and has not yet; the first search does so itself. */
  refresh(): Promise<void>;
  prune(): Promise<Pruning>;
  /** Gives the space of removed items back to the file system. */
  compact(): Promise<void>;
  /** Ends the use of the store; further calls are `NM_STORE_CLOSED`, a second `close` is none. */
  close(): Promise<void>;
}
