import { access, constants } from 'node:fs/promises';
import { NearmissError } from '../errors.js';
import type { Item } from './items.js';
import { readJsonLines, writeJsonLines } from './items-json-lines.js';
import { readNpy, writeNpy } from './items-npy.js';
import { readSafetensors, writeSafetensors } from './items-safetensors.js';
import type { Store } from './store.js';

/** Formats of files of items. */
export const ITEM_FORMATS = ['jsonl', 'npy', 'safetensors'] as const;
export type ItemFormat = (typeof ITEM_FORMATS)[number];

export interface ReadItemsOptions {
  /** Default: by the file's ending. */
  readonly format?: ItemFormat;
  /** Name of the tensor with the vectors, in safetensors. Default: `vectors`, or the only matrix of the file. */
  readonly tensor?: string;
}

export interface WriteItemsOptions {
  /** Default: by the file's ending. */
  readonly format?: ItemFormat;
  readonly signal?: AbortSignal;
  /** Told how many items are written. */
  readonly onProgress?: (done: number) => void;
}

/** The format of a file by its ending; `NM_OPTION_INVALID` for another. */
export function itemFormat(path: string): ItemFormat {
  const ending = /\.([A-Za-z]+)$/.exec(path)?.[1]?.toLowerCase();
  const found = ending === 'ndjson' ? 'jsonl' : ITEM_FORMATS.find((format) => format === ending);
  if (found) return found;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `${path}: found another ending, allowed: .jsonl, .ndjson, .npy, .safetensors`,
  );
}

/**
 * Reads the items of a file, some at a time, in constant memory.
 *
 * - `.jsonl`: an object a line, `{"id": …, "vector": [numbers], "metadata": {…}, "hash": …}`, the last two optional
 * - `.npy`: a matrix [items, dimension] of float16, float32 or float64; what belongs to them in `<file>.jsonl`, lines as
 *   above without vectors, in the same order; without that file the ids are the row numbers
 * - `.safetensors`: a tensor [items, dimension] of F16, F32 or F64, and the same lines as a tensor `items` of bytes
 *
 * @throws `NM_ITEMS_FILE_INVALID`, `NM_OPTION_INVALID`, `NM_SOURCE_MISSING`; the file system's errors
 */
export function readItems(path: string, options: ReadItemsOptions = {}): AsyncGenerator<Item[]> {
  const { format = itemFormat(path), tensor } = options;
  if (format === 'jsonl') return ofFile(path, readJsonLines(path));
  return ofFile(path, format === 'npy' ? readNpy(path) : readSafetensors(path, tensor));
}

/** The items, if there is such a file. */
async function* ofFile(path: string, items: AsyncGenerator<Item[]>): AsyncGenerator<Item[]> {
  await access(path, constants.R_OK).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${cause.code})`;
    throw new NearmissError('NM_SOURCE_MISSING', `${path}: ${why}`, { cause });
  });
  yield* items;
}

/**
 * Writes all items of a store as a file that `readItems` reads, in the byte order of their ids and in constant memory. The
 * file appears whole under its name, or not at all.
 *
 * @returns the number of items
 */
export async function writeItems(store: Store, path: string, options: WriteItemsOptions = {}): Promise<number> {
  const { format = itemFormat(path), signal, onProgress } = options;
  const write = { jsonl: writeJsonLines, npy: writeNpy, safetensors: writeSafetensors }[format];
  return write(pages(store, signal, onProgress), path, store.info.dimension);
}

async function* pages(
  store: Store,
  signal: AbortSignal | undefined,
  onProgress: ((done: number) => void) | undefined,
): AsyncGenerator<Item[]> {
  let done = 0;
  for (let after = ''; ; ) {
    signal?.throwIfAborted();
    const items = await store.items({ after });
    if (items.length === 0) return;
    yield items;
    done += items.length;
    onProgress?.(done);
    after = items.at(-1)!.id;
  }
}
