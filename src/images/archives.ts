import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { NearmissError } from '../errors.js';
import { isClutter, systemReason } from './folder.js';
import type { SourceItem } from './source-item.js';

/** The kind of archive a file name says, if any. */
export function archiveKind(path: string): 'tar' | 'tar.gz' | 'zip' | undefined {
  const name = path.toLowerCase();
  if (name.endsWith('.tar')) return 'tar';
  if (name.endsWith('.tar.gz') || name.endsWith('.tgz')) return 'tar.gz';
  return name.endsWith('.zip') ? 'zip' : undefined;
}

/** A member's name as an id: forward slashes, no leading `./`; undefined if it would lead out of the archive. */
export function memberName(raw: string): string | undefined {
  const path = raw.replaceAll('\\', '/');
  if (path.startsWith('/') || /^[a-z]:/i.test(path) || path.includes('\0')) return undefined;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 || parts.includes('..') ? undefined : parts.join('/');
}

function tooLarge(size: number, maxBytes: number): string {
  return `${size} bytes, allowed: ${maxBytes}`;
}

const OUTSIDE = 'its name leads out of the archive';
const REPEATED = 'the archive has an earlier file of this name';

async function readAll(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function broken(path: string, error: unknown): NearmissError {
  return new NearmissError('NM_SOURCE_INVALID', `${path}: the archive is damaged or not one (${systemReason(error)})`, {
    cause: error,
  });
}

function clutter(name: string): boolean {
  return name.split('/').some(isClutter);
}

/** Files of a tar archive in its order; nothing is written to the disk, one member is in memory at a time. */
export async function* tarItems(path: string, gzip: boolean, maxBytes: number): AsyncGenerator<SourceItem> {
  const { extract } = await import('tar-stream');
  const unpack = extract();
  const ended = (): void => undefined; // its error also ends the iteration below
  if (gzip) pipeline(createReadStream(path), createGunzip(), unpack, ended);
  else pipeline(createReadStream(path), unpack, ended);
  const seen = new Set<string>();
  try {
    for await (const entry of unpack) {
      const { name: raw, type, size = 0 } = entry.header;
      const name = memberName(raw);
      let item: SourceItem | undefined;
      if (type === 'directory' || (name !== undefined && clutter(name))) item = undefined;
      else if (name === undefined) item = { kind: 'skipped', name: raw, reason: OUTSIDE };
      else if (type !== 'file' && type !== 'contiguous-file') {
        item = { kind: 'skipped', name, reason: `${type ?? 'unknown member'}, not a file` };
      } else if (seen.has(name)) item = { kind: 'skipped', name, reason: REPEATED };
      else if (size > maxBytes) item = { kind: 'skipped', name, reason: tooLarge(size, maxBytes) };
      else {
        const content = await readAll(entry);
        seen.add(name);
        item = { kind: 'file', name, size, read: () => Promise.resolve(content) };
      }
      entry.resume();
      if (item) yield item;
    }
  } catch (error) {
    throw broken(path, error);
  } finally {
    unpack.destroy();
  }
}

/** Files of a zip archive in its directory's order; nothing is written to the disk. */
export async function* zipItems(path: string, maxBytes: number): AsyncGenerator<SourceItem> {
  const { getFileNameLowLevel, openPromise } = await import('yauzl');
  // Names are decoded here: yauzl's own check would give up the whole archive at the first bad one.
  const zip = await openPromise(path, { decodeStrings: false, autoClose: false }).catch((error: unknown) => {
    throw broken(path, error);
  });
  const seen = new Set<string>();
  try {
    for await (const entry of zip.eachEntry()) {
      const { generalPurposeBitFlag, fileNameRaw, extraFields, uncompressedSize: size } = entry;
      const raw = getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false);
      const name = memberName(raw);
      if (raw.endsWith('/') || (name !== undefined && clutter(name))) continue;
      if (name === undefined) yield { kind: 'skipped', name: raw, reason: OUTSIDE };
      else if (entry.isEncrypted()) yield { kind: 'skipped', name, reason: 'encrypted' };
      else if (seen.has(name)) yield { kind: 'skipped', name, reason: REPEATED };
      else if (size > maxBytes) yield { kind: 'skipped', name, reason: tooLarge(size, maxBytes) };
      else {
        seen.add(name);
        let content: Buffer;
        try {
          content = await readAll(await zip.openReadStreamPromise(entry));
        } catch (error) {
          yield { kind: 'skipped', name, reason: `cannot be unpacked (${systemReason(error)})` };
          continue;
        }
        yield { kind: 'file', name, size, read: () => Promise.resolve(content) };
      }
    }
  } catch (error) {
    throw error instanceof NearmissError ? error : broken(path, error);
  } finally {
    zip.close();
  }
}
