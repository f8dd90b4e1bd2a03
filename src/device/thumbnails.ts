import { NearmissError } from '../errors.js';

/**
 * Thumbnails in few files, so that any web server and cache can hold 100,000 of them. `thumbnails.nmt`, little-endian:
 *
 *     | "nmthumbs" | version u32 | count u32 | parts u32 | 0 u32 | starts u32 [parts + 1] | places u32 [count][2] |
 *
 * The WebP files of all items lie one after another, cut into the files `thumbnails-0.bin`, … between two of them: part p
 * holds the bytes from starts[p] to starts[p + 1]. An item's place is where its file begins and how long it is; 0 bytes
 * where it has none. Items are in the order of the index file's rows.
 */
export const THUMBNAILS_VERSION = 1;
export const THUMBNAILS_MAGIC: Uint8Array = new TextEncoder().encode('nmthumbs');
export const THUMBNAILS_HEAD = 24;

/** Name of the file of a part. */
export const thumbnailPart = (part: number): string => `thumbnails-${part}.bin`;

/** Parts that stay in memory: some 8 MB. */
const KEPT = 4;

export class Thumbnails {
  readonly count: number;
  readonly #starts: Uint32Array;
  readonly #places: Uint32Array;
  readonly #load: (name: string) => Promise<Uint8Array>;
  /** The newest last. */
  readonly #parts = new Map<number, Promise<Uint8Array>>();

  /**
   * @param table the bytes of `thumbnails.nmt`
   * @param load reads a file beside it
   * @throws `NM_INDEX_INVALID`
   */
  constructor(table: Uint8Array, load: (name: string) => Promise<Uint8Array>) {
    const words = new DataView(table.buffer, table.byteOffset, table.byteLength);
    const isTable = table.length >= THUMBNAILS_HEAD && THUMBNAILS_MAGIC.every((byte, i) => table[i] === byte);
    if (!isTable || words.getUint32(8, true) !== THUMBNAILS_VERSION) throw invalid('it is no table of this version');
    this.count = words.getUint32(12, true);
    const parts = words.getUint32(16, true);
    const length = parts + 1 + 2 * this.count;
    if (table.length !== THUMBNAILS_HEAD + 4 * length) throw invalid('it is cut off');
    const all = Uint32Array.from({ length }, (_, i) => words.getUint32(THUMBNAILS_HEAD + 4 * i, true));
    this.#starts = all.subarray(0, parts + 1);
    this.#places = all.subarray(parts + 1);
    this.#load = load;
  }

  /** The WebP file of a row; undefined where it has none. */
  async get(row: number): Promise<Uint8Array | undefined> {
    const at = this.#places[2 * row]!;
    const bytes = this.#places[2 * row + 1]!;
    if (bytes === 0) return undefined;
    let part = 0;
    while (this.#starts[part + 1]! <= at) part++;
    const content = await this.#part(part);
    const start = at - this.#starts[part]!;
    return content.subarray(start, start + bytes);
  }

  #part(part: number): Promise<Uint8Array> {
    const name = thumbnailPart(part);
    const found =
      this.#parts.get(part) ??
      this.#load(name).then((bytes) => {
        const allowed = this.#starts[part + 1]! - this.#starts[part]!;
        if (bytes.length === allowed) return bytes;
        throw invalid(`${name}: found ${bytes.length} bytes, allowed: ${allowed}`);
      });
    this.#parts.delete(part);
    this.#parts.set(part, found);
    found.catch(() => this.#parts.delete(part));
    for (const old of [...this.#parts.keys()].slice(0, -KEPT)) this.#parts.delete(old);
    return found;
  }
}

function invalid(problem: string): NearmissError {
  return new NearmissError('NM_INDEX_INVALID', `thumbnails: ${problem}`, {
    hint: 'Copy the folder again, or write it anew with `nearmiss bundle`.',
  });
}
