import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { NearmissError } from '../errors.js';
import { DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, loadSharp } from '../images/decode.js';
import { folderItems } from '../images/folder.js';
import { pictureHeader } from '../images/formats.js';
import type { StoredItem } from '../retrieve/store.js';

export interface Thumbnail {
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** Longer side, pixels. */
const SIDE = 160;
/** Bytes of thumbnails kept in memory. */
const CACHE_BYTES = 32 * 1024 * 1024;

/**
 * Small pictures of items: what an item carries itself (metadata `thumbnail`, a data: address), or the file of its name in
 * the folder that the operator named. Ids are looked up in a list made beforehand; no path is made of them.
 */
export class Thumbnails {
  /** Least recently used first. */
  private readonly cache = new Map<string, Thumbnail>();
  private cachedBytes = 0;

  private constructor(private readonly files: ReadonlyMap<string, () => Promise<Uint8Array>>) {}

  /** @throws `NM_SOURCE_MISSING` */
  static async open(folder: string | undefined): Promise<Thumbnails> {
    const files = new Map<string, () => Promise<Uint8Array>>();
    if (folder !== undefined) {
      const found = await stat(folder).catch(() => undefined);
      if (!found?.isDirectory()) {
        throw new NearmissError('NM_SOURCE_MISSING', `${folder}: found no folder of pictures`);
      }
      for await (const item of folderItems(folder)) {
        if (item.kind === 'file' && item.size <= DEFAULT_MAX_BYTES) files.set(item.name, item.read);
      }
    }
    return new Thumbnails(files);
  }

  /** The thumbnail of an item; undefined where there is no picture of it. */
  async of({ id, metadata }: StoredItem): Promise<Thumbnail | undefined> {
    const own = dataPicture(metadata['thumbnail']);
    if (own) return own;
    const kept = this.cache.get(id);
    if (kept) {
      this.cache.delete(id);
      this.cache.set(id, kept);
      return kept;
    }
    const bytes = await this.files
      .get(id)?.()
      .catch(() => undefined);
    // A file that is gone or no picture is none; that it was there when the list was made is no promise.
    const made = bytes && (await shrink(bytes).catch(() => undefined));
    if (made) this.keep(id, made);
    return made;
  }

  private keep(id: string, thumbnail: Thumbnail): void {
    if (this.cache.has(id)) return;
    this.cache.set(id, thumbnail);
    this.cachedBytes += thumbnail.bytes.length;
    for (const [oldest, { bytes }] of this.cache) {
      if (this.cachedBytes <= CACHE_BYTES) break;
      this.cache.delete(oldest);
      this.cachedBytes -= bytes.length;
    }
  }
}

function thumbnail(type: string, bytes: Uint8Array): Thumbnail {
  return { type, bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}

/** A picture in a data: address; only formats that are nothing but pictures. */
function dataPicture(value: unknown): Thumbnail | undefined {
  if (typeof value !== 'string') return undefined;
  const [, text] = /^data:image\/(?:png|jpeg|webp|avif|gif);base64,([A-Za-z0-9+/]+={0,2})$/.exec(value) ?? [];
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const header = pictureHeader(bytes);
  return 'format' in header ? thumbnail(`image/${header.format}`, bytes) : undefined;
}

async function shrink(bytes: Uint8Array): Promise<Thumbnail | undefined> {
  if ('reason' in pictureHeader(bytes)) return undefined;
  const sharp = await loadSharp();
  const small = await sharp(bytes, { failOn: 'error', limitInputPixels: DEFAULT_MAX_PIXELS })
    .autoOrient()
    .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 80 })
    .toBuffer();
  return thumbnail('image/webp', small);
}
