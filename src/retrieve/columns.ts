import type { RowBitmap } from './engine.js';
import { bitmapWords } from './engine.js';
import { boundsTest, type Filter, fieldValue, pathOf, type Scalar } from './filter.js';
import type { JsonObject, JsonValue } from './items.js';

/** Bitmaps that are kept for filters asked again. */
const CACHED = 32;
/** Codes of a column that are no scalar. */
const MISSING = 0;
const COMPOUND = 1;

/**
 * The values of one field over all rows, each distinct value once: a condition is decided per value, and the rows are a
 * loop over small integers.
 */
class Column {
  readonly path: readonly string[];
  #codes: Uint32Array = new Uint32Array(0);
  readonly #values: (Scalar | undefined)[] = [undefined, undefined];
  readonly #known = new Map<Scalar, number>();

  constructor(path: readonly string[]) {
    this.path = path;
  }

  set(row: number, metadata: JsonObject): void {
    if (row >= this.#codes.length) {
      const grown = new Uint32Array(Math.max(row + 1, Math.ceil(this.#codes.length * 1.5), 1024));
      grown.set(this.#codes);
      this.#codes = grown;
    }
    this.#codes[row] = this.#code(fieldValue(metadata, this.path));
  }

  move(from: number, to: number): void {
    this.#codes[to] = this.#codes[from]!;
  }

  #code(value: JsonValue | undefined): number {
    if (value === undefined) return MISSING;
    if (typeof value === 'object' && value !== null) return COMPOUND;
    let code = this.#known.get(value);
    if (code === undefined) {
      code = this.#values.push(value) - 1;
      this.#known.set(value, code);
    }
    return code;
  }

  /** The rows 0 … rows - 1 whose value meets a condition on this field. */
  rows(filter: Extract<Filter, { readonly field: unknown }>, rows: number): RowBitmap {
    const holds = new Uint8Array(this.#values.length);
    const mark = (value: Scalar): void => {
      const code = this.#known.get(value);
      if (code !== undefined) holds[code] = 1;
    };
    if (filter.op === 'eq') mark(filter.value);
    else if (filter.op === 'in') filter.values.forEach(mark);
    else if (filter.op === 'exists') holds.fill(1, COMPOUND);
    else if (filter.op === 'range') {
      const within = boundsTest(filter);
      for (let code = COMPOUND + 1; code < holds.length; code++) if (within(this.#values[code])) holds[code] = 1;
    } else {
      mark(filter.value);
      for (let code = 0; code < holds.length; code++) holds[code] = 1 - holds[code]!;
    }
    const bits = new Uint32Array(bitmapWords(rows));
    const codes = this.#codes;
    for (let word = 0, row = 0; word < bits.length; word++) {
      const end = Math.min(row + 32, rows);
      let set = 0;
      for (let bit = 0; row < end; row++, bit++) set |= holds[codes[row]!]! << bit;
      bits[word] = set;
    }
    return bits;
  }
}

/**
 * Metadata of rows in memory, for filters: only the fields that some filter has asked for, each from then on. Rows are
 * those of a search engine. Values that no row has any more are forgotten on `clear`.
 */
export class MetadataColumns {
  readonly #columns = new Map<string, Column>();
  readonly #bitmaps = new Map<string, RowBitmap>();

  /** True while no field is kept: then rows need no metadata. */
  get idle(): boolean {
    return this.#columns.size === 0;
  }

  /** The fields of a filter that are not kept yet; `addFields` begins to keep them. */
  missing(filter: Filter): (readonly string[])[] {
    return fieldsOf(filter).filter((path) => !this.#columns.has(JSON.stringify(path)));
  }

  /** Begins to keep fields; every row must be set again, by `set` from row 0 on. */
  addFields(paths: readonly (readonly string[])[]): void {
    for (const path of paths) this.#columns.set(JSON.stringify(path), new Column(path));
  }

  /** Gives row `row` its metadata; a new row is the next in order. */
  set(row: number, metadata: JsonObject): void {
    this.#bitmaps.clear();
    for (const column of this.#columns.values()) column.set(row, metadata);
  }

  /** Renumbers rows as an engine's `compact` says: the new number of each row, -1 for those that are gone. */
  compact(moved: Int32Array): void {
    this.#bitmaps.clear();
    for (const [from, to] of moved.entries()) {
      if (to < 0) continue;
      for (const column of this.#columns.values()) column.move(from, to);
    }
  }

  /** Forgets rows and values, and keeps the fields. */
  clear(): void {
    this.#bitmaps.clear();
    for (const [key, { path }] of this.#columns) this.#columns.set(key, new Column(path));
  }

  /** The rows of 0 … rows - 1 that meet a checked filter, all of whose fields are kept. The bitmap must not be written to. */
  bitmap(filter: Filter, rows: number): RowBitmap {
    const key = `${rows} ${JSON.stringify(filter)}`;
    let bits = this.#bitmaps.get(key);
    if (bits)
      this.#bitmaps.delete(key); // to put it last
    else bits = this.#evaluate(filter, rows);
    this.#bitmaps.set(key, bits);
    if (this.#bitmaps.size > CACHED) this.#bitmaps.delete(this.#bitmaps.keys().next().value!);
    return bits;
  }

  #evaluate(filter: Filter, rows: number): RowBitmap {
    switch (filter.op) {
      case 'not': {
        const bits = this.#evaluate(filter.filter, rows);
        for (let i = 0; i < bits.length; i++) bits[i] = ~bits[i]!;
        return bits;
      }
      case 'and':
      case 'or': {
        const and = filter.op === 'and';
        const bits = new Uint32Array(bitmapWords(rows)).fill(and ? 0xffffffff : 0);
        for (const each of filter.filters) {
          const other = this.#evaluate(each, rows);
          for (let i = 0; i < bits.length; i++) bits[i] = and ? bits[i]! & other[i]! : bits[i]! | other[i]!;
        }
        return bits;
      }
      default:
        return this.#columns.get(JSON.stringify(pathOf(filter.field)))!.rows(filter, rows);
    }
  }
}

/** The paths of the fields that a filter looks at, each once. */
export function fieldsOf(filter: Filter): (readonly string[])[] {
  const found = new Map<string, readonly string[]>();
  const visit = (node: Filter): void => {
    if (node.op === 'not') visit(node.filter);
    else if (node.op === 'and' || node.op === 'or') node.filters.forEach(visit);
    else found.set(JSON.stringify(pathOf(node.field)), pathOf(node.field));
  };
  visit(filter);
  return [...found.values()];
}
