import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { type PictureBatch, pictureBatches, type Skipped } from '../images/index.js';
import { createEmbedder, type Embedder } from '../onnx/index.js';
import { type IndexCounts, indexPictures, type JsonObject, openStore, type SqliteStore } from '../retrieve/index.js';
import { command } from './command.js';
import type { Console } from './console.js';

export function indexCommand(): Command {
  return command<{ readonly out: string; readonly prune?: boolean }>(
    'index',
    ['nearmiss index photos.onnx photos/ --out store.db', 'nearmiss index photos.onnx photos/ --out store.db --prune'],
    async ([model = '', source = ''], { out, prune }, console) => {
      const embedder = await createEmbedder(model);
      try {
        const { counts, total } = await indexSource({ embedder, model, source, out, prune: prune === true }, console);
        const { added, updated, unchanged, removed, skipped } = counts;
        console.print(
          `${added} added, ${updated} updated, ${unchanged} unchanged, ${removed} removed, ${skipped} skipped; ${total} in ${out}`,
        );
        console.print(`next: nearmiss search ${out} PICTURE`);
        return { store: resolve(out), ...counts, items: total };
      } finally {
        await embedder.close();
      }
    },
  )
    .argument('<model>', 'an .onnx file that nearmiss export wrote')
    .argument('<data>', 'folder, .tar, .zip or CIFAR batches of pictures, or `emoji`')
    .requiredOption('--out <file>', 'the store, an SQLite file; made if there is none')
    .option('--prune', 'remove items whose pictures are gone from DATA');
}

/** Indexes a source of pictures into a store, with progress; shared with the demo. */
export async function indexSource(
  task: {
    readonly embedder: Embedder;
    readonly model: string;
    readonly source: string;
    readonly out: string;
    readonly prune: boolean;
  },
  console: Console,
): Promise<{ counts: IndexCounts; total: number }> {
  const { embedder, model, source, out, prune } = task;
  const { fingerprint, dim, size, card } = embedder;
  const open = (): Promise<SqliteStore> =>
    openStore(out, {
      create: {
        fingerprint,
        dimension: dim,
        modelPath: resolve(model),
        modelCard: JSON.parse(JSON.stringify(card)) as JsonObject,
      },
    });
  let store = existsSync(out) ? await open() : undefined;
  const batches = pictureBatches(source, {
    size,
    ...(embedder.card.fit === undefined ? {} : { fit: embedder.card.fit }),
    signal: console.signal,
    unchanged: (name, hash) => store?.hash(name) === hash,
  });
  try {
    // A source that cannot be read must not leave an empty store behind, so a new one waits for the first batch.
    const first = await batches.next();
    store ??= await open();
    const root = resolve(source);
    const counts = await indexPictures({
      store,
      fingerprint,
      prune,
      signal: console.signal,
      embed: (pixels) => embedder.embed(pixels, { signal: console.signal }),
      batches: withPaths(usable(source, first, batches), source === 'emoji' ? source : root, console),
      onProgress: ({ added, updated, unchanged }) =>
        console.progress(`indexed ${added + updated + unchanged} pictures (${added} new)`),
    });
    return { counts, total: await store.count() };
  } finally {
    await batches.return(undefined);
    await store?.close();
  }
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
  const skipped: Skipped[] = [];
  let pictures = 0;
  for (let next = first; !next.done; next = await rest.next()) {
    pictures += next.value.count + next.value.unchanged.length;
    skipped.push(...next.value.skipped);
    yield next.value;
  }
  if (pictures > 0) return;
  const why = skipped[0] ? `; ${skipped.length} skipped, the first: ${skipped[0].name}: ${skipped[0].reason}` : '';
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
