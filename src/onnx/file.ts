import { readFile } from 'node:fs/promises';
import { NearmissError } from '../errors.js';
import { writeFileAtomic } from '../files.js';

/** The bytes of a model file; `NM_MODEL_MISSING` where it cannot be read. */
export async function readModel(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new NearmissError('NM_MODEL_MISSING', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Writes a model file whole or not at all; `NM_OPTION_INVALID` where it cannot be written. */
export async function writeModel(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFileAtomic(path, bytes);
  } catch (cause) {
    throw new NearmissError('NM_OPTION_INVALID', `out: ${path} cannot be written: ${(cause as Error).message}`, {
      cause,
    });
  }
}
