import { NearmissError } from '../errors.js';
import { type PictureBatch, pictureBatches, type ReadOptions, type Skipped } from './batches.js';

/** Pictures in memory, decoded and of one size. Workers share `data` without copies. */
export interface Pictures {
  readonly size: number;
  readonly count: number;
  /** `[count, size, size, 3]` RGB on white, backed by a SharedArrayBuffer. */
  readonly data: Uint8Array<SharedArrayBuffer>;
  /** Relative path with forward slashes: the id of a picture. Sorted by code units. */
  readonly names: readonly string[];
  /** SHA-256 of each source file (hex), for incremental indexing. */
  readonly hashes: readonly string[];
  /** Class of each picture, `[count]`, where the source has one folder per class or is CIFAR. */
  readonly labels?: Int32Array;
  /** Name of each label. */
  readonly classes?: readonly string[];
  /** Files that are no usable picture, and why. */
  readonly skipped: readonly Skipped[];
}

/** Bytes of one picture. */
export function pictureBytes(size: number): number {
  return size * size * 3;
}

/** Shared memory for `count` pictures, `[count, size, size, 3]`. */
export function sharedPixels(count: number, size: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(count * pictureBytes(size)));
}

/**
 * Classes by folder: after the folders that all pictures have in common, the first folder of each name, when every
 * picture is in one and there are at least two.
 */
export function folderClasses(names: readonly string[]): readonly string[] | undefined {
  const folders = names.map((name) => name.split('/').slice(0, -1));
  const first = folders[0];
  if (!first) return undefined;
  let depth = 0;
  while (depth < first.length && folders.every((path) => path[depth] === first[depth])) depth++;
  const classes = folders.map((path) => path[depth]);
  return classes.every((name) => name !== undefined) ? (classes as string[]) : undefined;
}

/** Labels from class names: classes sorted by code units, numbers as numbers. */
export function labelled(classNames: readonly string[]): { labels: Int32Array; classes: string[] } {
  const numbers = classNames.every((name) => /^\d+$/.test(name));
  const classes = [...new Set(classNames)].sort((a, b) => (numbers ? Number(a) - Number(b) : a < b ? -1 : 1));
  const index = new Map(classes.map((name, label) => [name, label]));
  return { labels: Int32Array.from(classNames, (name) => index.get(name) ?? 0), classes };
}

/**
 * Reads all pictures of a source into memory: `size * size * 3` bytes each (32x32: 3 KB, so 100,000 take 307 MB).
 *
 * @param source a folder of pictures (any nesting; PNG, JPEG, WebP, AVIF, first frame of a GIF), a .tar, .tar.gz, .tgz or
 *   .zip of them; CIFAR binary batches: a folder with `data_batch_*.bin` or `train.bin`, or one .bin file; or the word
 *   `emoji`: the 1,911 Noto pictures of `readEmoji` (a folder of that name is `./emoji`)
 * @returns pictures sorted by name, whatever order they were read in
 * @throws `NM_SOURCE_EMPTY` when no file is a usable picture; else as `pictureBatches`
 * @example
 * const pictures = await readPictures('photos', { size: 64 });
 */
export async function readPictures(source: string, options: ReadOptions): Promise<Pictures> {
  const pictures = await gatherPictures(pictureBatches(source, options), options.size, true);
  if (pictures.count > 0) return pictures;
  const { skipped } = pictures;
  const [first] = skipped;
  const why = first ? `; ${skipped.length} skipped, the first: ${first.name}: ${first.reason}` : '';
  throw new NearmissError('NM_SOURCE_EMPTY', `${source}: found no usable picture${why}`);
}

/** All pictures of some batches, in their order or sorted by name. */
export async function gatherPictures(
  from: AsyncIterable<PictureBatch>,
  size: number,
  sorted: boolean,
): Promise<Pictures> {
  const batches: PictureBatch[] = [];
  for await (const batch of from) batches.push(batch);
  const places = batches.flatMap((batch) => batch.names.map((name, row) => ({ name, batch, row })));
  if (sorted) places.sort((a, b) => (a.name < b.name ? -1 : 1));
  const data = sharedPixels(places.length, size);
  const length = pictureBytes(size);
  places.forEach(({ batch, row }, to) => {
    data.set(batch.data.subarray(row * length, (row + 1) * length), to * length);
  });
  const names = places.map(({ name }) => name);
  const own = places.map(({ batch, row }) => batch.classNames[row] ?? '');
  const classNames = own.some((name) => name !== '') ? own : folderClasses(names);
  return {
    size,
    count: places.length,
    data,
    names,
    hashes: places.map(({ batch, row }) => batch.hashes[row] ?? ''),
    skipped: batches.flatMap((batch) => batch.skipped),
    ...(classNames && labelled(classNames)),
  };
}

/** The given rows of some pictures, in that order. */
export function selectPictures(pictures: Pictures, rows: ArrayLike<number>): Pictures {
  const { size, count } = pictures;
  const order = Array.from(rows);
  const wrong = order.find((row) => !Number.isInteger(row) || row < 0 || row >= count);
  if (wrong !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', `rows: found ${wrong}, allowed: whole numbers 0 to ${count - 1}`);
  }
  const length = pictureBytes(size);
  const data = sharedPixels(order.length, size);
  order.forEach((row, to) => {
    data.set(pictures.data.subarray(row * length, (row + 1) * length), to * length);
  });
  const { labels, classes } = pictures;
  return {
    size,
    count: order.length,
    data,
    names: order.map((row) => pictures.names[row] ?? ''),
    hashes: order.map((row) => pictures.hashes[row] ?? ''),
    ...(labels && classes && { labels: Int32Array.from(order, (row) => labels[row] ?? 0), classes }),
    skipped: pictures.skipped,
  };
}
