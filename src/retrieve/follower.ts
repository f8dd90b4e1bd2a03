import type Database from 'libsql';
import { NearmissError } from '../errors.js';
import { MetadataColumns } from './columns.js';
import { checkStillSame } from './encoder-identity.js';
import type { RowBitmap, SearchEngine } from './engine.js';
import type { Filter } from './filter.js';
import { type JsonObject, vectorOf } from './items.js';
import type { Statements, StoreState } from './sqlite-statements.js';
import type { StoreInfo } from './store.js';

/** Rows read at a time while everything is read: their codes stay in the caches on the way. */
const CHUNK = 1024;
/** Up to this many bytes of vectors are taken into memory at once, more by and by. */
const HOLD_AT_ONCE = 2 ** 20;
/** Removed rows are given back once they are more than this and more than a quarter of all. */
const COMPACT_FROM = 1024;

/**
 * Rows ?1 < row <= ?2, at most CHUNK, as one blob of vectors and one of codes: far fewer calls than row by row. Their numbers are
 * gathered in the same pass, so each belongs to its vector; ORDER BY within the aggregates would sort, at twice the time.
 */
const CHUNK_SQL = (vectors: boolean): string => `
  SELECT count(*), group_concat(row), max(row), min(length(vector)), max(length(vector)),
    ${vectors ? "CAST(group_concat(vector, '') AS BLOB)" : 'NULL'},
    count(code), min(length(code)), max(length(code)), CAST(group_concat(code, '') AS BLOB)
  FROM (SELECT row, vector, code FROM items WHERE row > ?1 AND row <= ?2 ORDER BY row LIMIT ${CHUNK})`;

/**
 * Keeps an engine in memory equal to the items of a store's file: reads everything once, then only what was written since,
 * by whichever process. Engine rows are in the order of the file's row numbers, which only grow, so that equal scores come
 * in the order of insertion, whether the items were read at once or one by one.
 */
export class Follower {
  readonly #engine: SearchEngine;
  readonly #path: string;
  readonly #info: StoreInfo;
  readonly #sql: Statements;
  readonly #columns = new MetadataColumns();
  /** True where the engine is to hold the vectors, false where it reads them from the file. */
  readonly #holds: boolean;
  readonly #db: Database.Database;
  readonly #written: Database.Statement;
  readonly #removed: Database.Statement;
  readonly #metadataAfter: Database.Statement;
  /** Row number in the file of each engine row, ascending. */
  #numbers: Float64Array = new Float64Array(0);
  /** The last transaction that the engine has seen; -1 before the first reading. */
  #seen = -1;

  constructor(
    db: Database.Database,
    sql: Statements,
    engine: SearchEngine,
    store: { readonly path: string; readonly info: StoreInfo; readonly holdsVectors: boolean },
  ) {
    this.#engine = engine;
    this.#db = db;
    this.#path = store.path;
    this.#info = store.info;
    this.#sql = sql;
    this.#holds = store.holdsVectors;
    // Left to itself SQLite walks all items in the order of their rows, rather than sort the few that are new.
    const written = 'SELECT row, vector, metadata FROM items INDEXED BY items_by_change WHERE change > ? ORDER BY row';
    this.#written = db.prepare(written).raw();
    this.#removed = db.prepare('SELECT row FROM removals WHERE change > ?').raw();
    this.#metadataAfter = db
      .prepare(
        `SELECT count(*), max(row), '[' || group_concat(metadata, ',' ORDER BY row) || ']'
         FROM (SELECT row, metadata FROM items WHERE row > ? ORDER BY row LIMIT ${CHUNK})`,
      )
      .raw();
  }

  /** Brings the engine to `state`; must run in the transaction in which the state was read. */
  follow(state: StoreState): void {
    if (state.change === this.#seen) return;
    checkStillSame(this.#path, this.#info, this.#sql.setting('fingerprint') ?? 'none');
    const seen = this.#seen;
    this.#seen = -1; // an error on the way leaves the engine undefined: read everything next time
    if (seen < 0 || seen < state.pruned || seen > state.change) this.#readAll();
    else this.#readSince(seen);
    this.#seen = state.change;
  }

  /** The engine rows that meet a checked filter, in the same transaction as the last `follow`. */
  bitmap(filter: Filter): RowBitmap {
    const missing = this.#columns.missing(filter);
    if (missing.length > 0) {
      this.#columns.addFields(missing);
      this.#compact(); // so that engine rows and items are in step
      this.#readMetadata();
    }
    return this.#columns.bitmap(filter, this.#engine.slots);
  }

  /** Reads the vectors of engine rows first … end - 1, in the same transaction as the last `follow`. */
  vectors(first: number, end: number, into: Float32Array): void {
    const { dimension } = this.#engine;
    const statement = this.#db.prepare(CHUNK_SQL(true)).raw();
    const last = this.#numbers[end - 1]!;
    for (let after = this.#numbers[first]! - 1; after < last; ) {
      const chunk = readChunk(statement, after, last);
      if (chunk.count === 0) break;
      const vectors = vectorOf(chunk.vectors!);
      for (const [i, number] of chunk.numbers.entries()) {
        const at = this.#find(number) - first;
        into.set(vectors.subarray(i * dimension, (i + 1) * dimension), at * dimension);
      }
      after = chunk.last;
    }
  }

  /** The file's row number of an engine row. */
  number(row: number): number {
    return this.#numbers[row]!;
  }

  #readAll(): void {
    this.#engine.clear();
    this.#columns.clear();
    const { codeBytes, codeFormat, dimension } = this.#engine;
    const known = this.#sql.setting('codeFormat') === codeFormat;
    const codesOnly = this.#db.prepare(CHUNK_SQL(false)).raw();
    const all = this.#db.prepare(CHUNK_SQL(true)).raw();
    for (let last = -1; ; ) {
      let chunk = readChunk(known ? codesOnly : all, last);
      if (chunk.count === 0) break;
      if (chunk.shortest !== dimension * 4 || chunk.longest !== dimension * 4) this.#refuse(last, chunk.last);
      const coded = known && chunk.coded === chunk.count && chunk.codesOf(codeBytes);
      if (!coded && !chunk.vectors) chunk = readChunk(all, last);
      const first = coded ? this.#engine.addCodes(chunk.codes!) : this.#engine.add(vectorOf(chunk.vectors!));
      this.#number(first, chunk.numbers);
      last = chunk.last;
    }
    if (this.#holds && this.#engine.slots * dimension * 4 <= HOLD_AT_ONCE) while (this.#engine.hold());
    if (!this.#columns.idle) this.#readMetadata();
  }

  #readMetadata(): void {
    let row = 0;
    for (let last = -1; ; ) {
      const [count, max, text] = this.#metadataAfter.get(last) as [number, number, string];
      if (count === 0) break;
      for (const metadata of this.#parse(text) as JsonObject[]) this.#columns.set(row++, metadata);
      last = max;
    }
  }

  #readSince(seen: number): void {
    const engine = this.#engine;
    const removed: number[] = [];
    for (const [number] of this.#removed.all(seen) as [number][]) {
      const row = this.#find(number);
      if (row >= 0) removed.push(row); // else it came and went since
    }
    engine.remove(removed);
    for (const each of this.#written.iterate(seen)) {
      const [number, bytes, metadata] = each as [number, Uint8Array, string];
      if (bytes.byteLength !== engine.dimension * 4) this.#refuse(number - 1, number);
      const vector = vectorOf(bytes);
      let row = this.#find(number);
      if (row >= 0) engine.replace(row, vector);
      else {
        row = engine.add(vector);
        this.#number(row, Float64Array.of(number));
      }
      if (!this.#columns.idle) this.#columns.set(row, this.#parse(metadata) as JsonObject);
    }
    const gone = engine.slots - engine.size;
    if (gone > COMPACT_FROM && gone > engine.slots / 4) this.#compact();
  }

  #compact(): void {
    if (this.#engine.slots === this.#engine.size) return;
    const moved = this.#engine.compact();
    for (const [row, to] of moved.entries()) if (to >= 0) this.#numbers[to] = this.#numbers[row]!;
    this.#columns.compact(moved);
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new NearmissError('NM_STORE_INVALID', `${this.#path}: the file is damaged: metadata is no JSON`, { cause });
    }
  }

  /** Says which of the rows after `after`, up to `last`, has a vector of another length. */
  #refuse(after: number, last: number): never {
    const allowed = this.#engine.dimension * 4;
    const [row, bytes] = this.#db
      .prepare('SELECT row, length(vector) FROM items WHERE row > ? AND row <= ? AND length(vector) <> ? LIMIT 1')
      .raw()
      .get(after, last, allowed) as [number, number];
    throw new NearmissError(
      'NM_STORE_INVALID',
      `${this.#path}: the file is damaged: row ${row} has ${bytes} bytes of vector, allowed: ${allowed}`,
    );
  }

  /** Notes the row numbers of engine rows from `first` on. */
  #number(first: number, numbers: Float64Array): void {
    const needed = first + numbers.length;
    if (needed > this.#numbers.length) {
      const grown = new Float64Array(Math.max(needed, Math.ceil(this.#numbers.length * 1.5)));
      grown.set(this.#numbers.subarray(0, first));
      this.#numbers = grown;
    }
    this.#numbers.set(numbers, first);
  }

  /** The engine row of a row number; -1 if it has none. */
  #find(number: number): number {
    let low = 0;
    let high = this.#engine.slots;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#numbers[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low < this.#engine.slots && this.#numbers[low] === number ? low : -1;
  }
}

/** Some rows in the order of their numbers. */
interface Chunk {
  readonly count: number;
  /** Row numbers, ascending. */
  readonly numbers: Float64Array;
  readonly last: number;
  /** Bytes of the shortest and the longest vector. */
  readonly shortest: number;
  readonly longest: number;
  readonly vectors: Uint8Array | undefined;
  /** Rows that have a code. */
  readonly coded: number;
  readonly codes: Uint8Array | undefined;
  /** True if every code has so many bytes. */
  codesOf(bytes: number): boolean;
}

function readChunk(statement: Database.Statement, after: number, until: number = Number.MAX_SAFE_INTEGER): Chunk {
  const row = statement.get(after, until) as [number, string | null, ...number[]];
  const [count, text, last, shortest, longest, , coded, least, most] = row;
  const numbers = Float64Array.from(JSON.parse(`[${text ?? ''}]`) as number[]);
  if (numbers.some((number, i) => i > 0 && number <= numbers[i - 1]!)) {
    throw new Error('SQLite gave rows in another order than asked for');
  }
  const blob = (value: unknown): Uint8Array | undefined =>
    value === null || value === undefined
      ? undefined
      : ArrayBuffer.isView(value)
        ? (value as Uint8Array)
        : new Uint8Array(value as ArrayBuffer);
  return {
    count,
    numbers,
    last: last!,
    shortest: shortest!,
    longest: longest!,
    vectors: blob(row[5]),
    coded: coded!,
    codes: blob(row[9]),
    codesOf: (bytes) => least === bytes && most === bytes,
  };
}
