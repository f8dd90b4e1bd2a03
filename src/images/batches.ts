import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { NearmissError } from '../errors.js';
import { type DecodeOptions, decodePicture, decodeSettings } from './decode.js';
import { systemReason } from './folder.js';
import { resizeArea } from './resize.js';
import type { SourceItem } from './source-item.js';
import { openSource } from './sources.js';

/** A file that is not among the pictures, and why. */
export interface Skipped {
  /** Relative path with forward slashes. */
  readonly name: string;
  readonly reason: string;
}

export interface ReadOptions extends DecodeOptions {
  readonly signal?: AbortSignal;
  /** Called after each file, usable or not; `total` is undefined where the source does not say how many it has. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  /** Pictures decoded at the same time. Default: the cores, at most 4 (the threads that Node gives native work). */
  readonly concurrency?: number;
}

export interface BatchOptions extends ReadOptions {
  /** Pictures a batch, at least 1. Default 256, or fewer so that a batch stays under 16 MiB. */
  readonly batch?: number;
  /** Says that a file is known already: it is hashed but not decoded, and listed under `unchanged`. */
  readonly unchanged?: (name: string, hash: string) => boolean;
}

/** Some decoded pictures of a source, and what was left out since the batch before. */
export interface PictureBatch {
  readonly size: number;
  readonly count: number;
  /** `[count, size, size, 3]` RGB on white. */
  readonly data: Uint8Array;
  readonly names: readonly string[];
  /** SHA-256 of each source file (hex). */
  readonly hashes: readonly string[];
  /** Class of each picture where the source itself has classes (CIFAR), else empty strings. */
  readonly classNames: readonly string[];
  readonly unchanged: readonly { readonly name: string; readonly hash: string }[];
  readonly skipped: readonly Skipped[];
}

type Outcome =
  | { readonly name: string; readonly hash: string; readonly className: string; readonly data: Uint8Array }
  | { readonly name: string; readonly hash: string; readonly unchanged: true }
  | Skipped;

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function decodeItem(item: SourceItem, options: BatchOptions, maxBytes: number): Promise<Outcome> {
  const { name } = item;
  if (item.kind === 'skipped') return item;
  if (item.kind === 'pixels') {
    const { pixels, className } = item;
    const hash = sha256(pixels.data);
    if (options.unchanged?.(name, hash)) return { name, hash, unchanged: true };
    const same = pixels.width === options.size && pixels.height === options.size;
    return { name, hash, className, data: same ? pixels.data : resizeArea(pixels, options.size, options.fit) };
  }
  if (item.size > maxBytes) return { name, reason: `${item.size} bytes, allowed: ${maxBytes}` };
  let bytes: Uint8Array;
  try {
    bytes = await item.read();
  } catch (error) {
    return { name, reason: `cannot be read (${systemReason(error)})` };
  }
  const hash = sha256(bytes);
  if (options.unchanged?.(name, hash)) return { name, hash, unchanged: true };
  try {
    return { name, hash, className: '', data: await decodePicture(bytes, options) };
  } catch (error) {
    if (error instanceof NearmissError && error.code === 'NM_PICTURE_INVALID') return { name, reason: error.message };
    throw error;
  }
}

/** Outcomes in the order of the items, with at most `concurrency` in work. */
async function* inOrder(
  items: AsyncIterable<SourceItem>,
  concurrency: number,
  work: (item: SourceItem) => Promise<Outcome>,
): AsyncGenerator<Outcome> {
  const pending: Promise<Outcome>[] = [];
  try {
    for await (const item of items) {
      const outcome = work(item);
      outcome.catch(() => undefined); // awaited below, or given up with all others after an error
      pending.push(outcome);
      if (pending.length >= concurrency) yield await (pending.shift() as Promise<Outcome>);
    }
    while (pending.length > 0) yield await (pending.shift() as Promise<Outcome>);
  } finally {
    await Promise.allSettled(pending);
  }
}

function wholeNumber(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new NearmissError('NM_OPTION_INVALID', `${name}: found ${value}, allowed: a whole number, at least 1`);
}

/**
 * Decodes a source batch by batch, in constant memory however many files it has. Files that are no usable picture are
 * listed with the reason, in the batch during which they were met; the last batch may hold fewer pictures, or none
 * when only such news is left.
 *
 * @param source a folder (any nesting), a .tar, .tar.gz, .tgz or .zip, CIFAR binary batches (folder or one .bin), or the
 *   word `emoji` (the 1,911 Noto pictures of `readEmoji`; a folder of that name is `./emoji`)
 * @returns batches in the order of the source: a folder by relative path (code units), an archive as it is packed
 * @throws `NM_SOURCE_MISSING`, `NM_SOURCE_INVALID`, `NM_OPTION_INVALID`, `NM_SHARP_MISSING`; the signal's reason
 */
export async function* pictureBatches(source: string, options: BatchOptions): AsyncGenerator<PictureBatch> {
  const { maxBytes } = decodeSettings(options);
  options.signal?.throwIfAborted();
  const items = await openSource(source, maxBytes);
  yield* decodeBatches(items, options);
}

/** As `pictureBatches`, of items that are at hand. */
export async function* decodeBatches(
  items: AsyncIterable<SourceItem>,
  options: BatchOptions,
): AsyncGenerator<PictureBatch> {
  const { size, maxBytes } = decodeSettings(options);
  const length = size * size * 3;
  const batch = wholeNumber('batch', options.batch ?? Math.max(1, Math.min(256, Math.floor(2 ** 24 / length))));
  const concurrency = wholeNumber('concurrency', options.concurrency ?? Math.min(4, availableParallelism()));
  const { signal, onProgress } = options;
  let done = 0;

  let data = new Uint8Array(batch * length);
  let names: string[] = [];
  let hashes: string[] = [];
  let classNames: string[] = [];
  let unchanged: { name: string; hash: string }[] = [];
  let skipped: Skipped[] = [];
  const take = (): PictureBatch => {
    const count = names.length;
    const taken = {
      size,
      count,
      data: data.subarray(0, count * length),
      names,
      hashes,
      classNames,
      unchanged,
      skipped,
    };
    data = new Uint8Array(batch * length);
    names = [];
    hashes = [];
    classNames = [];
    unchanged = [];
    skipped = [];
    return taken;
  };

  for await (const outcome of inOrder(items, concurrency, (item) => decodeItem(item, options, maxBytes))) {
    signal?.throwIfAborted();
    if ('reason' in outcome) {
      skipped.push({ name: outcome.name, reason: outcome.reason });
    } else if ('unchanged' in outcome) {
      unchanged.push({ name: outcome.name, hash: outcome.hash });
    } else {
      data.set(outcome.data, names.length * length);
      names.push(outcome.name);
      hashes.push(outcome.hash);
      classNames.push(outcome.className);
    }
    onProgress?.(++done, undefined);
    // News alone also fills a batch: a source of a million unchanged files must not pile up.
    if (names.length === batch || unchanged.length + skipped.length >= 64 * batch) yield take();
  }
  if (names.length + unchanged.length + skipped.length > 0) yield take();
}
