import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { NearmissError } from '../errors.js';
import { DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, loadSharp } from '../images/decode.js';
import type { SourceItem } from '../images/source-item.js';
import { openSource } from '../images/sources.js';
import type { Store } from '../retrieve/index.js';
import { THUMBNAILS_HEAD, THUMBNAILS_MAGIC, THUMBNAILS_VERSION, thumbnailPart } from './thumbnails.js';

export interface ThumbnailOptions {
  /** Longer side of a thumbnail, pixels; 0 for none. */
  readonly side: number;
  /** Where the pictures are, where they are no longer where they were when they were indexed. */
  readonly source?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

/** Bytes of a part at most, unless one thumbnail is larger. */
const PART_BYTES = 2 * 1024 * 1024;
/** Pictures that are made small side by side. */
const TOGETHER = 8;
const PAGE = 1000;

/**
 * Writes thumbnails of a store's items into a folder (thumbnails.ts), from the pictures that they were indexed from.
 *
 * @throws `NM_SOURCE_MISSING`, `NM_SHARP_MISSING`, `NM_INDEX_TOO_LARGE`, what the store throws, the signal's reason
 * @returns items, and how many of them have a thumbnail
 */
export async function writeThumbnails(
  store: Store,
  folder: string,
  options: ThumbnailOptions,
): Promise<{ readonly items: number; readonly pictures: number }> {
  const { side, signal, onProgress } = options;
  const { sources, items } = await wantedPictures(store, options);
  const pack = new Pack(folder, items);
  for (const [source, rows] of side > 0 ? sources : []) {
    const pictures = await openPictures(source);
    for await (const batch of batches(pictures, rows)) {
      signal?.throwIfAborted();
      const files = await Promise.all(batch.map(({ item }) => thumbnail(item, side)));
      for (const [i, { row }] of batch.entries()) if (files[i]) await pack.add(row, files[i]);
      onProgress?.(pack.pictures);
    }
  }
  await pack.finish();
  return { items, pictures: pack.pictures };
}

/** Which rows of the index the pictures of each source belong to, by name. */
async function wantedPictures(
  store: Store,
  { source, signal }: ThumbnailOptions,
): Promise<{ sources: Map<string, Map<string, number>>; items: number }> {
  const sources = new Map<string, Map<string, number>>();
  let items = 0;
  for (let after = ''; ; ) {
    signal?.throwIfAborted();
    const page = await store.items({ after, limit: PAGE });
    if (page.length === 0) return { sources, items };
    for (const { id, metadata } of page) {
      const row = items++;
      const place = source ?? metadata['source'];
      // Items that were not indexed from pictures have none.
      if (typeof place !== 'string') continue;
      if (!sources.has(place)) sources.set(place, new Map());
      const path = metadata['path'];
      sources.get(place)!.set(typeof path === 'string' ? path : id, row);
    }
    after = page.at(-1)!.id;
  }
}

async function openPictures(source: string): Promise<AsyncIterable<SourceItem>> {
  try {
    return await openSource(source, DEFAULT_MAX_BYTES);
  } catch (cause) {
    if (!(cause instanceof NearmissError)) throw cause;
    const hint = 'Say where the pictures are now with --pictures, or leave them out with --thumbnails 0.';
    throw new NearmissError(cause.code, cause.message, { hint, cause });
  }
}

interface Wanted {
  readonly item: SourceItem;
  readonly row: number;
}

async function* batches(
  items: AsyncIterable<SourceItem>,
  rows: ReadonlyMap<string, number>,
): AsyncGenerator<readonly Wanted[]> {
  let batch: Wanted[] = [];
  for await (const item of items) {
    const row = rows.get(item.name);
    if (row === undefined) continue;
    batch.push({ item, row });
    if (batch.length < TOGETHER) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** A picture made small, on white, as WebP; undefined for a file that is no picture any more. */
async function thumbnail(item: SourceItem, side: number): Promise<Uint8Array | undefined> {
  if (item.kind === 'skipped') return undefined;
  const sharp = await loadSharp();
  let picture: ReturnType<typeof sharp>;
  if (item.kind === 'pixels') {
    const { data, width, height, channels } = item.pixels;
    picture = sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } });
  } else {
    const bytes = await item.read().catch(() => undefined);
    if (!bytes) return undefined;
    picture = sharp(bytes, { failOn: 'error', limitInputPixels: DEFAULT_MAX_PIXELS }).autoOrient();
  }
  return picture
    .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#ffffff' })
    .webp({ quality: 82 })
    .toBuffer()
    .catch(() => undefined);
}

/** The files of thumbnails while they grow. */
class Pack {
  pictures = 0;
  readonly #folder: string;
  /** Where each row's file is, [items][2]. */
  readonly #places: Uint32Array;
  readonly #starts: number[] = [];
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #end = 0;

  constructor(folder: string, items: number) {
    this.#folder = folder;
    this.#places = new Uint32Array(2 * items);
  }

  async add(row: number, file: Uint8Array): Promise<void> {
    if (this.#pendingBytes > 0 && this.#pendingBytes + file.length > PART_BYTES) await this.#flush();
    if (this.#end + file.length >= 2 ** 32) {
      throw new NearmissError('NM_INDEX_TOO_LARGE', 'found more than 4 GiB of thumbnails', {
        hint: 'Make them smaller with --thumbnails, or split the store.',
      });
    }
    this.#places[2 * row] = this.#end;
    this.#places[2 * row + 1] = file.length;
    this.#pending.push(file);
    this.#pendingBytes += file.length;
    this.#end += file.length;
    this.pictures += 1;
  }

  async finish(): Promise<void> {
    if (this.#pendingBytes > 0) await this.#flush();
    const words = [...this.#starts, this.#end];
    const table = new Uint8Array(THUMBNAILS_HEAD + 4 * (words.length + this.#places.length));
    table.set(THUMBNAILS_MAGIC);
    const view = new DataView(table.buffer);
    view.setUint32(8, THUMBNAILS_VERSION, true);
    view.setUint32(12, this.#places.length / 2, true);
    view.setUint32(16, this.#starts.length, true);
    let at = THUMBNAILS_HEAD;
    for (const list of [words, this.#places]) {
      for (const word of list) {
        view.setUint32(at, word, true);
        at += 4;
      }
    }
    await write(join(this.#folder, 'thumbnails.nmt'), [table]);
  }

  async #flush(): Promise<void> {
    await write(join(this.#folder, thumbnailPart(this.#starts.length)), this.#pending);
    this.#starts.push(this.#end - this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/** Writes a new file and flushes it to the disk. */
async function write(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'wx');
  try {
    for (const part of parts) await file.appendFile(part);
    await file.sync();
  } finally {
    await file.close();
  }
}
