import { NearmissError } from '../errors.js';
import { loadRetrievalKernels, type RetrievalKernels, type RetrievalOptions } from '../kernels/retrieval.js';
import { MAX_TOP } from '../kernels/retrieval-layout.js';
import { CodeVectors } from './code-vectors.js';
import { MetadataColumns } from './columns.js';
import {
  type DeviceIndexHeader,
  readSections,
  type Sections,
  VECTOR_BYTES,
  type VectorKind,
} from './device-index-format.js';
import { checkFingerprint } from './encoder-identity.js';
import type { SearchEngine } from './engine.js';
import { checkFilter, type Filter } from './filter.js';
import { floatsOfHalves } from './half.js';
import { readHits } from './hits.js';
import { type JsonObject, vectorOf } from './items.js';
import { createSearchEngine } from './search-engine.js';
import { checkSearch } from './search-options.js';
import type { Hits, SearchOptions, StoredItem, StoreEncoder } from './store.js';
import { checkWhole, isFloat32Array, type Metric } from './vectors.js';

/** Rows that pass into the engine at a time. */
const CHUNK = 4096;

/** An index file in memory: read-only, exact, the same in Node and in browsers. */
export interface DeviceIndex {
  readonly info: StoreEncoder & { readonly metric: Metric };
  readonly count: number;
  /** How the file keeps the vectors; the answers are exact for the vectors as it keeps them. */
  readonly vectors: VectorKind;
  /**
   * With `int8`: how far a vector is at most from the one in the store. A cosine or an l2 distance differs from the store's
   * by at most this, an inner product by this times the length of the query.
   */
  readonly vectorError?: number;
  readonly engine: SearchEngine;
  /** Throws `NM_ENCODER_MISMATCH` for another encoder than the one that filled it. */
  checkEncoder(fingerprint: string): void;
  /**
   * The best items for a query, best first; equal scores in the byte order of their ids. As `Store.search`, at once.
   *
   * @throws `NM_FILTER_INVALID`, `NM_OPTION_INVALID`, `NM_SHAPE_MISMATCH`, `NM_VECTOR_INVALID`, `NM_ENCODER_MISMATCH`
   */
  search(query: Float32Array, options?: SearchOptions): Hits;
  search(queries: readonly Float32Array[], options?: SearchOptions): Hits[];
  get(id: string): Omit<StoredItem, 'hash'> | undefined;
  /** The row of an id; undefined where there is no such item. */
  row(id: string): number | undefined;
  /** The id of a row, 0 … count - 1; rows are in the byte order of ids. */
  id(row: number): string;
}

/**
 * Reads an index file (`nearmiss export-index`). The whole file is checked, so a truncated or altered one is refused.
 *
 * @param bytes the file, say from `fetch` or `fs.readFile`
 * @param options where to find the kernels, for browsers
 * @throws `NM_INDEX_INVALID`
 *
 * @example
 * const index = await readDeviceIndex(await (await fetch('photos.nmi')).arrayBuffer());
 * index.search(vector, { k: 5 });
 */
export async function readDeviceIndex(
  bytes: ArrayBuffer | Uint8Array,
  options: RetrievalOptions = {},
): Promise<DeviceIndex> {
  const { header, sections } = readSections(ArrayBuffer.isView(bytes) ? bytes : new Uint8Array(bytes));
  const { dimension, metric, count } = header;
  const kernels = await loadRetrievalKernels(options);
  if (header.vectors === 'int8') return new FileIndex(header, sections, engineOfCodes(kernels, header, sections));
  const engine = createSearchEngine(kernels, { dimension, metric });
  const known = header.codeFormat === engine.codeFormat && header.codeBytes === engine.codeBytes;
  const width = VECTOR_BYTES[header.vectors];
  for (let start = 0; start < count; start += CHUNK) {
    const end = Math.min(start + CHUNK, count);
    const raw = sections.vectors.subarray(start * dimension * width, end * dimension * width);
    const vectors = header.vectors === 'float32' ? vectorOf(raw) : floatsOfHalves(raw);
    // Codes of another format are made anew; the answers are the same.
    if (known) engine.addCodes(sections.codes.slice(start * engine.codeBytes, end * engine.codeBytes), vectors);
    else engine.add(vectors);
  }
  return new FileIndex(header, sections, engine);
}

/** An engine over the vectors that codes stand for, which are made one by one where a search asks for them. */
function engineOfCodes(kernels: RetrievalKernels, header: DeviceIndexHeader, { codes }: Sections): SearchEngine {
  const { dimension, metric, codeFormat, codeBytes } = header;
  const vectors = new CodeVectors(dimension, metric);
  const readRow = (row: number, into: Float32Array): void => vectors.read(codes, row, into);
  const engine = createSearchEngine(kernels, { dimension, metric, readRow });
  if (codeFormat !== engine.codeFormat || codeBytes !== engine.codeBytes) {
    throw new NearmissError(
      'NM_INDEX_INVALID',
      `index file: found codes of the format ${codeFormat} and no vectors, allowed: ${engine.codeFormat}`,
    );
  }
  engine.addCodes(codes);
  return engine;
}

class FileIndex implements DeviceIndex {
  readonly info: StoreEncoder & { readonly metric: Metric };
  readonly count: number;
  readonly vectors: VectorKind;
  readonly vectorError?: number;
  readonly engine: SearchEngine;
  readonly #header: DeviceIndexHeader;
  readonly #ids: Texts;
  readonly #metadata: Texts;
  readonly #columns = new MetadataColumns();

  constructor(header: DeviceIndexHeader, sections: Sections, engine: SearchEngine) {
    const { fingerprint, dimension, metric, modelCard } = header;
    this.info = { fingerprint, dimension, metric, ...(modelCard === undefined ? {} : { modelCard }) };
    this.count = header.count;
    this.vectors = header.vectors;
    if (header.vectorError !== undefined) this.vectorError = header.vectorError;
    this.engine = engine;
    this.#header = header;
    this.#ids = new Texts(sections.ids, sections.idOffsets);
    this.#metadata = new Texts(sections.metadata, sections.metadataOffsets);
  }

  checkEncoder(fingerprint: string): void {
    checkFingerprint('index', this.info, fingerprint);
  }

  search(query: Float32Array, options?: SearchOptions): Hits;
  search(queries: readonly Float32Array[], options?: SearchOptions): Hits[];
  search(queries: Float32Array | readonly Float32Array[], options: SearchOptions = {}): Hits | Hits[] {
    const { k = 10, filter, radius, mode = 'exact', fingerprint } = options;
    checkWhole('k', k, 1, MAX_TOP);
    checkSearch(radius, mode, this.info.metric);
    if (filter !== undefined) checkFilter(filter);
    if (fingerprint !== undefined) this.checkEncoder(fingerprint);
    const single = isFloat32Array(queries);
    const found = this.engine.search(single ? [queries] : queries, {
      k,
      mode: this.engine.lists ? mode : 'exact',
      ...(filter === undefined ? {} : { filter: this.#bitmap(filter) }),
      ...(radius === undefined ? {} : { radius }),
    });
    const lists = readHits(found, (row) => ({ id: this.#ids.at(row), metadata: this.#metadataOf(row) }));
    return single ? lists[0]! : lists;
  }

  get(id: string): Omit<StoredItem, 'hash'> | undefined {
    const row = this.row(id);
    return row === undefined ? undefined : { id, vector: this.engine.vector(row)!, metadata: this.#metadataOf(row) };
  }

  row(id: string): number | undefined {
    const row = this.#ids.find(id);
    return row < 0 ? undefined : row;
  }

  id(row: number): string {
    checkWhole('row', row, 0, this.#header.count - 1);
    return this.#ids.at(row);
  }

  #bitmap(filter: Filter): Uint32Array {
    const missing = this.#columns.missing(filter);
    if (missing.length > 0) {
      this.#columns.addFields(missing);
      for (let row = 0; row < this.count; row++) this.#columns.set(row, this.#metadataOf(row));
    }
    return this.#columns.bitmap(filter, this.count);
  }

  #metadataOf(row: number): JsonObject {
    return JSON.parse(this.#metadata.at(row)) as JsonObject;
  }
}

/** Texts side by side. */
class Texts {
  readonly #bytes: Uint8Array;
  readonly #offsets: DataView;
  readonly #count: number;
  readonly #decoder = new TextDecoder();

  constructor(bytes: Uint8Array, offsets: Uint8Array) {
    this.#bytes = bytes;
    this.#offsets = new DataView(offsets.buffer, offsets.byteOffset, offsets.byteLength);
    this.#count = offsets.byteLength / 4 - 1;
  }

  at(row: number): string {
    return this.#decoder.decode(this.#raw(row));
  }

  /** The row of a text, all being in byte order; -1 if there is none. */
  find(text: string): number {
    const wanted = new TextEncoder().encode(text);
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#raw(middle), wanted) < 0) low = middle + 1;
      else high = middle;
    }
    return low < this.#count && compareBytes(this.#raw(low), wanted) === 0 ? low : -1;
  }

  #raw(row: number): Uint8Array {
    return this.#bytes.subarray(this.#offsets.getUint32(4 * row, true), this.#offsets.getUint32(4 * row + 4, true));
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
