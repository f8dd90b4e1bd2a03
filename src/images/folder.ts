import type { Dirent } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { SourceItem } from './source-item.js';

/** Files that systems leave beside pictures: not data, so neither read nor counted as skipped. */
export function isClutter(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX' || name === 'Thumbs.db' || name === 'desktop.ini';
}

/** The system's code of an error (`EACCES`), or its message. */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

type Entry =
  | { readonly kind: 'file'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'folder'; readonly name: string; readonly real: string }
  | { readonly kind: 'skipped'; readonly name: string; readonly reason: string };

/**
 * Files of a folder at any depth, in the order of their relative paths (by code unit, on every system). Links to files are
 * followed. A link to a folder is followed if it leads out of the source, once; inside, its files are read in
 * their own place. Memory: the names of one folder at each level.
 */
export async function* folderItems(root: string): AsyncGenerator<SourceItem> {
  const realRoot = await realpath(root);
  const visited = new Set<string>([realRoot]);

  async function look(folder: string, real: string, entry: Dirent): Promise<Entry> {
    const { name } = entry;
    if (entry.isDirectory()) return { kind: 'folder', name, real: join(real, name) };
    try {
      const path = join(folder, name);
      const found = await stat(path);
      if (found.isFile()) return { kind: 'file', name, bytes: found.size };
      if (!found.isDirectory()) return { kind: 'skipped', name, reason: 'neither a file nor a folder' };
      const target = await realpath(path);
      if (target === realRoot || target.startsWith(realRoot + sep)) {
        return { kind: 'skipped', name, reason: 'link to a folder of this source, which is read in its own place' };
      }
      return { kind: 'folder', name, real: target };
    } catch (error) {
      const reason = entry.isSymbolicLink() ? `broken link (${systemReason(error)})` : systemReason(error);
      return { kind: 'skipped', name, reason };
    }
  }

  async function* walk(folder: string, real: string, prefix: string): AsyncGenerator<SourceItem> {
    let entries: Dirent[];
    try {
      entries = (await readdir(folder, { withFileTypes: true })).filter((entry) => !isClutter(entry.name));
    } catch (error) {
      yield { kind: 'skipped', name: prefix, reason: `folder cannot be read (${systemReason(error)})` };
      return;
    }
    const found: Entry[] = [];
    for (const entry of entries) found.push(await look(folder, real, entry));
    const key = (entry: Entry): string => (entry.kind === 'folder' ? `${entry.name}/` : entry.name);
    found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    for (const entry of found) {
      const name = prefix + entry.name;
      const path = join(folder, entry.name);
      if (entry.kind === 'skipped') {
        yield { kind: 'skipped', name, reason: entry.reason };
      } else if (entry.kind === 'file') {
        yield { kind: 'file', name, size: entry.bytes, read: () => readFile(path) };
      } else if (visited.has(entry.real)) {
        yield { kind: 'skipped', name, reason: 'folder that is read in another place' };
      } else {
        visited.add(entry.real);
        yield* walk(path, entry.real, `${name}/`);
      }
    }
  }

  yield* walk(root, realRoot, '');
}
