import { watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeBatches, folderItems, isClutter, type SourceItem } from '../images/index.js';
import type { IndexCounts, Store } from '../retrieve/index.js';
import type { Console } from './console.js';
import { filesOf } from './index-share.js';
import { decoding, type IndexTask, indexBatches, storeEncoder } from './index-source.js';
import { openPlace } from './place.js';

/** A file that is still being written is left alone until nothing has happened for so long, ms. */
const QUIET = 400;

/** Follows a folder until Ctrl-C: what appears or changes is embedded, what vanishes is removed with --prune. */
export async function watchSource(task: IndexTask, console: Console): Promise<IndexCounts> {
  const counts = { added: 0, updated: 0, unchanged: 0, removed: 0, skipped: 0 };
  const changed = new Set<string>();
  let last = 0;
  const watcher = watch(task.source, { recursive: true, signal: console.signal }, (_, name) => {
    if (name === null || name.split(sep).some(isClutter)) return;
    changed.add(name.split(sep).join('/'));
    last = performance.now();
  });
  let trouble: unknown;
  watcher.on('error', (error) => {
    if (!console.signal.aborted) trouble = error;
  });
  const store = await openPlace(task.out, { create: storeEncoder(task) });
  try {
    console.log(`watching ${task.source}; Ctrl-C ends it`);
    while (!console.signal.aborted) {
      await wait(QUIET / 4, undefined, { signal: console.signal }).catch(() => undefined);
      if (trouble !== undefined) throw trouble;
      if (changed.size === 0 || performance.now() - last < QUIET) continue;
      const names = [...changed].sort();
      changed.clear();
      const some = await follow(store, task, names, console);
      for (const key of ['added', 'updated', 'unchanged', 'removed', 'skipped'] as const) counts[key] += some[key];
      console.log(`${some.added} added, ${some.updated} updated, ${some.removed} removed`);
    }
    return counts;
  } finally {
    watcher.close();
    await store.close();
  }
}

async function follow(store: Store, task: IndexTask, names: readonly string[], console: Console): Promise<IndexCounts> {
  const gone: string[] = [];
  // A new folder is told of, and so may be the files in it.
  const seen = new Set<string>();
  const isNew = ({ name }: SourceItem): boolean => !seen.has(name) && seen.add(name) !== undefined;
  async function* items(): AsyncGenerator<SourceItem> {
    for (const name of names) {
      const found = await stat(join(task.source, name)).catch(() => undefined);
      if (!found) gone.push(name);
      else {
        const path = join(task.source, name);
        const inside = found.isDirectory() ? within(path, name) : filesOf(task.source, [name]);
        for await (const item of inside) if (isNew(item)) yield item;
      }
    }
  }
  const counts = await indexBatches(store, task, decodeBatches(items(), decoding(task, console)), console);
  return task.prune ? { ...counts, removed: await removeGone(store, gone) } : counts;
}

/** The files of a folder under their names in the source. */
async function* within(path: string, name: string): AsyncGenerator<SourceItem> {
  for await (const item of folderItems(path)) yield { ...item, name: `${name}/${item.name}` };
}

/** Removes files that are gone, and those that were in folders that are gone. */
async function removeGone(store: Store, gone: readonly string[]): Promise<number> {
  let removed = await store.delete(gone);
  for (const folder of gone) {
    for (let after = `${folder}/`; ; ) {
      const ids = (await store.ids({ after })).filter((id) => id.startsWith(`${folder}/`));
      if (ids.length === 0) break;
      removed += await store.delete(ids);
      after = ids.at(-1)!;
    }
  }
  return removed;
}
