import { resolve } from 'node:path';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import {
  ITEM_FORMATS,
  type Item,
  type ItemFormat,
  METRICS,
  type Metric,
  readItems,
  type Store,
  VECTOR_KINDS,
  type VectorKind,
  writeDeviceIndex,
  writeItems,
} from '../retrieve/index.js';
import { command, oneOf } from './command.js';
import { openPlace, placeName } from './place.js';

/** What `--vectors` says, here and in bundle.ts. */
export const VECTORS_HELP: string =
  'float32 (default: the same scores as the store), float16 or int8: smaller, and exact for vectors rounded to that';
export const STORE_HELP = 'a store: an SQLite file, or postgres://user:password@host/database';

/** Opens a store for the time of some work. */
async function withStore<T>(place: string, readOnly: boolean, body: (store: Store) => Promise<T>): Promise<T> {
  const store = await openPlace(place, { readOnly });
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

export function deleteCommand(): Command {
  return command(
    'delete',
    ['nearmiss delete store.db 2021/beach.jpg 2021/sea.jpg'],
    async ([place = '', ...ids], _, console) =>
      withStore(place, false, async (store) => {
        const removed = await store.delete(ids);
        const items = await store.count();
        console.print(`${removed} of ${ids.length} removed; ${items} in ${placeName(place)}`);
        return { removed, items };
      }),
  )
    .argument('<store>', STORE_HELP)
    .argument('<ids...>', 'ids, as search prints them; unknown ones are no error');
}

export function statsCommand(): Command {
  return command('stats', ['nearmiss stats store.db'], async ([place = ''], _, console) =>
    withStore(place, true, async (store) => {
      const { info } = store;
      const stats = await store.stats();
      const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
      console.print(`${stats.items} items of ${info.dimension} dimensions, ${info.metric}`);
      console.print(`${megabytes(stats.bytes)}, of which compact gives back at least ${megabytes(stats.freeBytes)}`);
      console.print(`encoder ${info.fingerprint}${info.modelPath === undefined ? '' : `, ${info.modelPath}`}`);
      const { fingerprint, dimension, metric, schema, modelPath } = info;
      return {
        store: placeName(place),
        ...stats,
        fingerprint,
        dimension,
        metric,
        schema,
        modelPath: modelPath ?? null,
      };
    }),
  ).argument('<store>', STORE_HELP);
}

export function compactCommand(): Command {
  return command('compact', ['nearmiss compact store.db'], async ([place = ''], _, console) =>
    withStore(place, false, async (store) => {
      const before = (await store.stats()).bytes;
      await store.compact();
      const after = (await store.stats()).bytes;
      console.print(`${(before / 1e6).toFixed(2)} MB before, ${(after / 1e6).toFixed(2)} MB after`);
      return { before, after };
    }),
  ).argument('<store>', STORE_HELP);
}

export function exportIndexCommand(): Command {
  return command<{ readonly out: string; readonly vectors?: VectorKind; readonly metadata: boolean }>(
    'export-index',
    [
      'nearmiss export-index store.db --out photos.nmi',
      'nearmiss export-index store.db --out small.nmi --vectors int8 --no-metadata',
    ],
    async ([place = ''], { out, vectors, metadata }, console) =>
      withStore(place, true, async (store) => {
        const { items, bytes } = await writeDeviceIndex(store, out, {
          ...(vectors === undefined ? {} : { vectors }),
          withoutMetadata: !metadata,
          signal: console.signal,
          onProgress: (done) => console.progress(`wrote ${done} items`),
        });
        console.print(`${items} items, ${(bytes / 1e6).toFixed(2)} MB: ${out}`);
        return { index: resolve(out), items, bytes };
      }),
  )
    .argument('<store>', STORE_HELP)
    .requiredOption('--out <file>', 'the index file, for devices and browsers')
    .option('--vectors <kind>', VECTORS_HELP, oneOf(VECTOR_KINDS))
    .option('--no-metadata', 'leave the metadata out');
}

export function exportItemsCommand(): Command {
  return command<{ readonly out: string; readonly format?: ItemFormat }>(
    'export-items',
    ['nearmiss export-items store.db --out items.jsonl', 'nearmiss export-items store.db --out vectors.npy'],
    async ([place = ''], { out, format }, console) =>
      withStore(place, true, async (store) => {
        const items = await writeItems(store, out, {
          ...(format === undefined ? {} : { format }),
          signal: console.signal,
          onProgress: (done) => console.progress(`wrote ${done} items`),
        });
        console.print(`${items} items: ${out}`);
        return { file: resolve(out), items };
      }),
  )
    .argument('<store>', STORE_HELP)
    .requiredOption('--out <file>', 'a .jsonl, .npy (with a .npy.jsonl beside it) or .safetensors file')
    .option('--format <format>', `${ITEM_FORMATS.join(', ')} (default: by the ending)`, oneOf(ITEM_FORMATS));
}

interface ImportFlags {
  readonly store: string;
  readonly fingerprint?: string;
  readonly metric?: Metric;
  readonly format?: ItemFormat;
  readonly tensor?: string;
}

export function importCommand(): Command {
  return command<ImportFlags>(
    'import',
    [
      'nearmiss import items.jsonl --store store.db',
      'nearmiss import vectors.npy --store new.db --fingerprint clip-vit-b32 --metric cosine',
    ],
    async ([file = ''], flags, console) => {
      const { store: place, format, tensor } = flags;
      const pages = readItems(file, {
        ...(format === undefined ? {} : { format }),
        ...(tensor === undefined ? {} : { tensor }),
      });
      const first = await pages.next();
      const store = await importTarget(flags, first.done ? undefined : first.value);
      try {
        const counts = { added: 0, updated: 0 };
        for (let next = first; !next.done; next = await pages.next()) {
          console.signal.throwIfAborted();
          const { added, updated } = await store.upsert(next.value);
          counts.added += added;
          counts.updated += updated;
          console.progress(`imported ${counts.added + counts.updated} items`);
        }
        const items = await store.count();
        console.print(`${counts.added} added, ${counts.updated} updated; ${items} in ${placeName(place)}`);
        return { store: placeName(place), ...counts, items };
      } finally {
        await pages.return(undefined);
        await store.close();
      }
    },
  )
    .argument('<file>', 'a .jsonl, .npy or .safetensors file (docs/retrieval.md)')
    .requiredOption('--store <place>', `${STORE_HELP}; made if there is none and --fingerprint is given`)
    .option('--fingerprint <name>', 'names the encoder that made the vectors; a store takes those of one')
    .option('--metric <metric>', `of a new store: ${METRICS.join(', ')} (default cosine)`, oneOf(METRICS))
    .option('--format <format>', `${ITEM_FORMATS.join(', ')} (default: by the ending)`, oneOf(ITEM_FORMATS))
    .option('--tensor <name>', 'the tensor with the vectors, in safetensors');
}

/** The store that takes the items: one that is there, or a new one of their dimension. */
async function importTarget(
  { store: place, fingerprint, metric }: ImportFlags,
  first: Item[] | undefined,
): Promise<Store> {
  const present = await openPlace(place).catch((error: unknown) => {
    if (error instanceof NearmissError && error.code === 'NM_STORE_MISSING' && fingerprint !== undefined)
      return undefined;
    throw error;
  });
  if (present) {
    const given = metric !== undefined && metric !== present.info.metric;
    try {
      if (fingerprint !== undefined) present.checkEncoder(fingerprint);
      if (given)
        throw new NearmissError(
          'NM_OPTION_INVALID',
          `--metric: found ${metric}, allowed: ${present.info.metric}, which the store has`,
        );
    } catch (error) {
      await present.close();
      throw error;
    }
    return present;
  }
  const dimension = first?.[0]?.vector.length;
  if (dimension === undefined) throw new NearmissError('NM_SOURCE_EMPTY', 'found no item to import');
  return openPlace(place, {
    create: { fingerprint: fingerprint!, dimension, ...(metric === undefined ? {} : { metric }) },
  });
}
