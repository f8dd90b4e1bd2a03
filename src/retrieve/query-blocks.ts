import type { RetrievalKernels } from '../kernels/retrieval.js';
import { HIT_BYTES, MAX_TOP, NO_ROW, QUERY } from '../kernels/retrieval-layout.js';
import type { Rotation } from './rotation.js';
import type { Segments } from './segments.js';

/** Queries that are searched together. */
export const GROUP = 64;
/** Queries of a panel. */
export const LANES = 8;

/** Queries in the memory of an engine: their blocks, the forms of each that scans read, and their hits. */
export class QueryBlocks {
  readonly #kernels: RetrievalKernels;
  readonly #segments: Segments;
  readonly #rotation: Rotation;
  readonly #blocks: number;
  readonly #heaps: number;
  readonly #exact: number;
  readonly #panels: number;
  readonly #factors: number;
  readonly #thresholds: number;
  #k = 0;

  constructor(kernels: RetrievalKernels, segments: Segments, rotation: Rotation) {
    this.#kernels = kernels;
    this.#segments = segments;
    this.#rotation = rotation;
    const { dimension, stride, l2 } = segments.shape;
    this.#blocks = segments.take(GROUP * QUERY.bytes);
    this.#heaps = segments.take(GROUP * MAX_TOP * HIT_BYTES);
    this.#exact = segments.take(GROUP * dimension * 8);
    this.#panels = segments.take(GROUP * dimension * 4);
    this.#factors = segments.take(GROUP * 4);
    this.#thresholds = segments.take(GROUP * 4);
    const floats = segments.take(GROUP * dimension * 4);
    const fine = segments.take(GROUP * stride * 2);
    const coarse = segments.take(GROUP * stride);
    for (let q = 0; q < GROUP; q++) {
      const view = new Uint32Array(segments.memory, this.block(q), QUERY.bytes / 4);
      view[QUERY.exact / 4] = this.#exact + q * dimension * 8;
      view[QUERY.floats / 4] = floats + q * dimension * 4;
      view[QUERY.fine / 4] = fine + q * stride * 2;
      view[QUERY.coarse / 4] = coarse + q * stride;
      view[QUERY.dim / 4] = dimension;
      view[QUERY.stride / 4] = stride;
      view[QUERY.l2 / 4] = l2 ? 1 : 0;
    }
  }

  /** Address of a query's block. */
  block(query: number): number {
    return this.#blocks + query * QUERY.bytes;
  }

  /**
   * Takes in a query, `factor` times as long as `vector`, that keeps the k best hits of at least `floor`.
   * Its rotated copy stays in the scratch of the rotation until the next.
   */
  prepare(query: number, vector: Float32Array, factor: number, k: number, floor: number): void {
    const { exports } = this.#kernels;
    const { dimension } = this.#segments.shape;
    const exact = new Float64Array(this.#segments.memory, this.#exact + query * dimension * 8, dimension);
    for (let j = 0; j < dimension; j++) exact[j] = vector[j]! * factor;
    const view = new Uint32Array(this.#segments.memory, this.block(query), QUERY.bytes / 4);
    this.#k = k;
    const heap = this.#heaps + query * k * HIT_BYTES;
    view[QUERY.heap / 4] = heap;
    view[QUERY.top / 4] = k;
    view[QUERY.refined / 4] = 0;
    view[QUERY.exactChecks / 4] = 0;
    const { block, rounds, signs, scratch } = this.#rotation;
    exports.prepareQuery(this.block(query), block, rounds, signs, scratch);
    exports.clearHits(heap, k, floor);
    exports.setThreshold(this.block(query));
  }

  /** Packs the first `count` queries into panels. */
  pack(count: number): void {
    const { dimension } = this.#segments.shape;
    const { memory } = this.#segments;
    const panels = Math.ceil(count / LANES);
    const packed = new Float32Array(memory, this.#panels, panels * dimension * LANES);
    const exact = new Float64Array(memory, this.#exact, GROUP * dimension);
    const factors = new Float32Array(memory, this.#factors, panels * LANES);
    const thresholds = new Float32Array(memory, this.#thresholds, panels * LANES);
    for (let q = 0; q < panels * LANES; q++) {
      const to = Math.floor(q / LANES) * dimension * LANES + (q % LANES);
      const used = q < count;
      for (let j = 0; j < dimension; j++) packed[to + j * LANES] = used ? exact[q * dimension + j]! : 0;
      const block = new Float32Array(memory, this.block(q), QUERY.bytes / 4);
      factors[q] = used ? block[QUERY.floatFactor / 4]! : 0;
      thresholds[q] = used ? block[QUERY.threshold / 4]! : Number.POSITIVE_INFINITY;
    }
  }

  /** Scans rows of a segment for all of panel `panel`. */
  scanPanel(panel: number, segment: number, first: number, end: number, masked: number): void {
    const { dimension } = this.#segments.shape;
    this.#kernels.exports.scanPanel(
      this.block(panel * LANES),
      QUERY.bytes,
      this.#panels + panel * dimension * LANES * 4,
      this.#factors + panel * LANES * 4,
      this.#thresholds + panel * LANES * 4,
      segment,
      first,
      end,
      masked,
    );
  }

  /** Writes the hits of a query to `rows` and `scores`, best first, and returns how many there are. */
  read(query: number, rows: Int32Array, scores: Float64Array): number {
    const heap = this.#heaps + query * this.#k * HIT_BYTES;
    this.#kernels.exports.sortHits(heap, this.#k);
    const values = new Float64Array(this.#segments.memory, heap, this.#k * 2);
    const words = new Int32Array(this.#segments.memory, heap, this.#k * 4);
    let found = 0;
    for (; found < this.#k && words[found * 4 + 2] !== NO_ROW; found++) {
      rows[found] = words[found * 4 + 2]!;
      scores[found] = values[found * 2]!;
    }
    return found;
  }

  /** Rows that a query has scored exactly. */
  exactChecks(query: number): number {
    return new Int32Array(this.#segments.memory, this.block(query) + QUERY.exactChecks, 1)[0]!;
  }
}
