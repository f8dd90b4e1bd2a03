import type Database from 'libsql';
import { NearmissError } from '../errors.js';
import type { FlatIndex } from './flat.js';
import { vectorOf } from './items.js';
import type { StoreState } from './sqlite-statements.js';

/** Rows put into the index at a time while everything is read. */
const LOAD_ROWS = 4096;
/** Removed rows are given back once they are more than this and more than a quarter of all. */
const COMPACT_FROM = 1024;

/**
 * Keeps an index in memory equal to the items of a store's file: reads everything once, then only what was written since,
 * by whichever process. Index rows are in the order of the file's row numbers, which only grow, so that equal scores come
 * in the order of insertion, whether the items were read at once or one by one.
 */
export class Follower {
  readonly #index: FlatIndex;
  readonly #path: string;
  readonly #all: Database.Statement;
  readonly #written: Database.Statement;
  readonly #removed: Database.Statement;
  /** Row number in the file of each index row, ascending. */
  #numbers: Float64Array = new Float64Array(0);
  /** The last transaction that the index has seen; -1 before the first reading. */
  #seen = -1;

  constructor(db: Database.Database, index: FlatIndex, path: string) {
    this.#index = index;
    this.#path = path;
    this.#all = db.prepare('SELECT row, vector FROM items ORDER BY row').raw();
    // Left to itself SQLite walks all items in the order of their rows, rather than sort the few that are new.
    this.#written = db
      .prepare('SELECT row, vector FROM items INDEXED BY items_by_change WHERE change > ? ORDER BY row')
      .raw();
    this.#removed = db.prepare('SELECT row FROM removals WHERE change > ?').raw();
  }

  /** Brings the index to `state`; must run in the transaction in which the state was read. */
  follow(state: StoreState): void {
    if (state.change === this.#seen) return;
    const seen = this.#seen;
    this.#seen = -1; // an error on the way leaves the index undefined: read everything next time
    if (seen < 0 || seen < state.pruned || seen > state.change) this.#readAll();
    else this.#readSince(seen);
    this.#seen = state.change;
  }

  /** The file's row number of an index row. */
  number(row: number): number {
    return this.#numbers[row]!;
  }

  #readAll(): void {
    const index = this.#index;
    const { dimension } = index;
    index.clear();
    const chunk = new Float32Array(LOAD_ROWS * dimension);
    const numbers = new Float64Array(LOAD_ROWS);
    let filled = 0;
    const flush = (): void => {
      this.#append(chunk.subarray(0, filled * dimension), numbers.subarray(0, filled));
      filled = 0;
    };
    for (const row of this.#all.iterate()) {
      const [number, bytes] = row as [number, Uint8Array];
      chunk.set(this.#vector(number, bytes), filled * dimension);
      numbers[filled++] = number;
      if (filled === LOAD_ROWS) flush();
    }
    flush();
  }

  #readSince(seen: number): void {
    const index = this.#index;
    const removed: number[] = [];
    for (const [number] of this.#removed.all(seen) as [number][]) {
      const row = this.#find(number);
      if (row >= 0) removed.push(row); // else it came and went since
    }
    index.remove(removed);
    for (const row of this.#written.iterate(seen)) {
      const [number, bytes] = row as [number, Uint8Array];
      const vector = this.#vector(number, bytes);
      const known = this.#find(number);
      if (known >= 0) index.set(known, vector);
      else this.#append(vector, Float64Array.of(number));
    }
    const gone = index.slots - index.size;
    if (gone > COMPACT_FROM && gone > index.slots / 4) {
      const moved = index.compact();
      for (const [row, to] of moved.entries()) if (to >= 0) this.#numbers[to] = this.#numbers[row]!;
    }
  }

  #vector(number: number, bytes: Uint8Array): Float32Array {
    if (bytes.byteLength === this.#index.dimension * 4) return vectorOf(bytes);
    throw new NearmissError(
      'NM_STORE_INVALID',
      `${this.#path}: the file is damaged: row ${number} has ${bytes.byteLength} bytes of vector, allowed: ${this.#index.dimension * 4}`,
    );
  }

  #append(vectors: Float32Array, numbers: Float64Array): void {
    const first = this.#index.add(vectors);
    const needed = first + numbers.length;
    if (needed > this.#numbers.length) {
      const grown = new Float64Array(Math.max(needed, Math.ceil(this.#numbers.length * 1.5)));
      grown.set(this.#numbers.subarray(0, first));
      this.#numbers = grown;
    }
    this.#numbers.set(numbers, first);
  }

  /** The index row of a row number; -1 if it has none. */
  #find(number: number): number {
    let low = 0;
    let high = this.#index.slots;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#numbers[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low < this.#index.slots && this.#numbers[low] === number ? low : -1;
  }
}
