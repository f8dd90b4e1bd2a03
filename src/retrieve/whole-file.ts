import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Writes bytes after those before or, with `at`, over those at a place. */
export type Write = (bytes: Uint8Array, at?: number) => Promise<void>;

/** A name beside a file, for what is not finished. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
}

/** Writes a file piece by piece; it appears whole under its name, or not at all. */
export async function writeWhole(path: string, body: (write: Write) => Promise<void>): Promise<void> {
  const temporary = `${temporaryName(path)}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      let end = 0;
      await body(async (bytes, at = end) => {
        for (let done = 0; done < bytes.length; ) {
          done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
        }
        end = Math.max(end, at + bytes.length);
      });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
