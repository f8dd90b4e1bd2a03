import { NearmissError } from '../errors.js';
import type { SimdTier } from '../kernels/load.js';
import { loadRetrievalKernels } from '../kernels/retrieval.js';
import { MAX_TOP, RowTable } from '../kernels/scan.js';
import type { Vectors } from './vectors.js';
import {
  checkMetric,
  checkRows,
  checkWhole,
  MAX_DIMENSION,
  type Metric,
  normaliseRows,
  vectorMatrix,
} from './vectors.js';

export interface FlatIndexOptions {
  /** 1 … 16,384. */
  readonly dimension: number;
  /** Default `cosine`. */
  readonly metric?: Metric;
  /** SIMD tier; default: the best this engine has. */
  readonly tier?: SimdTier;
}

/** The k best rows of each query, best first; equal scores by row, lower first. */
export interface SearchResult {
  /** Hits a query: k, or all rows where there are fewer. */
  readonly found: number;
  /** [queries, found] */
  readonly rows: Int32Array;
  /** [queries, found] cosines or inner products, exact but for the rounding of float32. */
  readonly scores: Float32Array;
}

/**
 * Exact search over vectors in WASM memory: a scan of every row, so results have no recall parameter. Rows are numbered
 * in the order of `add`; a removed row keeps its number until `compact`. Runs in Node and in browsers.
 *
 * @example
 * const index = await createFlatIndex({ dimension: 2 });
 * index.add(Float32Array.of(1, 0, 0, 1, 3, 4));
 * index.search(Float32Array.of(0, 2), 2); // rows [1, 2], scores [1, 0.8]
 */
export interface FlatIndex {
  readonly dimension: number;
  readonly metric: Metric;
  readonly tier: SimdTier;
  /** Rows that can be found. */
  readonly size: number;
  /** Rows that have a number: those that can be found and those removed since the last `compact`. */
  readonly slots: number;
  /**
   * Appends vectors and returns the row of the first; all or, on an error, none.
   *
   * @throws `NM_VECTOR_INVALID` (NaN, infinity, too long, not a Float32Array), `NM_SHAPE_MISMATCH`, `NM_INDEX_FULL`
   */
  add(vectors: Vectors): number;
  /** Replaces the vector of a row that has not been removed. Errors as `add`, and `NM_OPTION_INVALID` for the row. */
  set(row: number, vector: Float32Array): void;
  /** Removes rows and returns how many were there; a row without number is `NM_OPTION_INVALID`. */
  remove(rows: Iterable<number>): number;
  /** Gives back the space of removed rows, keeping the order; returns each old row's new number, -1 for removed ones. */
  compact(): Int32Array;
  /** Removes everything; numbering starts again. */
  clear(): void;
  /** A copy of a row as it is searched (length 1 under cosine); undefined once removed. */
  vector(row: number): Float32Array | undefined;
  /**
   * The k best rows of each query. Queries of one call share reads of the rows, which makes many cheaper than one by one;
   * the last bits of a score may depend on how many queries came together.
   *
   * @param queries one vector, a matrix [queries, dimension], or a list of vectors
   * @param k 1 … 1000
   * @throws `NM_VECTOR_INVALID`, `NM_SHAPE_MISMATCH`, `NM_OPTION_INVALID`
   */
  search(queries: Vectors, k: number): SearchResult;
}

/** Makes an empty index; `NM_OPTION_INVALID` for settings out of range, `NM_SIMD_UNSUPPORTED` for a tier not there. */
export async function createFlatIndex(options: FlatIndexOptions): Promise<FlatIndex> {
  const { dimension, metric = 'cosine', tier } = options;
  checkWhole('dimension', dimension, 1, MAX_DIMENSION);
  checkMetric(metric);
  const kernels = await loadRetrievalKernels(tier === undefined ? {} : { tier });
  return new RowIndex(new RowTable(kernels, dimension), metric, kernels.tier);
}

class RowIndex implements FlatIndex {
  readonly metric: Metric;
  readonly tier: SimdTier;
  readonly #table: RowTable;
  #slots = 0;
  #removed = 0;

  constructor(table: RowTable, metric: Metric, tier: SimdTier) {
    this.#table = table;
    this.metric = metric;
    this.tier = tier;
  }

  get dimension(): number {
    return this.#table.dimension;
  }

  get size(): number {
    return this.#slots - this.#removed;
  }

  get slots(): number {
    return this.#slots;
  }

  add(vectors: Vectors): number {
    const { dimension, metric } = this;
    const matrix = vectorMatrix(vectors, dimension, 'vectors');
    checkRows(matrix, dimension, metric, (row) => `vector ${row}`);
    const first = this.#slots;
    const end = first + matrix.length / dimension;
    this.#table.reserve(end);
    const rows = this.#table.view(first, end);
    rows.set(matrix);
    if (metric === 'cosine') normaliseRows(rows, dimension);
    this.#slots = end;
    return first;
  }

  set(row: number, vector: Float32Array): void {
    this.#checkRow(row);
    if (this.#isRemoved(row)) {
      throw new NearmissError('NM_OPTION_INVALID', `row: found ${row}, which was removed, allowed: a row not removed`);
    }
    const { dimension, metric } = this;
    const matrix = vectorMatrix([vector], dimension, 'vector');
    checkRows(matrix, dimension, metric, () => `vector of row ${row}`);
    if (metric === 'cosine') normaliseRows(matrix, dimension);
    this.#table.view(row, row + 1).set(matrix);
  }

  remove(rows: Iterable<number>): number {
    const list = [...rows];
    for (const row of list) this.#checkRow(row);
    let removed = 0;
    for (const row of list) {
      if (this.#isRemoved(row)) continue;
      // The scan never returns a row of NaN (assembly/scan.ts), so removal costs the scan nothing.
      this.#table.view(row, row + 1).fill(Number.NaN);
      removed += 1;
    }
    this.#removed += removed;
    return removed;
  }

  compact(): Int32Array {
    const { dimension } = this;
    const moved = new Int32Array(this.#slots);
    const rows = this.#table.view(0, this.#slots);
    let next = 0;
    for (let row = 0; row < this.#slots; row++) {
      if (Number.isNaN(rows[row * dimension]!)) {
        moved[row] = -1;
        continue;
      }
      if (next !== row) rows.copyWithin(next * dimension, row * dimension, (row + 1) * dimension);
      moved[row] = next;
      next += 1;
    }
    this.#slots = next;
    this.#removed = 0;
    return moved;
  }

  clear(): void {
    this.#slots = 0;
    this.#removed = 0;
  }

  vector(row: number): Float32Array | undefined {
    this.#checkRow(row);
    return this.#isRemoved(row) ? undefined : this.#table.view(row, row + 1).slice();
  }

  search(queries: Vectors, k: number): SearchResult {
    const { dimension, metric } = this;
    checkWhole('k', k, 1, MAX_TOP);
    let matrix = vectorMatrix(queries, dimension, 'queries');
    checkRows(matrix, dimension, metric, (row) => `query ${row}`);
    if (metric === 'cosine') {
      if (matrix === queries) matrix = matrix.slice(); // the caller's own stays as it is
      normaliseRows(matrix, dimension);
    }
    const found = Math.min(k, this.size);
    if (found === 0) return { found, rows: new Int32Array(0), scores: new Float32Array(0) };
    return { found, ...this.#table.search(matrix, found, this.#slots) };
  }

  #isRemoved(row: number): boolean {
    return Number.isNaN(this.#table.view(row, row + 1)[0]!);
  }

  #checkRow(row: number): void {
    if (Number.isInteger(row) && row >= 0 && row < this.#slots) return;
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `row: found ${String(row)}, allowed: a whole number from 0, below ${this.#slots}`,
    );
  }
}
