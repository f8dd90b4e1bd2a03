import type { RetrievalKernels } from '../kernels/retrieval.js';
import type { ListReport } from './engine.js';
import type { Rotation } from './rotation.js';
import type { Segments } from './segments.js';

/** Where lists of rows keep their centroids in the memory of an engine; kept for the next lists. */
export interface ListMemory {
  at: number;
  bytes: number;
}

/** Centroids in the rotated space and how a query is compared with them: <q, c> - penalty. */
export interface Centroids {
  /** [lists, dimension] */
  readonly rows: Float32Array;
  /** [lists] */
  readonly penalties: Float32Array;
}

/** Lists of rows: list i holds positions starts[i] … starts[i + 1] - 1. */
export class Lists {
  readonly report: ListReport;
  readonly starts: Int32Array;
  /** Position of each row that is in a list. */
  readonly positions: Int32Array;
  readonly #kernels: RetrievalKernels;
  readonly #segments: Segments;
  readonly #rotation: Rotation;
  readonly #memory: ListMemory;
  readonly #keys: Float64Array;

  constructor(
    place: { readonly kernels: RetrievalKernels; readonly segments: Segments; readonly rotation: Rotation },
    memory: ListMemory,
    centroids: Centroids,
    starts: Int32Array,
    positions: Int32Array,
    report: ListReport,
  ) {
    this.#kernels = place.kernels;
    this.#segments = place.segments;
    this.#rotation = place.rotation;
    this.#memory = memory;
    this.starts = starts;
    this.positions = positions;
    this.report = report;
    this.#keys = new Float64Array(starts.length - 1);
    const bytes = (centroids.rows.length + 2 * centroids.penalties.length) * 4;
    if (bytes > memory.bytes) {
      memory.at = this.#segments.take(bytes);
      memory.bytes = bytes;
    }
    const floats = new Float32Array(this.#segments.memory, memory.at, bytes / 4);
    floats.set(centroids.rows);
    floats.set(centroids.penalties, centroids.rows.length);
  }

  /** The same lists with another report. */
  reported(report: ListReport): Lists {
    const { dimension } = this.#segments.shape;
    const count = this.#keys.length;
    const floats = new Float32Array(this.#segments.memory, this.#memory.at, count * (dimension + 1));
    const centroids = { rows: floats.slice(0, count * dimension), penalties: floats.slice(count * dimension) };
    const place = { kernels: this.#kernels, segments: this.#segments, rotation: this.#rotation };
    return new Lists(place, this.#memory, centroids, this.starts, this.positions, report);
  }

  /** All lists, nearest first, for the query that was prepared last (its rotated copy is still there). */
  nearest(): Int32Array {
    const { dimension } = this.#segments.shape;
    const count = this.#keys.length;
    const penalties = this.#memory.at + count * dimension * 4;
    const out = penalties + count * 4;
    this.#kernels.exports.scoreRows(this.#rotation.scratch, this.#memory.at, penalties, count, dimension, out);
    // The bits of a float as a whole number that orders as the float does, inverted, over the list's number: such keys
    // are sorted natively.
    const bits = new Int32Array(this.#segments.memory, out, count);
    for (let i = 0; i < count; i++) {
      const value = bits[i]!;
      const ascending = value < 0 ? -2147483648 - value : value;
      this.#keys[i] = (2147483647 - ascending) * 65536 + i;
    }
    this.#keys.sort();
    return Int32Array.from(this.#keys, (key) => key % 65536);
  }

  /** The list of a position. */
  listOf(position: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle]! <= position) low = middle;
      else high = middle;
    }
    return low;
  }
}
