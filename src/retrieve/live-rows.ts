import { NearmissError } from '../errors.js';
import { SEGMENT } from '../kernels/retrieval-layout.js';
import { bitmapWords, type RowBitmap } from './engine.js';
import type { Segments } from './segments.js';

function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Which rows there are and which of them have been removed. */
export class LiveRows {
  /** A bit a row, 1 until it is removed; 0 past the last row. */
  #live: RowBitmap = new Uint32Array(0);
  #slots = 0;
  #size = 0;

  get slots(): number {
    return this.#slots;
  }

  /** Rows not removed. */
  get size(): number {
    return this.#size;
  }

  add(count: number): void {
    const end = this.#slots + count;
    if (bitmapWords(end) > this.#live.length) {
      const grown = new Uint32Array(Math.max(bitmapWords(end), Math.ceil(this.#live.length * 1.5)));
      grown.set(this.#live);
      this.#live = grown;
    }
    for (let row = this.#slots; row < end; ) {
      if (row % 32 === 0 && row + 32 <= end) {
        this.#live[row >>> 5] = 0xffffffff;
        row += 32;
      } else {
        this.#live[row >>> 5]! |= 1 << (row & 31);
        row += 1;
      }
    }
    this.#slots = end;
    this.#size += count;
  }

  isLive(row: number): boolean {
    return ((this.#live[row >>> 5]! >>> (row & 31)) & 1) === 1;
  }

  /** Removes a row; false if it was not there any more. */
  remove(row: number): boolean {
    if (!this.isLive(row)) return false;
    this.#live[row >>> 5]! &= ~(1 << (row & 31));
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#live.fill(0);
    this.#slots = 0;
    this.#size = 0;
  }

  /** Throws `NM_OPTION_INVALID` unless `row` has a number. */
  check(row: number): void {
    if (Number.isInteger(row) && row >= 0 && row < this.#slots) return;
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `row: found ${String(row)}, allowed: a whole number from 0, below ${this.#slots}`,
    );
  }

  /** Throws `NM_OPTION_INVALID` for a bitmap that does not reach over all rows. */
  checkFilter(filter: RowBitmap): void {
    const words = bitmapWords(this.#slots);
    // A Uint32Array of another realm is not `instanceof` this one's.
    if (Object.prototype.toString.call(filter) === '[object Uint32Array]' && filter.length >= words) return;
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `filter: found ${ArrayBuffer.isView(filter) ? `${filter.constructor.name} of ${filter.length}` : typeof filter}, allowed: a Uint32Array of at least ${words}, a bit for each of ${this.#slots} rows`,
    );
  }

  /** Rows that can be found through a filter. */
  count(filter: RowBitmap | undefined): number {
    if (!filter) return this.#size;
    let count = 0;
    for (let i = bitmapWords(this.#slots) - 1; i >= 0; i--) count += ones(filter[i]! & this.#live[i]!);
    return count;
  }

  /** The first `count` rows that can be found through a filter. */
  lowest(count: number, filter: RowBitmap | undefined): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.#slots && rows.length < count; row++) {
      if (this.isLive(row) && (!filter || (filter[row >>> 5]! >>> (row & 31)) & 1)) rows.push(row);
    }
    return rows;
  }

  /**
   * Fills the masks of the segments for positions first … end - 1, in whole words, and returns how many of these
   * positions may be found.
   */
  mask(segments: Segments, first: number, end: number, filter: RowBitmap | undefined): number {
    let allowed = 0;
    segments.each(first, end, (block, from, to, position) => {
      const words = new Uint32Array(
        segments.memory,
        segments.address(block, SEGMENT.mask) + (from >>> 5) * 4,
        ((to + 31) >>> 5) - (from >>> 5),
      );
      const numbers = segments.address(block, SEGMENT.numbers);
      const start = (position >>> 5) << 5;
      if (numbers === 0) {
        const word = start >>> 5;
        for (let i = 0; i < words.length; i++) {
          words[i] = filter ? filter[word + i]! & this.#live[word + i]! : this.#live[word + i]!;
        }
      } else {
        const rows = new Int32Array(segments.memory, numbers + ((from >>> 5) << 5) * 4, words.length * 32);
        for (let i = 0; i < words.length; i++) {
          let bits = 0;
          for (let bit = 0; bit < 32; bit++) {
            const row = rows[i * 32 + bit]!;
            if (row >= this.#slots) break;
            const on = this.#live[row >>> 5]! & (filter ? filter[row >>> 5]! : 0xffffffff);
            bits |= ((on >>> (row & 31)) & 1) << bit;
          }
          words[i] = bits;
        }
      }
      for (let i = 0; i < words.length; i++) {
        let word = words[i]!;
        if (i === 0) word &= -1 << (from & 31);
        if (i === words.length - 1 && to & 31) word &= (1 << (to & 31)) - 1;
        allowed += ones(word);
      }
    });
    return allowed;
  }
}
