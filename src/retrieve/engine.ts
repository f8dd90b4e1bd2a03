import type { Metric, Vectors } from './vectors.js';

/**
 * A set of engine rows, one bit a row: row r is in it when `bits[r >>> 5] & (1 << (r & 31))` is not 0 (so bit r % 8 of byte
 * r / 8 on a little-endian machine). It must reach over all `slots` rows; bits past them are ignored.
 */
export type RowBitmap = Uint32Array;

/** Words of a bitmap over `rows` rows. */
export const bitmapWords = (rows: number): number => Math.ceil(rows / 32);

export interface EngineOptions {
  /** 1 … 16,384. */
  readonly dimension: number;
  /** Default `cosine`. */
  readonly metric?: Metric;
  /**
   * Leaves the float32 vectors outside, on a disk say: the engine keeps only its codes (`rowBytes` a row) and asks for the few
   * rows that each search cannot decide by their codes. It must write the vector of `row` into `into` [dimension], the
   * same numbers that were added, at once; what it throws ends the search and reaches its caller.
   */
  readonly readRow?: (row: number, into: Float32Array) => void;
  /**
   * Beside `readRow`: the vectors have a place in memory after all, and come there by `hold`, so that an engine of
   * `addCodes` answers long before they are read. Writes the vectors of rows first … end - 1 into `into`
   * [end - first, dimension]; those of removed rows may be left out.
   */
  readonly readRows?: (first: number, end: number, into: Float32Array) => void;
  /** Names the random rotation; codes of different seeds do not mix. Whole number from 0, default 0. */
  readonly seed?: number;
}

export interface EngineSearch {
  /** Hits a query, 1 … 1,000. Default 10. */
  readonly k?: number;
  /** Rows that may be found; default all. Rows that were removed are never found. */
  readonly filter?: RowBitmap;
  /** Only hits at least this good: a score of at least `radius` or, under `l2`, a distance of at most `radius`. */
  readonly radius?: number;
  /**
   * `exact` (default) searches every row; `approximate` only the lists nearest to each query, as many as `buildLists` found
   * necessary, or more while fewer than k hits are found: a filter never costs hits.
   */
  readonly mode?: 'exact' | 'approximate';
  /** With `approximate`: lists to search, 1 … the number of lists, in place of those that `buildLists` found. */
  readonly probes?: number;
}

/** The best rows of each query, best first; equal scores by row, lower first. */
export interface EngineHits {
  /** Entries a query: k, or the number of rows that may be found where that is less. */
  readonly width: number;
  /** Hits of each query [queries], at most `width`; fewer only where `radius` or `filter` leaves fewer. */
  readonly found: Int32Array;
  /** [queries, width]; -1 past the hits of a query. */
  readonly rows: Int32Array;
  /** [queries, width] cosines, inner products or, under `l2`, distances; NaN past the hits of a query. */
  readonly scores: Float32Array;
  /** Rows of each query [queries] whose float32 vector had to be read, because their code could not exclude them. */
  readonly exactChecks: Int32Array;
}

export interface ListOptions {
  /** Recall of the k best that `approximate` search shall reach, above 0, at most 1. Default 0.98. */
  readonly recall?: number;
  /** For which k the recall is measured, 1 … 999. Default 10. */
  readonly k?: number;
  /** Number of lists, 1 … 65,536; default about the square root of the rows. */
  readonly lists?: number;
  /** Seeds k-means and the choice of the queries. Default 0. */
  readonly seed?: number;
  /**
   * Queries on which the recall is measured; default: 256 rows of the index, each without itself in its answer.
   */
  readonly queries?: Vectors;
  readonly signal?: AbortSignal;
  /** Told the share of the work that is done, 0 … 1. */
  readonly onProgress?: (done: number) => void;
}

/** What `buildLists` found on the rows at hand. */
export interface ListReport {
  readonly lists: number;
  /** Rows in the lists; later rows are searched by every query until lists are built again. */
  readonly rows: number;
  /** Lists that `approximate` search visits. */
  readonly probes: number;
  /** Measured recall at `probes`. */
  readonly recall: number;
  /** Measured recall at other numbers of probes, ascending. */
  readonly curve: readonly { readonly probes: number; readonly recall: number }[];
}

/**
 * Exact search over vectors in memory: the answer of a full float32 scan, proven for each query, at the cost of reading
 * int8 codes (assembly/scan-codes.ts has the proof). Rows are numbered in the order in which they are added; a removed row
 * keeps its number until `compact`. Runs in Node and in browsers; all calls are synchronous but `buildLists`. Made by
 * `createSearchEngine`.
 */
export interface SearchEngine {
  readonly dimension: number;
  readonly metric: Metric;
  /** Rows that can be found. */
  readonly size: number;
  /** Rows that have a number: those that can be found and those removed since the last `compact`. */
  readonly slots: number;
  /** Bytes of memory a row takes here, vectors included where they are not left outside. */
  readonly rowBytes: number;
  /** What codes must agree in to be understood: a format, the metric, the dimension, the seed of the rotation. */
  readonly codeFormat: string;
  /** Bytes of the code of one row, as `codes` gives and `addCodes` takes them. */
  readonly codeBytes: number;
  /** Whether the vectors of all rows are in memory. */
  readonly holdsVectors: boolean;
  /** The lists of the last `buildLists`; undefined without, and after `compact` or `clear`. */
  readonly lists: ListReport | undefined;
  /**
   * Appends vectors and returns the row of the first; all or, on an error, none.
   *
   * @throws `NM_VECTOR_INVALID` (NaN, infinity, too long, not a Float32Array), `NM_SHAPE_MISMATCH`, `NM_INDEX_FULL`
   */
  add(vectors: Vectors): number;
  /**
   * Appends rows whose codes are known, much faster than `add`, and returns the row of the first.
   *
   * @param codes [count, codeBytes] of an engine with the same `codeFormat`
   * @param vectors [count, dimension] as they were given to `add`; left out exactly when the engine has `readRow`
   * @throws `NM_CODES_INVALID`, `NM_VECTOR_INVALID`, `NM_SHAPE_MISMATCH`, `NM_INDEX_FULL`
   */
  addCodes(codes: Uint8Array, vectors?: Float32Array): number;
  /** Codes [end - first, codeBytes] of rows first … end - 1, removed ones included, to be kept beside their vectors. */
  codes(first: number, end: number): Uint8Array;
  /** Replaces the vector of a row that has not been removed. Errors as `add`, and `NM_OPTION_INVALID` for the row. */
  replace(row: number, vector: Float32Array): void;
  /** Removes rows and returns how many were there; a row without number is `NM_OPTION_INVALID`, and then none is removed. */
  remove(rows: Iterable<number>): number;
  /** True for a row that has been removed. */
  isRemoved(row: number): boolean;
  /** Gives back the space of removed rows, keeping the order; returns each old row's new number, -1 for removed ones. */
  compact(): Int32Array;
  /**
   * Takes vectors of some more rows (about 2 MB) into memory by `readRows`; false once all are there, and without `readRows`.
   *
   * @throws `NM_VECTOR_INVALID`, and what `readRows` throws; the rows then stay outside
   */
  hold(): boolean;
  /** Removes everything; numbering starts again. */
  clear(): void;
  /** A copy of a row as it is searched (length 1 under cosine); undefined once removed. */
  vector(row: number): Float32Array | undefined;
  /**
   * The k best rows of each query. Queries of one call share reads of the rows, which makes many cheaper than one by one;
   * the answers are the same to the bit.
   *
   * @param queries one vector, a matrix [queries, dimension], or a list of vectors
   * @throws `NM_VECTOR_INVALID`, `NM_SHAPE_MISMATCH`, `NM_OPTION_INVALID`
   */
  search(queries: Vectors, options?: EngineSearch): EngineHits;
  /**
   * Divides the rows into lists by k-means, so that `approximate` search can visit few of them, and measures how many it
   * must visit. Pays past about 200,000 rows. Rows keep their numbers. Yields between steps; the engine must not be
   * changed meanwhile.
   *
   * @throws `NM_OPTION_INVALID`, or the signal's reason
   */
  buildLists(options?: ListOptions): Promise<ListReport>;
}
