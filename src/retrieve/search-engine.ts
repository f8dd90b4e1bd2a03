import { NearmissError } from '../errors.js';
import type { RetrievalKernels } from '../kernels/retrieval.js';
import { codeStride, MAX_TOP, SEGMENT } from '../kernels/retrieval-layout.js';
import { buildLists } from './build-lists.js';
import type { EngineHits, EngineOptions, EngineSearch, ListOptions, ListReport, SearchEngine } from './engine.js';
import type { ListMemory, Lists } from './lists.js';
import { LiveRows } from './live-rows.js';
import { QueryBlocks } from './query-blocks.js';
import { createRotation, type Rotation } from './rotation.js';
import { runSearch } from './scans.js';
import { Segments } from './segments.js';
import {
  checkMetric,
  checkRows,
  checkWhole,
  MAX_DIMENSION,
  type Metric,
  normaliseRows,
  type Vectors,
  vectorMatrix,
} from './vectors.js';

/** Bytes of vectors or code records that pass through memory at a time. */
const STAGE_BYTES = 256 * 1024;
/** The format of code records; a change of what a code means changes it. */
const FORMAT = 'codes1';

/**
 * Makes an empty engine in the memory of `kernels`, which it takes over: each engine needs a `loadRetrievalKernels()` of
 * its own.
 *
 * @throws `NM_OPTION_INVALID`, `NM_INDEX_FULL`
 *
 * @example
 * const engine = createSearchEngine(await loadRetrievalKernels(), { dimension: 2 });
 * engine.add(Float32Array.of(1, 0, 0, 1, 3, 4));
 * const { rows, scores } = engine.search(Float32Array.of(0, 2), { k: 2 }); // rows [1, 2], scores [1, 0.8]
 */
export function createSearchEngine(kernels: RetrievalKernels, options: EngineOptions): SearchEngine {
  const { dimension, metric = 'cosine', seed = 0 } = options;
  checkWhole('dimension', dimension, 1, MAX_DIMENSION);
  checkMetric(metric);
  checkWhole('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  return new CodeEngine(kernels, { ...options, metric, seed });
}

class CodeEngine implements SearchEngine {
  readonly dimension: number;
  readonly metric: Metric;
  readonly codeFormat: string;
  readonly codeBytes: number;
  readonly #kernels: RetrievalKernels;
  readonly #segments: Segments;
  readonly #rotation: Rotation;
  readonly #queries: QueryBlocks;
  readonly #live: LiveRows = new LiveRows();
  readonly #readRow: EngineOptions['readRow'];
  readonly #readRows: EngineOptions['readRows'];
  /** Address of the vector that `readRow` fills, and of the staging area. */
  readonly #read: number;
  readonly #stage: number;
  readonly #stageBytes: number;
  readonly #listMemory: ListMemory = { at: 0, bytes: 0 };
  #lists: Lists | undefined;

  constructor(kernels: RetrievalKernels, options: EngineOptions & { readonly metric: Metric; readonly seed: number }) {
    const { dimension, metric, seed, readRow, readRows } = options;
    if (readRows && !readRow) throw new NearmissError('NM_OPTION_INVALID', 'readRows: allowed: beside readRow');
    const stride = codeStride(dimension);
    this.dimension = dimension;
    this.metric = metric;
    this.codeBytes = stride + (metric === 'l2' ? 16 : 12);
    this.codeFormat = `${FORMAT} ${metric} ${dimension} ${seed}`;
    this.#kernels = kernels;
    this.#readRow = readRow;
    this.#readRows = readRows;
    const late = readRows !== undefined;
    const outside = readRow !== undefined && !late;
    this.#segments = new Segments(kernels, { dimension, stride, l2: metric === 'l2', outside, late });
    this.#rotation = createRotation(this.#segments, seed);
    this.#queries = new QueryBlocks(kernels, this.#segments, this.#rotation);
    this.#read = this.#segments.take(dimension * 4);
    this.#stageBytes = Math.max(STAGE_BYTES, dimension * 4, this.codeBytes);
    this.#stage = this.#segments.take(this.#stageBytes);
    kernels.onRead((row) => {
      this.#fill(row);
      return this.#read;
    });
  }

  get size(): number {
    return this.#live.size;
  }

  get slots(): number {
    return this.#live.slots;
  }

  get rowBytes(): number {
    return this.#segments.rowBytes;
  }

  get holdsVectors(): boolean {
    return this.#segments.firstOutside(this.slots) < 0;
  }

  get lists(): ListReport | undefined {
    return this.#lists?.report;
  }

  add(vectors: Vectors): number {
    const { dimension, metric } = this;
    const matrix = vectorMatrix(vectors, dimension, 'vectors');
    checkRows(matrix, dimension, metric, (row) => `vector ${row}`);
    const first = this.#grow(matrix.length / dimension);
    this.#segments.each(first, this.slots, (block, from) => {
      if (from === 0) this.#segments.setHeld(block, true); // nothing of it is outside
    });
    this.#encode(first, matrix);
    return first;
  }

  addCodes(codes: Uint8Array, vectors?: Float32Array): number {
    const { dimension, metric, codeBytes } = this;
    const count = codes.length / codeBytes;
    if (!Number.isInteger(count)) {
      throw new NearmissError(
        'NM_CODES_INVALID',
        `codes: found ${codes.length} bytes, allowed: a multiple of ${codeBytes}`,
      );
    }
    const outside = this.#readRow !== undefined;
    if (outside === (vectors !== undefined)) {
      const [found, allowed] = outside ? ['vectors', 'none where the engine has `readRow`'] : ['none', 'one a code'];
      throw new NearmissError('NM_SHAPE_MISMATCH', `vectors: found ${found}, allowed: ${allowed}`);
    }
    if (vectors) {
      vectorMatrix(vectors, dimension, 'vectors');
      if (vectors.length !== count * dimension) {
        throw new NearmissError(
          'NM_SHAPE_MISMATCH',
          `vectors: found ${vectors.length} numbers, allowed: ${count} rows of ${dimension}`,
        );
      }
      checkRows(vectors, dimension, metric, (row) => `vector ${row}`);
    }
    const first = this.#live.slots;
    this.#segments.reserve(first + count);
    const step = Math.floor(this.#stageBytes / codeBytes);
    this.#segments.each(first, first + count, (block, from, to, position) => {
      this.#segments.setHeld(block, false);
      for (let start = from; start < to; start += step) {
        const rows = Math.min(step, to - start);
        const row = position - first + start - from;
        this.#bytes(this.#stage, rows * codeBytes).set(codes.subarray(row * codeBytes, (row + rows) * codeBytes));
        const { stride } = this.#segments.shape;
        const bad = this.#kernels.exports.unpackCodes(this.#stage, block, start, rows, dimension, stride);
        if (bad < 0) continue;
        throw new NearmissError(
          'NM_CODES_INVALID',
          `codes: found bytes that no code has in record ${row + bad}, allowed: codes of the format ${this.codeFormat}`,
        );
      }
      if (vectors) this.#store(block, from, vectors, position - first, to - from);
    });
    this.#grow(count);
    return first;
  }

  codes(first: number, end: number): Uint8Array<ArrayBuffer> {
    checkWhole('first', first, 0, this.slots);
    checkWhole('end', end, first, this.slots);
    const { exports } = this.#kernels;
    const { codeBytes } = this;
    const { stride } = this.#segments.shape;
    const records = new Uint8Array((end - first) * codeBytes);
    const listed = Math.max(first, Math.min(end, this.#lists?.positions.length ?? 0));
    const copy = (block: number, from: number, count: number, to: number): void => {
      exports.packCodes(block, from, count, stride, this.#stage);
      records.set(this.#bytes(this.#stage, count * codeBytes), to * codeBytes);
    };
    for (let row = first; row < listed; row++) {
      const position = this.#position(row);
      copy(this.#segments.block(position), this.#segments.index(position), 1, row - first);
    }
    const step = Math.floor(this.#stageBytes / codeBytes);
    this.#segments.each(listed, end, (block, from, to, position) => {
      for (let start = from; start < to; start += step) {
        copy(block, start, Math.min(step, to - start), position - first + start - from);
      }
    });
    return records;
  }

  replace(row: number, vector: Float32Array): void {
    const { dimension, metric } = this;
    this.#live.check(row);
    if (!this.#live.isLive(row)) {
      throw new NearmissError('NM_OPTION_INVALID', `row: found ${row}, which was removed, allowed: a row not removed`);
    }
    const matrix = vectorMatrix([vector], dimension, 'vector');
    checkRows(matrix, dimension, metric, () => `vector of row ${row}`);
    this.#encode(this.#position(row), matrix);
  }

  remove(rows: Iterable<number>): number {
    const list = [...rows];
    for (const row of list) this.#live.check(row);
    let removed = 0;
    for (const row of list) if (this.#live.remove(row)) removed += 1;
    return removed;
  }

  isRemoved(row: number): boolean {
    this.#live.check(row);
    return !this.#live.isLive(row);
  }

  compact(): Int32Array {
    const count = this.slots;
    const moved = new Int32Array(count);
    const from = new Int32Array(count);
    let kept = 0;
    let last = count;
    for (let row = 0; row < count; row++) {
      const live = this.#live.isLive(row);
      moved[row] = live ? kept : -1;
      from[live ? kept++ : --last] = this.#position(row);
    }
    this.#segments.reorder(from);
    this.clear();
    this.#live.add(kept);
    return moved;
  }

  hold(): boolean {
    const { dimension, metric } = this;
    const position = this.#readRows ? this.#segments.firstOutside(this.slots) : -1;
    if (position < 0) return false;
    const block = this.#segments.block(position);
    const end = Math.min(position + this.#segments.rows, this.slots);
    const vectors = this.#segments.place(block, end - position).fill(0);
    if (this.#lists) {
      for (const [i, row] of this.#segments.numbers(block, end - position).entries()) {
        if (this.#live.isLive(row)) this.#readRow!(row, vectors.subarray(i * dimension, (i + 1) * dimension));
      }
    } else this.#readRows!(position, end, vectors);
    checkRows(vectors, dimension, metric, (row) => `vector at ${position + row}`);
    if (metric === 'cosine') normaliseRows(vectors, dimension);
    this.#segments.setHeld(block, true);
    return !this.holdsVectors;
  }

  clear(): void {
    this.#live.clear();
    this.#segments.forgetNumbers();
    this.#lists = undefined;
  }

  vector(row: number): Float32Array | undefined {
    this.#live.check(row);
    if (!this.#live.isLive(row)) return undefined;
    const position = this.#position(row);
    const held = this.#segments.holds(this.#segments.block(position));
    return (held ? this.#segments.vector(position) : this.#fill(row)).slice();
  }

  search(queries: Vectors, options: EngineSearch = {}): EngineHits {
    const { k = 10, filter, radius, mode = 'exact', probes } = options;
    const invalid = (message: string): NearmissError => new NearmissError('NM_OPTION_INVALID', message);
    checkWhole('k', k, 1, MAX_TOP);
    if (filter !== undefined) this.#live.checkFilter(filter);
    if (radius !== undefined && (Number.isNaN(radius) || (this.metric === 'l2' && radius < 0))) {
      throw invalid(`radius: found ${radius}, allowed: ${this.metric === 'l2' ? 'a distance from 0' : 'a score'}`);
    }
    if (mode !== 'exact' && mode !== 'approximate') {
      throw invalid(`mode: found ${String(mode)}, allowed: exact, approximate`);
    }
    if (mode === 'approximate' && !this.#lists) throw invalid('mode: found approximate, allowed: after `buildLists`');
    if (probes !== undefined) {
      if (mode === 'exact') throw invalid('probes: found a number, allowed: with the mode approximate');
      checkWhole('probes', probes, 1, this.#lists!.report.lists);
    }
    return this.#search(this.#queryMatrix(queries), mode === 'exact' ? undefined : this.#lists, { ...options, k });
  }

  async buildLists(options: ListOptions = {}): Promise<ListReport> {
    this.#lists = await buildLists(
      {
        kernels: this.#kernels,
        metric: this.metric,
        segments: this.#segments,
        rotation: this.#rotation,
        queries: this.#queries,
        live: this.#live,
        memory: this.#listMemory,
        old: this.#lists,
        vector: (row) => this.vector(row)!,
        queryMatrix: (queries) => this.#queryMatrix(queries),
        searchExact: (matrix, k) => this.#search(matrix, undefined, { k }),
        arranged: (lists) => {
          this.#lists = lists;
        },
      },
      options,
    );
    return this.#lists.report;
  }

  #search(matrix: Float32Array, lists: Lists | undefined, options: EngineSearch & { readonly k: number }): EngineHits {
    const width = Math.min(options.k, this.#live.count(options.filter));
    const count = matrix.length / this.dimension;
    if (width === 0) {
      const none = new Int32Array(0);
      const zeros = (): Int32Array => new Int32Array(count);
      return { width, found: zeros(), rows: none, scores: new Float32Array(0), exactChecks: zeros() };
    }
    const searched = {
      kernels: this.#kernels,
      metric: this.metric,
      segments: this.#segments,
      queries: this.#queries,
      live: this.#live,
      lists,
    };
    return { width, ...runSearch(searched, matrix, width, options) };
  }

  #queryMatrix(queries: Vectors): Float32Array {
    const { dimension, metric } = this;
    let matrix = vectorMatrix(queries, dimension, 'queries');
    checkRows(matrix, dimension, metric, (row) => `query ${row}`);
    if (metric === 'cosine') {
      if (matrix === queries) matrix = matrix.slice(); // the caller's own stays as it is
      normaliseRows(matrix, dimension);
    }
    return matrix;
  }

  #position(row: number): number {
    const positions = this.#lists?.positions;
    return positions && row < positions.length ? positions[row]! : row;
  }

  #bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#segments.memory, at, length);
  }

  /** Makes rows for `count` vectors and returns the first. */
  #grow(count: number): number {
    const first = this.#live.slots;
    this.#segments.reserve(first + count);
    this.#live.add(count);
    return first;
  }

  /** Writes vectors as they are searched into a segment that holds them. */
  #store(block: number, at: number, matrix: Float32Array, row: number, count: number): void {
    const { dimension, metric } = this;
    const vectors = this.#segments.address(block, SEGMENT.vectors) + at * dimension * 4;
    const view = new Float32Array(this.#segments.memory, vectors, count * dimension);
    view.set(matrix.subarray(row * dimension, (row + count) * dimension));
    if (metric === 'cosine') normaliseRows(view, dimension);
  }

  /** Encodes a matrix into positions from `first` on. */
  #encode(first: number, matrix: Float32Array): void {
    const { dimension, metric } = this;
    const { stride } = this.#segments.shape;
    const { block, rounds, signs, scratch } = this.#rotation;
    const step = Math.floor(this.#stageBytes / (dimension * 4));
    this.#segments.each(first, first + matrix.length / dimension, (segment, from, to, position) => {
      const outside = !this.#segments.holds(segment);
      for (let start = from; start < to; start += step) {
        const count = Math.min(step, to - start);
        const row = position - first + start - from;
        let source = this.#stage;
        if (outside) {
          const view = new Float32Array(this.#segments.memory, source, count * dimension);
          view.set(matrix.subarray(row * dimension, (row + count) * dimension));
          if (metric === 'cosine') normaliseRows(view, dimension);
        } else {
          this.#store(segment, start, matrix, row, count);
          source = this.#segments.address(segment, SEGMENT.vectors) + start * dimension * 4;
        }
        const { exports } = this.#kernels;
        exports.encodeRows(source, count, dimension, stride, block, rounds, signs, segment, start, scratch);
      }
    });
  }

  /** The vector of a row that is outside, as it is searched, in memory until the next. */
  #fill(row: number): Float32Array {
    const vector = new Float32Array(this.#segments.memory, this.#read, this.dimension);
    this.#readRow!(row, vector);
    if (this.metric === 'cosine') normaliseRows(vector, this.dimension);
    return vector;
  }
}
