import { NearmissError } from '../errors.js';
import type { JsonObject } from './items.js';
import type { Store } from './store.js';

/** Some pictures to index; a batch of `pictureBatches` (nearmiss/images) is one. */
export interface IndexBatch {
  /** Ids in the store. */
  readonly names: readonly string[];
  /** Hash of each picture's content. */
  readonly hashes: readonly string[];
  /** Pixels [names, …], equally many bytes a picture. */
  readonly data: Uint8Array;
  /** Default `{}` each. */
  readonly metadata?: readonly JsonObject[];
  /** Pictures that the source left out because the store has them (`SqliteStore.hash`). */
  readonly unchanged?: readonly { readonly name: string }[];
  /** Files that are no usable picture; what the store has under their names stays. */
  readonly skipped?: readonly { readonly name: string; readonly reason: string }[];
}

export interface IndexCounts {
  /** Pictures that were not in the store. */
  readonly added: number;
  /** Pictures whose content had changed. */
  readonly updated: number;
  /** Pictures whose content the store has; they are not embedded again. */
  readonly unchanged: number;
  /** Items removed because the source no longer has them. */
  readonly removed: number;
  /** Files that are no usable picture. */
  readonly skipped: number;
}

export interface IndexOptions {
  readonly store: Store;
  readonly batches: AsyncIterable<IndexBatch>;
  /** Vectors [count, dimension] of `count` pictures. */
  readonly embed: (pixels: Uint8Array, count: number) => Promise<Float32Array>;
  /** The encoder behind `embed`; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
  /** Removes items whose names the source no longer has, once all of it has been read. Default false. */
  readonly prune?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each batch, when it is safely stored. */
  readonly onProgress?: (counts: IndexCounts) => void;
}

/**
 * Embeds and stores the pictures of a source that the store does not have yet, by the hash of their content. Memory is
 * that of one batch. Each batch is one transaction: stopped at any point, the next call goes on from there.
 *
 * @throws the signal's reason; what the source, `embed` and the store throw; `NM_SHAPE_MISMATCH` for vectors or pixels
 *   that do not fit their pictures
 */
export async function indexPictures(options: IndexOptions): Promise<IndexCounts> {
  const { store, batches, embed, fingerprint, prune = false, signal, onProgress } = options;
  if (fingerprint !== undefined) store.checkEncoder(fingerprint);
  signal?.throwIfAborted();
  const counts = { added: 0, updated: 0, unchanged: 0, removed: 0, skipped: 0 };
  const pruning = prune ? await store.prune() : undefined;
  let finished = false;
  try {
    for await (const batch of batches) {
      signal?.throwIfAborted();
      const known = await store.hashes(batch.names);
      const fresh = freshPictures(batch, known);
      if (fresh.length > 0) {
        const vectors = await embed(pixelsOf(batch, fresh), fresh.length);
        signal?.throwIfAborted();
        const written = await store.upsert(itemsOf(batch, fresh, vectors, store.info.dimension));
        counts.added += written.added;
        counts.updated += written.updated;
      }
      const left = batch.unchanged ?? [];
      const skipped = batch.skipped ?? [];
      counts.unchanged += batch.names.length - fresh.length + left.length;
      counts.skipped += skipped.length;
      await pruning?.keep([...batch.names, ...left.map(({ name }) => name), ...skipped.map(({ name }) => name)]);
      onProgress?.({ ...counts });
    }
    signal?.throwIfAborted();
    if (pruning) counts.removed = await pruning.finish();
    finished = true;
  } finally {
    if (!finished) await pruning?.cancel();
  }
  return counts;
}

/** Places in the batch of pictures that the store does not have as they are. */
function freshPictures(batch: IndexBatch, known: ReadonlyMap<string, string | null>): number[] {
  const { names, hashes, metadata } = batch;
  for (const [what, list] of [
    ['hashes', hashes],
    ['metadata', metadata ?? names],
  ] as const) {
    if (list.length === names.length) continue;
    throw new NearmissError('NM_SHAPE_MISMATCH', `${what}: found ${list.length}, allowed: ${names.length}, as names`);
  }
  const fresh: number[] = [];
  for (const [i, name] of names.entries()) if (known.get(name) !== hashes[i]) fresh.push(i);
  return fresh;
}

function pixelsOf({ data, names }: IndexBatch, places: readonly number[]): Uint8Array {
  const bytes = data.length / names.length;
  if (!Number.isInteger(bytes)) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `data: found ${data.length} bytes for ${names.length} pictures`);
  }
  if (places.length === names.length) return data;
  const pixels = new Uint8Array(places.length * bytes);
  for (const [to, from] of places.entries()) pixels.set(data.subarray(from * bytes, (from + 1) * bytes), to * bytes);
  return pixels;
}

function itemsOf(
  { names, hashes, metadata }: IndexBatch,
  places: readonly number[],
  vectors: Float32Array,
  dimension: number,
): { id: string; hash: string; vector: Float32Array; metadata?: JsonObject }[] {
  if (vectors.length !== places.length * dimension) {
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `embed: found ${vectors.length} numbers, allowed: ${places.length} vectors of ${dimension}`,
    );
  }
  return places.map((place, i) => {
    const item = {
      id: names[place]!,
      hash: hashes[place]!,
      vector: vectors.subarray(i * dimension, (i + 1) * dimension),
    };
    const about = metadata?.[place];
    return about === undefined ? item : { ...item, metadata: about };
  });
}
