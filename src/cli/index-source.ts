import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { NearmissError } from '../errors.js';
import { type BatchOptions, type PictureBatch, pictureBatches, type Skipped } from '../images/index.js';
import type { Embedder } from '../onnx/index.js';
import {
  type IndexCounts,
  indexPictures,
  type JsonObject,
  type Reembedding,
  type SqliteStore,
  type Store,
  type StoreEncoder,
} from '../retrieve/index.js';
import type { Console } from './console.js';
import { isPostgres, openPlace } from './place.js';

/** Pictures, an encoder, and the store that they go into. */
export interface IndexTask {
  readonly embedder: Embedder;
  /** The .onnx file. */
  readonly model: string;
  readonly source: string;
  /** An SQLite file or the URL of a PostgreSQL database. */
  readonly out: string;
  /** Removes items whose pictures are gone from the source. */
  readonly prune: boolean;
  /** Fills the store anew where another encoder has filled it. */
  readonly reembed?: boolean;
}

/** What a store is told of an encoder. */
export function storeEncoder({ embedder, model }: IndexTask): StoreEncoder {
  const { fingerprint, dim, card } = embedder;
  const modelCard = JSON.parse(JSON.stringify(card)) as JsonObject;
  return { fingerprint, dimension: dim, modelPath: resolve(model), modelCard };
}

/** How an encoder's pictures are decoded. */
export function decoding({ embedder }: IndexTask, console: Console): BatchOptions {
  const { size, card } = embedder;
  return { size, ...(card.fit === undefined ? {} : { fit: card.fit }), signal: console.signal };
}

/** Indexes a source of pictures into a store, with progress; shared with the demo. */
export async function indexSource(task: IndexTask, console: Console): Promise<{ counts: IndexCounts; total: number }> {
  const { source, out, prune } = task;
  const there = isPostgres(out) || existsSync(out);
  const target = task.reembed && there ? await reembedTarget(task) : undefined;
  const open = (): Promise<Store> => openPlace(out, { create: storeEncoder(task) });
  let store: Store | undefined = target?.store ?? (existsSync(out) ? await open() : undefined);
  const batches = pictureBatches(source, {
    ...decoding(task, console),
    // Only a file answers at once; elsewhere pictures are decoded, and known ones not embedded.
    unchanged: (name, hash) => store !== undefined && 'hash' in store && (store as SqliteStore).hash(name) === hash,
  });
  try {
    // A source that cannot be read must not leave an empty store behind, so a new one waits for the first batch.
    const first = await batches.next();
    store ??= await open();
    const counts = await indexBatches(store, task, usable(source, first, batches), console, prune);
    await target?.reembedding?.finish({ drop: prune });
    const total = target?.reembedding ? await countOf(out) : await store.count();
    return { counts, total };
  } finally {
    await batches.return(undefined);
    await target?.close();
    await store?.close();
  }
}

/** The store that takes the new items: the present one, or one beside it where another encoder has filled that. */
async function reembedTarget(
  task: IndexTask,
): Promise<{ store: Store; reembedding?: Reembedding; close(): Promise<void> } | undefined> {
  const present = await openPlace(task.out).catch((error: unknown) => {
    if (error instanceof NearmissError && error.code === 'NM_STORE_MISSING') return undefined;
    throw error;
  });
  if (!present) return undefined;
  if (present.info.fingerprint === task.embedder.fingerprint) return { store: present, close: () => present.close() };
  const reembedding = await present.reembed(storeEncoder(task));
  return { store: reembedding.store, reembedding, close: () => present.close() };
}

async function countOf(place: string): Promise<number> {
  const store = await openPlace(place, { readOnly: true });
  try {
    return await store.count();
  } finally {
    await store.close();
  }
}

/** Embeds and stores what is new in some batches. */
export function indexBatches(
  store: Store,
  { embedder, source }: IndexTask,
  batches: AsyncIterable<PictureBatch>,
  console: Console,
  prune: boolean = false,
): Promise<IndexCounts> {
  return indexPictures({
    store,
    fingerprint: embedder.fingerprint,
    prune,
    signal: console.signal,
    embed: (pixels) => embedder.embed(pixels, { signal: console.signal }),
    batches: withPaths(batches, source === 'emoji' ? source : resolve(source), console),
    onProgress: ({ added, updated, unchanged }) =>
      console.progress(`indexed ${added + updated + unchanged} pictures (${added} new)`),
  });
}

/**
 * The batches, beginning with one that was read already. `NM_SOURCE_EMPTY` at their end where no file was a usable
 * picture: a mistyped folder must not pass for one whose pictures are gone, which --prune would remove.
 */
async function* usable(
  source: string,
  first: IteratorResult<PictureBatch, void>,
  rest: AsyncGenerator<PictureBatch, void>,
): AsyncGenerator<PictureBatch> {
  let skipped = 0;
  let example: Skipped | undefined;
  let pictures = 0;
  for (let next = first; !next.done; next = await rest.next()) {
    pictures += next.value.count + next.value.unchanged.length;
    skipped += next.value.skipped.length;
    example ??= next.value.skipped[0];
    yield next.value;
  }
  if (pictures > 0) return;
  const why = example ? `; ${skipped} skipped, the first: ${example.name}: ${example.reason}` : '';
  throw new NearmissError('NM_SOURCE_EMPTY', `${source}: found no usable picture${why}`);
}

/** Each item remembers the source it came from; skipped files are named. */
async function* withPaths(
  batches: AsyncIterable<PictureBatch>,
  source: string,
  console: Console,
): AsyncGenerator<PictureBatch & { metadata: JsonObject[] }> {
  for await (const batch of batches) {
    for (const { name, reason } of batch.skipped) console.log(`skipped ${name}: ${reason}`);
    yield { ...batch, metadata: batch.names.map((path) => ({ path, source })) };
  }
}
