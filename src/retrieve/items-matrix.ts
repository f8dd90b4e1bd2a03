import { type FileHandle, open } from 'node:fs/promises';
import { floatsOfHalves } from './half.js';
import { type Item, vectorOf } from './items.js';
import { BATCH, type ItemLine, invalidFile } from './items-json-lines.js';

/** Numbers of a matrix in a file, little-endian. */
export type NumberKind = 'f2' | 'f4' | 'f8';

export const NUMBER_BYTES: Readonly<Record<NumberKind, number>> = { f2: 2, f4: 4, f8: 8 };

/** A matrix [rows, dimension] in a file, row after row. */
export interface Matrix {
  readonly at: number;
  readonly kind: NumberKind;
  readonly rows: number;
  readonly dimension: number;
}

function floats(bytes: Uint8Array, kind: NumberKind): Float32Array {
  if (kind === 'f2') return floatsOfHalves(bytes);
  if (kind === 'f4') return vectorOf(bytes).slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

/** Opens a file for the time of a generator. */
export async function* withFile<T>(
  path: string,
  body: (file: FileHandle, size: number) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const file = await open(path);
  try {
    yield* body(file, (await file.stat()).size);
  } finally {
    await file.close();
  }
}

/** Exactly so many bytes at a place; `NM_ITEMS_FILE_INVALID` where the file is shorter. */
export async function readExactly(file: FileHandle, path: string, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, at + done);
    if (bytesRead === 0) throw invalidFile(path, 'it is cut off');
    done += bytesRead;
  }
  return buffer;
}

/** The rows of a matrix as items; what belongs to each is the next of `lines`, or its row number is its id. */
export async function* matrixItems(
  file: FileHandle,
  path: string,
  { at, kind, rows, dimension }: Matrix,
  lines: AsyncGenerator<ItemLine> | undefined,
): AsyncGenerator<Item[]> {
  const rowBytes = dimension * NUMBER_BYTES[kind];
  for (let start = 0; start < rows; start += BATCH) {
    const count = Math.min(BATCH, rows - start);
    const vectors = floats(await readExactly(file, path, at + start * rowBytes, count * rowBytes), kind);
    const items: Item[] = [];
    for (let i = 0; i < count; i++) {
      const vector = vectors.subarray(i * dimension, (i + 1) * dimension);
      if (!lines) {
        items.push({ id: String(start + i), vector });
        continue;
      }
      const next = await lines.next();
      if (next.done) throw invalidFile(path, `found ${rows} vectors and ${start + i} lines of items`);
      items.push({ ...next.value, vector });
    }
    yield items;
  }
  if (lines && !(await lines.next()).done) throw invalidFile(path, `found ${rows} vectors and more lines of items`);
}

/** The vectors of items as little-endian float32, one after the other. */
export function matrixBytes(items: readonly Item[], dimension: number): Uint8Array {
  const bytes = new Uint8Array(items.length * dimension * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, { vector }] of items.entries()) {
    for (let j = 0; j < dimension; j++) view.setFloat32(4 * (i * dimension + j), vector[j]!, true);
  }
  return bytes;
}
