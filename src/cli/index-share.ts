import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBatches, folderItems, type SourceItem } from '../images/index.js';
import { type IndexCounts, openPostgresStore, shareFiles } from '../retrieve/index.js';
import type { Console } from './console.js';
import { decoding, type IndexTask, indexBatches, storeEncoder } from './index-source.js';

/** Takes files of a folder from the queue of a store in PostgreSQL until all are done, by whichever machine. */
export async function shareSource(
  task: IndexTask,
  name: string,
  lease: number | undefined,
  console: Console,
): Promise<{ counts: IndexCounts; total: number }> {
  const store = await openPostgresStore(task.out, { create: storeEncoder(task) });
  const counts = { added: 0, updated: 0, unchanged: 0, removed: 0, skipped: 0 };
  try {
    const { done, failed } = await shareFiles({
      store,
      name,
      ...(lease === undefined ? {} : { lease }),
      signal: console.signal,
      names: () => fileNames(task.source, console),
      work: async (names) => {
        const batches = decodeBatches(filesOf(task.source, names), decoding(task, console));
        const some = await indexBatches(store, task, batches, console);
        for (const key of ['added', 'updated', 'unchanged', 'skipped'] as const) counts[key] += some[key];
      },
      onProgress: (files) => console.progress(`this process has done ${files} files`),
    });
    for (const file of failed) console.log(`failed again and again: ${file}`);
    console.log(`this process has done ${done} files`);
    return { counts, total: await store.count() };
  } finally {
    await store.close();
  }
}

async function* fileNames(folder: string, console: Console): AsyncGenerator<string> {
  for await (const item of folderItems(folder)) {
    if (item.kind === 'file') yield item.name;
    else if (item.kind === 'skipped') console.log(`skipped ${item.name}: ${item.reason}`);
  }
}

/** Files of a folder by their names. */
export async function* filesOf(folder: string, names: Iterable<string>): AsyncGenerator<SourceItem> {
  for (const name of names) {
    const path = join(folder, name);
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) yield { kind: 'skipped', name, reason: found.code ?? found.message };
    else if (!found.isFile()) yield { kind: 'skipped', name, reason: 'not a file' };
    else yield { kind: 'file', name, size: found.size, read: () => readFile(path) };
  }
}
