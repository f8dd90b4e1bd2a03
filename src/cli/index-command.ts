import { resolve } from 'node:path';
import type { Command } from 'commander';
import { pictureBatches } from '../images/index.js';
import { createEmbedder, type Embedder } from '../onnx/index.js';
import { type IndexCounts, indexPictures, type JsonObject, openStore } from '../retrieve/index.js';
import { command } from './command.js';
import type { Console } from './console.js';

export function indexCommand(): Command {
  return command<{ readonly out: string; readonly prune?: boolean }>(
    'index',
    'embed pictures and store them for search; pictures that are stored already are not embedded again',
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
  const store = await openStore(out, {
    create: {
      fingerprint,
      dimension: dim,
      modelPath: resolve(model),
      modelCard: JSON.parse(JSON.stringify(card)) as JsonObject,
    },
  });
  try {
    const batches = pictureBatches(source, {
      size,
      signal: console.signal,
      unchanged: (name, hash) => store.hash(name) === hash,
    });
    const root = resolve(source);
    const counts = await indexPictures({
      store,
      fingerprint,
      prune,
      signal: console.signal,
      embed: (pixels) => embedder.embed(pixels, { signal: console.signal }),
      batches: withPaths(batches, source === 'emoji' ? source : root, console),
      onProgress: ({ added, updated, unchanged }) =>
        console.progress(`indexed ${added + updated + unchanged} pictures (${added} new)`),
    });
    return { counts, total: await store.count() };
  } finally {
    await store.close();
  }
}

/** Each item remembers the source it came from; skipped files are named. */
async function* withPaths(
  batches: ReturnType<typeof pictureBatches>,
  source: string,
  console: Console,
): AsyncGenerator<Awaited<ReturnType<typeof batches.next>>['value'] & { metadata: JsonObject[] }> {
  for await (const batch of batches) {
    for (const { name, reason } of batch.skipped) console.log(`skipped ${name}: ${reason}`);
    yield { ...batch, metadata: batch.names.map((path) => ({ path, source })) };
  }
}
