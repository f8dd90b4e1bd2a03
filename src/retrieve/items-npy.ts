import { existsSync } from 'node:fs';
import type { Item } from './items.js';
import { invalidFile, lineOf, readLines } from './items-json-lines.js';
import {
  type Matrix,
  matrixBytes,
  matrixItems,
  NUMBER_BYTES,
  type NumberKind,
  readExactly,
  withFile,
} from './items-matrix.js';
import { writeWhole } from './whole-file.js';

/** NumPy's format, version 1.0: magic, version, header length, a Python dictionary padded with spaces, the numbers. */
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** Of the files written here. */
const HEADER_BYTES = 128;

/** The file beside a matrix that says what its rows are. */
export const linesBeside = (path: string): string => `${path}.jsonl`;

export function readNpy(path: string): AsyncGenerator<Item[]> {
  return withFile(path, async function* (file, size) {
    const start = await readExactly(file, path, 0, 12);
    const major = start[6]!;
    if (!start.subarray(0, 6).equals(MAGIC) || major < 1 || major > 3) throw invalidFile(path, 'it is no .npy file');
    const [at, length] = major === 1 ? [10, start.readUInt16LE(8)] : [12, start.readUInt32LE(8)];
    if (length > 65536) throw invalidFile(path, `its header has ${length} bytes, allowed: 65536`);
    const header = (await readExactly(file, path, at, length)).toString('latin1');
    const matrix = matrixOf(path, header, at + length);
    const { rows, dimension, kind } = matrix;
    const needed = matrix.at + rows * dimension * NUMBER_BYTES[kind];
    if (size !== needed) throw invalidFile(path, `found ${size} bytes, allowed: ${needed} for its shape`);
    const lines = existsSync(linesBeside(path)) ? readLines(linesBeside(path)) : undefined;
    yield* matrixItems(file, path, matrix, lines);
  });
}

function matrixOf(path: string, header: string, at: number): Matrix {
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const kind = (Object.keys(NUMBER_BYTES) as NumberKind[]).find((each) => type === `<${each}`);
  if (!kind) throw invalidFile(path, `found numbers of type ${type}, allowed: <f2, <f4, <f8`);
  const shape = /'shape':\s*\(\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)/.exec(header);
  if (!shape || !/'fortran_order':\s*False/.test(header)) {
    throw invalidFile(path, 'found another shape, allowed: a matrix (items, dimension) in C order');
  }
  return { at, kind, rows: Number(shape[1]), dimension: Number(shape[2]) };
}

export async function writeNpy(pages: AsyncIterable<Item[]>, path: string, dimension: number): Promise<number> {
  let count = 0;
  await writeWhole(linesBeside(path), async (writeLine) => {
    await writeWhole(path, async (write) => {
      await write(Buffer.alloc(HEADER_BYTES));
      for await (const items of pages) {
        await write(matrixBytes(items, dimension));
        await writeLine(Buffer.from(items.map(lineOf).join('')));
        count += items.length;
      }
      const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${count}, ${dimension}), }`;
      const header = Buffer.alloc(HEADER_BYTES, ' ');
      MAGIC.copy(header);
      header.set([1, 0, HEADER_BYTES - 10, 0], 6);
      header.write(dictionary, 10, 'latin1');
      header[HEADER_BYTES - 1] = 10;
      await write(header, 0);
    });
  });
  return count;
}
