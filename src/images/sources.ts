import { stat } from 'node:fs/promises';
import { NearmissError } from '../errors.js';
import { archiveKind, tarItems, zipItems } from './archives.js';
import { cifarBatches, cifarItems } from './cifar.js';
import { emojiEntries, emojiItems, emojiPackages } from './emoji-packages.js';
import { folderItems, systemReason } from './folder.js';
import type { SourceItem } from './source-item.js';

/**
 * Opens a folder, a `.tar`, `.tar.gz`, `.tgz` or `.zip` of pictures, a folder of CIFAR batches,
 * one `.bin` batch, or the word `emoji`.
 *
 * @throws `NM_SOURCE_MISSING` when there is nothing at the path, `NM_SOURCE_INVALID` when it is of no such kind
 */
export async function openSource(path: string, maxBytes: number): Promise<AsyncIterable<SourceItem>> {
  if (path === 'emoji') {
    const packages = emojiPackages(process.cwd());
    return emojiItems(packages.noto, await emojiEntries(packages));
  }
  const found = await stat(path).catch((cause: unknown) => {
    const what = systemReason(cause);
    const why = what === 'ENOENT' ? 'there is no such file or folder' : `cannot be opened (${what})`;
    throw new NearmissError('NM_SOURCE_MISSING', `${path}: ${why}`, { cause });
  });
  if (found.isDirectory()) {
    const batches = await cifarBatches(path).catch(() => []);
    return batches.length > 0 ? cifarItems(batches) : folderItems(path);
  }
  const kind = archiveKind(path);
  if (kind === 'zip') return zipItems(path, maxBytes);
  if (kind !== undefined) return tarItems(path, kind === 'tar.gz', maxBytes);
  if (path.toLowerCase().endsWith('.bin')) return cifarItems([path]);
  throw new NearmissError(
    'NM_SOURCE_INVALID',
    `${path}: found a file, allowed: a folder of pictures, a .tar, .tar.gz, .tgz or .zip of them, CIFAR .bin batches`,
  );
}
