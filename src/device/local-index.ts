import { NearmissError } from '../errors.js';
import { loadRetrievalKernels, type RetrievalOptions } from '../kernels/retrieval.js';
import type { SearchEngine } from '../retrieve/engine.js';
import { createSearchEngine } from '../retrieve/search-engine.js';
import type { Hit } from '../retrieve/store.js';
import type { Metric } from '../retrieve/vectors.js';
import { ItemDatabase, type OwnItem } from './item-database.js';

/** What a local index needs of an encoder; a `DeviceEncoder` is one. */
export interface LocalEncoder {
  readonly fingerprint: string;
  readonly dim: number;
  /** Side of its pictures. */
  readonly size: number;
  /** Vectors [count, dim] of pictures uint8 [count, size, size, 3]. */
  embed(pixels: Uint8Array): Float32Array | Promise<Float32Array>;
}

export interface LocalIndexOptions extends RetrievalOptions {
  /** Names the database within the page's origin. */
  readonly name: string;
  readonly encoder: LocalEncoder;
  /** That of the index with which it is searched. Default `cosine`. */
  readonly metric?: Metric;
}

export interface NewItem {
  readonly title: string;
  /** The picture as the encoder sees it, uint8 [size, size, 3]; kept, so that another encoder can embed it anew. */
  readonly pixels: Uint8Array;
  /** Embedded where it is left out. */
  readonly vector?: Float32Array;
  /** A small picture file to show. */
  readonly thumbnail?: Blob;
}

/** Pictures that a person added in a browser, kept there (IndexedDB) and searched exactly. */
export interface LocalIndex {
  readonly count: number;
  /** Items that this encoder cannot read, because it takes pictures of another size. They are kept, and not found. */
  readonly unusable: number;
  /** Stores an item, on disk when the promise resolves, and returns its id, which begins with `own:`. */
  add(item: NewItem): Promise<string>;
  /** False where there is no such item. */
  remove(id: string): Promise<boolean>;
  /** The best items, best first; their metadata is `{ title }`. */
  search(query: Float32Array, k?: number): Hit[];
  get(id: string): OwnItem | undefined;
  /** All that can be found, in the order in which they were added. */
  items(): Iterable<OwnItem>;
  close(): void;
}

/**
 * Opens the local index of a name, or makes it. Items of another encoder of the same picture size are embedded anew.
 *
 * @throws `NM_STORE_INVALID` where the browser refuses a database (some do in private windows), `NM_STORE_WRITE_FAILED`;
 *   as `loadRetrievalKernels`
 */
export async function openLocalIndex(options: LocalIndexOptions): Promise<LocalIndex> {
  const { name, encoder, metric = 'cosine', ...kernels } = options;
  const engine = createSearchEngine(await loadRetrievalKernels(kernels), { dimension: encoder.dim, metric });
  const database = await ItemDatabase.open(name);
  const index = new BrowserIndex(database, engine, encoder);
  try {
    await index.load();
  } catch (error) {
    database.close();
    throw error;
  }
  return index;
}

class BrowserIndex implements LocalIndex {
  readonly #database: ItemDatabase;
  readonly #engine: SearchEngine;
  readonly #encoder: LocalEncoder;
  readonly #items = new Map<string, { readonly item: OwnItem; readonly row: number }>();
  /** Id of each row of the engine. */
  readonly #ids: string[] = [];
  unusable = 0;

  constructor(database: ItemDatabase, engine: SearchEngine, encoder: LocalEncoder) {
    this.#database = database;
    this.#engine = engine;
    this.#encoder = encoder;
  }

  get count(): number {
    return this.#items.size;
  }

  async load(): Promise<void> {
    const { fingerprint, size } = this.#encoder;
    for (const item of await this.#database.all()) {
      if (item.fingerprint === fingerprint) this.#take(item);
      else if (item.pixels.length === size * size * 3) {
        const renewed = { ...item, fingerprint, vector: await this.#encoder.embed(item.pixels) };
        await this.#database.put(renewed);
        this.#take(renewed);
      } else this.unusable += 1;
    }
  }

  async add({ title, pixels, vector, thumbnail }: NewItem): Promise<string> {
    const { fingerprint, size, dim } = this.#encoder;
    if (pixels.length !== size * size * 3) {
      throw new NearmissError('NM_SHAPE_MISMATCH', `pixels: found ${pixels.length} bytes, allowed: ${size}x${size}x3`);
    }
    const own = vector ?? (await this.#encoder.embed(pixels));
    if (own.length !== dim) {
      throw new NearmissError('NM_SHAPE_MISMATCH', `vector: found ${own.length} numbers, allowed: ${dim}`);
    }
    const item = { id: newId(), title, added: Date.now(), fingerprint, pixels, vector: own };
    const stored = thumbnail ? { ...item, thumbnail } : item;
    await this.#database.put(stored);
    this.#take(stored);
    return item.id;
  }

  async remove(id: string): Promise<boolean> {
    const found = this.#items.get(id);
    if (!found) return false;
    await this.#database.delete(id);
    this.#engine.remove([found.row]);
    this.#items.delete(id);
    return true;
  }

  search(query: Float32Array, k: number = 10): Hit[] {
    const { found, rows, scores } = this.#engine.search(query, { k });
    return Array.from({ length: found[0]! }, (_, i) => {
      const id = this.#ids[rows[i]!]!;
      return { id, score: scores[i]!, metadata: { title: this.#items.get(id)!.item.title } };
    });
  }

  get(id: string): OwnItem | undefined {
    return this.#items.get(id)?.item;
  }

  *items(): Generator<OwnItem> {
    for (const { item } of this.#items.values()) yield item;
  }

  close(): void {
    this.#database.close();
  }

  #take(item: OwnItem): void {
    const row = this.#engine.add(item.vector);
    this.#ids[row] = item.id;
    this.#items.set(item.id, { item, row });
  }
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `own:${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** The k best of several lists that are each best first; equal scores in the order of the lists. */
export function mergeHits<H extends { readonly score: number }>(
  lists: readonly (readonly H[])[],
  metric: Metric,
  k: number,
): H[] {
  const sign = metric === 'l2' ? 1 : -1;
  return lists
    .flat()
    .sort((a, b) => sign * (a.score - b.score))
    .slice(0, k);
}
