import { NearmissError } from '../errors.js';

/** What assembly/scan.ts exports: addresses in bytes, rows [end, dim] float32 without padding, heaps of 8-byte entries. */
export interface ScanExports {
  clearTop(heap: number, k: number): void;
  scanRows(rows: number, first: number, end: number, dim: number, query: number, heap: number, k: number): void;
  scanPanelOld(
    rows: number,
    first: number,
    end: number,
    dim: number,
    panel: number,
    worst: number,
    heaps: number,
    k: number,
  ): void;
  sortTop(heap: number, k: number): void;
}

/** A module that holds the scan kernels and the memory they work in (`loadRetrievalKernels`). */
export interface ScanKernels {
  readonly memory: WebAssembly.Memory;
  readonly exports: ScanExports;
}

/** The best rows of each query, best first; equal scores by row, lower first. */
export interface TopRows {
  /** Rows [queries, k]; -1 where fewer than k rows have a score. */
  readonly rows: Int32Array;
  /** Inner products [queries, k]; -Infinity where the row is -1. */
  readonly scores: Float32Array;
}

import { MAX_TOP } from './retrieval-layout.js';

export { MAX_TOP } from './retrieval-layout.js';

const LANES = 8;
const PANELS = 8;
/** From this many queries on, a panel of eight is faster than one scan a query. */
const PANEL_FROM = 4;
/** Rows of one block, bytes: stays in the second-level cache while the panels take turns. */
const BLOCK_BYTES = 128 * 1024;
const PAGE = 65536;
const MAX_PAGES = 65536;
const ENTRY = 8;
const NO_ROW = 0x7fffffff;

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/**
 * Float32 rows in the memory of a retrieval module, and the exact top-k over them by inner product. The table takes the
 * whole memory (one module instance a table) and is bound by it: 4 GiB, 8 million rows of 128. Values are not checked:
 * they are finite with norms below 2^60, so that no score overflows, or a row is NaN throughout and is never found.
 *
 *     | thresholds [64] | heaps [64][k] | panels [8][dim][8] | rows [capacity][dim] → grows
 */
export class RowTable {
  readonly dimension: number;
  readonly #kernels: ScanKernels;
  readonly #worst = 64;
  readonly #heaps: number;
  readonly #panels: number;
  readonly #rows: number;

  constructor(kernels: ScanKernels, dimension: number) {
    this.dimension = dimension;
    this.#kernels = kernels;
    this.#heaps = this.#worst + align(PANELS * LANES * 4);
    this.#panels = this.#heaps + align(PANELS * LANES * MAX_TOP * ENTRY);
    this.#rows = this.#panels + align(PANELS * LANES * dimension * 4);
    this.#grow(this.#rows);
  }

  /** Rows that fit without growing the memory. */
  get capacity(): number {
    return Math.floor((this.#kernels.memory.buffer.byteLength - this.#rows) / (this.dimension * 4));
  }

  /** Makes room for `rows` rows; `NM_INDEX_FULL` where the memory of a module (4 GiB) or of the machine ends. */
  reserve(rows: number): void {
    if (rows > this.capacity) this.#grow(this.#rows + rows * this.dimension * 4);
  }

  #grow(bytes: number): void {
    const { memory } = this.#kernels;
    const held = memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(bytes / PAGE);
    if (needed <= held) return;
    const full = (cause?: unknown): NearmissError =>
      new NearmissError(
        'NM_INDEX_FULL',
        `rows of ${this.dimension} numbers: needed ${needed * PAGE} bytes of memory, allowed: ${MAX_PAGES * PAGE} or what the machine has left`,
        { cause },
      );
    if (needed > MAX_PAGES) throw full();
    // A quarter more than needed keeps engines that copy on growth linear; where that is too much, exactly enough.
    const ample = Math.min(MAX_PAGES, Math.ceil(needed * 1.25));
    try {
      memory.grow(ample - held);
    } catch {
      try {
        memory.grow(needed - held);
      } catch (cause) {
        throw full(cause);
      }
    }
  }

  /** Rows first … end - 1 as a view [end - first, dimension]; valid until `reserve` or `search`. */
  view(first: number, end: number): Float32Array {
    const rowBytes = this.dimension * 4;
    return new Float32Array(this.#kernels.memory.buffer, this.#rows + first * rowBytes, (end - first) * this.dimension);
  }

  /**
   * The k rows of first … end - 1 with the largest inner products, for each query.
   *
   * @param queries [count, dimension]
   * @param k 1 … 1000
   */
  search(queries: Float32Array, k: number, end: number, first = 0): TopRows {
    const count = queries.length / this.dimension;
    const top: TopRows = { rows: new Int32Array(count * k), scores: new Float32Array(count * k) };
    let done = 0;
    while (done < count) {
      const group = count - done < PANEL_FROM ? 1 : Math.min(PANELS * LANES, count - done);
      if (group === 1) this.#scanOne(queries, done, k, first, end);
      else this.#scanGroup(queries, done, group, k, first, end);
      this.#read(top, done, group, k);
      done += group;
    }
    return top;
  }

  #scanOne(queries: Float32Array, query: number, k: number, first: number, end: number): void {
    const { exports, memory } = this.#kernels;
    const { dimension } = this;
    const at = query * dimension;
    new Float32Array(memory.buffer, this.#panels, dimension).set(queries.subarray(at, at + dimension));
    exports.clearTop(this.#heaps, k);
    exports.scanRows(this.#rows, first, end, dimension, this.#panels, this.#heaps, k);
  }

  #scanGroup(queries: Float32Array, query: number, group: number, k: number, first: number, end: number): void {
    const { exports, memory } = this.#kernels;
    const { dimension } = this;
    const panels = Math.ceil(group / LANES);
    const packed = new Float32Array(memory.buffer, this.#panels, panels * dimension * LANES);
    const worst = new Float32Array(memory.buffer, this.#worst, panels * LANES);
    for (let lane = 0; lane < panels * LANES; lane++) {
      const to = Math.floor(lane / LANES) * dimension * LANES + (lane % LANES);
      const from = (query + lane) * dimension;
      for (let j = 0; j < dimension; j++) packed[to + j * LANES] = lane < group ? queries[from + j]! : 0;
      worst[lane] = lane < group ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      exports.clearTop(this.#heaps + lane * k * ENTRY, k);
    }
    const block = Math.max(LANES, Math.floor(BLOCK_BYTES / (dimension * 4)));
    for (let start = first; start < end; start += block) {
      const stop = Math.min(end, start + block);
      for (let p = 0; p < panels; p++) {
        const panel = this.#panels + p * dimension * LANES * 4;
        const heaps = this.#heaps + p * LANES * k * ENTRY;
        exports.scanPanelOld(this.#rows, start, stop, dimension, panel, this.#worst + p * LANES * 4, heaps, k);
      }
    }
  }

  #read(top: TopRows, query: number, group: number, k: number): void {
    const { exports, memory } = this.#kernels;
    const scores = new Float32Array(memory.buffer, this.#heaps, group * k * 2);
    const rows = new Int32Array(memory.buffer, this.#heaps, group * k * 2);
    for (let lane = 0; lane < group; lane++) exports.sortTop(this.#heaps + lane * k * ENTRY, k);
    for (let i = 0; i < group * k; i++) {
      const row = rows[2 * i + 1]!;
      top.rows[query * k + i] = row === NO_ROW ? -1 : row;
      top.scores[query * k + i] = scores[2 * i]!;
    }
  }
}
