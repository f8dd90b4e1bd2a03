import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { NearmissError } from '../errors.js';
import { decodeBatches, type ReadOptions } from './batches.js';
import { type EmojiEntry, emojiEntries, emojiItems, emojiPackages } from './emoji-packages.js';
import { gatherPictures, type Pictures } from './pictures.js';

/** Emoji that both vendors drew; row i of `noto` and row i of `twemoji` are the same one. */
export interface EmojiPictures {
  readonly noto: Pictures;
  readonly twemoji: Pictures;
  /** Rows for training: the first byte of sha1(unified) is below 204. */
  readonly training: Int32Array;
  /** All other rows. */
  readonly heldOut: Int32Array;
  /** Code points such as `1F44D`, `[count]`; the rows are sorted by it. */
  readonly unified: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
}

export interface EmojiOptions extends Omit<ReadOptions, 'size' | 'fit'> {
  /** Side of the pictures; the sources are 64x64. Default 32. */
  readonly size?: number;
  /** Folder from which the packages are looked up first. Default: the working directory. */
  readonly from?: string;
}

async function readVendor(folder: string, entries: readonly EmojiEntry[], options: ReadOptions): Promise<Pictures> {
  const pictures = await gatherPictures(decodeBatches(emojiItems(folder, entries), options), options.size, false);
  const [first] = pictures.skipped;
  if (first) {
    const message = `${join(folder, first.name)}: ${first.reason}; install the package again`;
    throw new NearmissError('NM_SOURCE_INVALID', message);
  }
  return pictures;
}

/**
 * Reads the default data: base emoji (no skin tones) with a Noto and a Twemoji picture, on white, box-reduced. Version
 * 16.0.0 of the packages has 1,911 of them: 1,494 for training, 417 held out. Decoding takes a few seconds.
 *
 * @throws `NM_EMOJI_MISSING` names the two packages to install; `NM_SOURCE_INVALID` when one is damaged
 */
export async function readEmoji(options: EmojiOptions = {}): Promise<EmojiPictures> {
  const { from = process.cwd(), size = 32, onProgress, ...rest } = options;
  const folders = emojiPackages(from);
  const entries = await emojiEntries(folders);
  const read = (folder: string, before: number): Promise<Pictures> =>
    readVendor(folder, entries, {
      ...rest,
      size,
      onProgress: (done) => onProgress?.(before + done, 2 * entries.length),
    });
  const noto = await read(folders.noto, 0);
  const twemoji = await read(folders.twemoji, entries.length);
  const rows = entries.map((_, row) => row);
  const forTraining = entries.map(({ unified }) => (createHash('sha1').update(unified).digest()[0] ?? 0) < 204);
  return {
    noto,
    twemoji,
    training: Int32Array.from(rows.filter((row) => forTraining[row])),
    heldOut: Int32Array.from(rows.filter((row) => !forTraining[row])),
    unified: entries.map((entry) => entry.unified),
    shortNames: entries.map((entry) => entry.short_name),
    categories: entries.map((entry) => entry.category),
  };
}
