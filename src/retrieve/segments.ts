import { NearmissError } from '../errors.js';
import type { RetrievalKernels } from '../kernels/retrieval.js';
import { SEGMENT } from '../kernels/retrieval-layout.js';

/** Bytes of the codes of one segment: with eight queries' worth of other data it stays in a second-level cache. */
const SEGMENT_CODES = 512 * 1024;
const PAGE = 65536;
const MAX_PAGES = 65536;

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** What a row takes in memory beside its share of the fixed parts. */
export interface RowShape {
  readonly dimension: number;
  readonly stride: number;
  readonly l2: boolean;
  /** Whether vectors are left outside. */
  readonly outside: boolean;
  /** Whether vectors have a place that is empty at first: each segment says by `holds` whether they are in it. */
  readonly late?: boolean;
}

/**
 * The memory of a retrieval module as a stack of blocks that are never freed, and the segments of rows in it. Segments
 * are equally large, so a position (where a row is) splits into a segment and an index by shifting.
 *
 *     | scratch of the search | segment | segment | … | → grows
 *     segment: | block | mask | scales | errors | sums | norms | (offsets) | codes | (vectors) |
 */
export class Segments {
  readonly shape: RowShape;
  /** Rows of a segment, a power of two from 32. */
  readonly rows: number;
  readonly rowBytes: number;
  readonly #kernels: RetrievalKernels;
  readonly #shift: number;
  /** Addresses of segment blocks. */
  readonly #blocks: number[] = [];
  /** Addresses of the places of vectors, a segment; 0 where they are left outside. */
  readonly #places: number[] = [];
  #top = 64;

  constructor(kernels: RetrievalKernels, shape: RowShape) {
    this.#kernels = kernels;
    this.shape = shape;
    const { dimension, stride, l2, outside } = shape;
    this.#shift = Math.max(5, Math.floor(Math.log2(SEGMENT_CODES / stride)));
    this.rows = 2 ** this.#shift;
    this.rowBytes = stride + (l2 ? 20 : 16) + (outside ? 0 : dimension * 4);
  }

  get memory(): ArrayBuffer {
    return this.#kernels.memory.buffer;
  }

  /** Takes `bytes` for good and returns their address, a multiple of 64; views of the memory are void afterwards. */
  take(bytes: number): number {
    const at = this.#top;
    this.#grow(at + align(bytes));
    this.#top = at + align(bytes);
    return at;
  }

  /** Gives back what was taken from `address` on; nothing that is still needed may lie there. */
  release(address: number): void {
    this.#top = address;
  }

  /** Rows that have a place. */
  get capacity(): number {
    return this.#blocks.length * this.rows;
  }

  /** Makes room for `rows` rows or throws `NM_INDEX_FULL`, all or none. */
  reserve(rows: number): void {
    const missing = Math.ceil(rows / this.rows) - this.#blocks.length;
    if (missing <= 0) return;
    this.#grow(this.#top + missing * this.#segmentBytes());
    for (let i = 0; i < missing; i++) this.#blocks.push(this.#segment());
  }

  #segmentBytes(): number {
    const { dimension, stride, l2, outside } = this.shape;
    const words = align(this.rows * 4);
    return (
      align(SEGMENT.bytes) +
      align(this.rows / 8) +
      words * (l2 ? 5 : 4) +
      align(this.rows * stride) +
      (outside ? 0 : align(this.rows * dimension * 4))
    );
  }

  #segment(): number {
    const { dimension, stride, l2, outside, late } = this.shape;
    const block = this.take(SEGMENT.bytes);
    const words = this.rows * 4;
    const place = (): number => {
      const at = outside ? 0 : this.take(this.rows * dimension * 4);
      this.#places.push(at);
      return late ? 0 : at;
    };
    const fields: [number, number][] = [
      [SEGMENT.mask, this.take(this.rows / 8)],
      [SEGMENT.scales, this.take(words)],
      [SEGMENT.errors, this.take(words)],
      [SEGMENT.sums, this.take(words)],
      [SEGMENT.norms, this.take(words)],
      [SEGMENT.offsets, l2 ? this.take(words) : 0],
      [SEGMENT.codes, this.take(this.rows * stride)],
      [SEGMENT.vectors, place()],
      [SEGMENT.numbers, 0],
      [SEGMENT.first, this.#blocks.length * this.rows],
    ];
    const view = new Uint32Array(this.memory, block, SEGMENT.bytes / 4);
    for (const [field, value] of fields) view[field / 4] = value;
    return block;
  }

  #grow(bytes: number): void {
    const { memory } = this.#kernels;
    const held = memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(bytes / PAGE);
    if (needed <= held) return;
    const full = (cause?: unknown): NearmissError =>
      new NearmissError(
        'NM_INDEX_FULL',
        `rows of ${this.shape.dimension} numbers: needed ${needed * PAGE} bytes of memory, allowed: ${MAX_PAGES * PAGE} or what the machine has left`,
        { cause },
      );
    if (needed > MAX_PAGES) throw full();
    // An eighth more than needed keeps engines that copy on growth linear; where that is too much, exactly enough.
    const ample = Math.min(MAX_PAGES, Math.ceil(needed * 1.125));
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

  /** Calls `visit` with each segment's block and the range of its rows that positions first … end - 1 cover. */
  each(first: number, end: number, visit: (block: number, first: number, end: number, position: number) => void): void {
    for (let position = first; position < end; ) {
      const index = position >>> this.#shift;
      const start = index << this.#shift;
      const stop = Math.min(end, start + this.rows);
      visit(this.#blocks[index]!, position - start, stop - start, position);
      position = stop;
    }
  }

  /** The block of the segment of a position. */
  block(position: number): number {
    return this.#blocks[position >>> this.#shift]!;
  }

  /** Index of a position in its segment. */
  index(position: number): number {
    return position & (this.rows - 1);
  }

  /** The address in a field of a segment block. */
  address(block: number, field: number): number {
    return new Uint32Array(this.memory, block + field, 1)[0]!;
  }

  /** Whether the vectors of a segment are in memory. */
  holds(block: number): boolean {
    return this.address(block, SEGMENT.vectors) !== 0;
  }

  /** Begins or ceases to take the vectors of a segment from its place, where that is to be decided late. */
  setHeld(block: number, held: boolean): void {
    if (!this.shape.late) return;
    const place = this.#places[this.#blocks.indexOf(block)]!;
    new Uint32Array(this.memory, block + SEGMENT.vectors, 1)[0] = held ? place : 0;
  }

  /** The place of the vectors of a segment, as a view of its first `rows` rows that is void once memory grows. */
  place(block: number, rows: number): Float32Array {
    return new Float32Array(this.memory, this.#places[this.#blocks.indexOf(block)]!, rows * this.shape.dimension);
  }

  /** The first position below `end` whose segment has no vectors in memory; -1 if all have. */
  firstOutside(end: number): number {
    const index = this.#blocks.findIndex((block, i) => i << this.#shift < end && !this.holds(block));
    return index < 0 ? -1 : index << this.#shift;
  }

  /** The vector at a position, as a view that is void once memory grows. */
  vector(position: number): Float32Array {
    const { dimension } = this.shape;
    const at = this.address(this.block(position), SEGMENT.vectors) + this.index(position) * dimension * 4;
    return new Float32Array(this.memory, at, dimension);
  }

  /** Gives positions first … end - 1 the row numbers of `rows`; without it a position is its row's number. */
  setNumbers(first: number, end: number, rows: Int32Array): void {
    this.each(first, end, (block, from, to, position) => {
      let numbers = this.address(block, SEGMENT.numbers);
      if (numbers === 0) {
        numbers = this.take(this.rows * 4);
        new Uint32Array(this.memory, block + SEGMENT.numbers, 1)[0] = numbers;
        const start = position - from;
        const all = new Int32Array(this.memory, numbers, this.rows);
        for (let i = 0; i < all.length; i++) all[i] = start + i;
      }
      const view = new Int32Array(this.memory, numbers + from * 4, to - from);
      for (let i = 0; i < view.length; i++) view[i] = rows[position - first + i]!;
    });
  }

  /** The row numbers of the first `count` positions of a segment. */
  numbers(block: number, count: number): Int32Array {
    const numbers = this.address(block, SEGMENT.numbers);
    const first = this.address(block, SEGMENT.first);
    return numbers
      ? new Int32Array(this.memory, numbers, count).slice()
      : Int32Array.from({ length: count }, (_, i) => first + i);
  }

  /** Makes every position its row's number again. */
  forgetNumbers(): void {
    for (const [i, block] of this.#blocks.entries()) {
      const numbers = this.address(block, SEGMENT.numbers);
      if (numbers === 0) continue;
      const all = new Int32Array(this.memory, numbers, this.rows);
      for (let j = 0; j < all.length; j++) all[j] = i * this.rows + j;
    }
  }

  /**
   * Moves rows so that position p gets what was at from[p], a permutation of 0 … from.length - 1. Vectors that are not all
   * in memory are all taken to be outside from then on.
   */
  reorder(from: Int32Array): void {
    const { dimension, stride, l2 } = this.shape;
    const outside = this.firstOutside(from.length) >= 0;
    if (outside) for (const block of this.#blocks) this.setHeld(block, false);
    const bytes = new Uint8Array(this.memory);
    const parts: [number, number][] = [
      [SEGMENT.codes, stride],
      [SEGMENT.scales, 4],
      [SEGMENT.errors, 4],
      [SEGMENT.sums, 4],
      [SEGMENT.norms, 4],
    ];
    if (l2) parts.push([SEGMENT.offsets, 4]);
    if (!outside) parts.push([SEGMENT.vectors, dimension * 4]);
    const done = new Uint8Array(from.length);
    for (const [field, size] of parts) {
      const bases = this.#blocks.map((block) => this.address(block, field));
      const at = (position: number): number => bases[position >>> this.#shift]! + this.index(position) * size;
      const held = new Uint8Array(size);
      done.fill(0);
      for (let start = 0; start < from.length; start++) {
        if (done[start]) continue;
        done[start] = 1;
        if (from[start] === start) continue;
        held.set(bytes.subarray(at(start), at(start) + size));
        let to = start;
        for (let next = from[to]!; next !== start; next = from[to]!) {
          bytes.copyWithin(at(to), at(next), at(next) + size);
          done[next] = 1;
          to = next;
        }
        bytes.set(held, at(to));
      }
    }
  }
}
