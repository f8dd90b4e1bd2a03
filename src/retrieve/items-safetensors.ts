import { Part } from './file-part.js';
import type { Item } from './items.js';
import { invalidFile, lineOf, readLines } from './items-json-lines.js';
import { matrixBytes, matrixItems, NUMBER_BYTES, type NumberKind, readExactly, withFile } from './items-matrix.js';
import { temporaryName, writeWhole } from './whole-file.js';

const KINDS: Readonly<Record<string, NumberKind>> = { F16: 'f2', F32: 'f4', F64: 'f8' };
const VECTORS = 'vectors';
/** Lines of items (items-json-lines.ts) as bytes. */
const ITEMS = 'items';
const MAX_HEADER = 100_000_000; // the format's own bound

interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

export function readSafetensors(path: string, asked: string | undefined): AsyncGenerator<Item[]> {
  return withFile(path, async function* (file, size) {
    const length = Number((await readExactly(file, path, 0, 8)).readBigUInt64LE());
    if (length > Math.min(MAX_HEADER, size - 8)) throw invalidFile(path, 'it is no safetensors file, or cut off');
    const tensors = readHeader(path, await readExactly(file, path, 8, length), size - 8 - length);
    const name = asked ?? (tensors.has(VECTORS) ? VECTORS : onlyMatrix(path, tensors));
    const tensor = tensors.get(name);
    const kind = KINDS[tensor?.dtype ?? ''];
    if (tensor?.shape.length !== 2 || !kind) {
      throw invalidFile(path, `tensor ${JSON.stringify(name)}: allowed: a matrix of F16, F32 or F64`);
    }
    const [rows, dimension] = tensor.shape as [number, number];
    const [from, to] = tensor.data_offsets;
    if (to - from !== rows * dimension * NUMBER_BYTES[kind]) {
      throw invalidFile(path, `tensor ${JSON.stringify(name)}: its bytes do not fit its shape`);
    }
    const data = 8 + length;
    const lines = tensors.get(ITEMS);
    const range = lines?.dtype === 'U8' ? lines.data_offsets.map((offset) => data + offset) : undefined;
    const items = range && readLines(path, range[0], range[1]);
    yield* matrixItems(file, path, { at: data + from, kind, rows, dimension }, items);
  });
}

function readHeader(path: string, bytes: Buffer, dataBytes: number): Map<string, Tensor> {
  try {
    const { __metadata__: _, ...tensors } = JSON.parse(bytes.toString()) as Record<string, Tensor>;
    for (const { dtype, shape, data_offsets: offsets } of Object.values(tensors)) {
      const whole = (each: unknown): boolean => Number.isSafeInteger(each) && (each as number) >= 0;
      const [from, to] = offsets;
      const valid = typeof dtype === 'string' && shape.every(whole) && whole(from) && whole(to);
      if (!valid || from > to || to > dataBytes) throw new Error('a tensor lies outside of the file');
    }
    return new Map(Object.entries(tensors));
  } catch (cause) {
    throw invalidFile(path, `its header makes no sense (${(cause as Error).message})`, cause);
  }
}

function onlyMatrix(path: string, tensors: ReadonlyMap<string, Tensor>): string {
  const matrices = [...tensors].filter(([, { dtype, shape }]) => dtype in KINDS && shape.length === 2);
  const [first] = matrices;
  if (first && matrices.length === 1) return first[0];
  throw invalidFile(path, `found ${matrices.length} matrices of numbers, allowed: one, or name it with --tensor`);
}

export async function writeSafetensors(pages: AsyncIterable<Item[]>, path: string, dimension: number): Promise<number> {
  const parts: Part[] = [];
  const temporary = temporaryName(path);
  let count = 0;
  try {
    for (const name of [VECTORS, ITEMS]) parts.push(await Part.create(`${temporary}.${name}.tmp`));
    const [vectors, lines] = parts as [Part, Part];
    for await (const items of pages) {
      await vectors.write(matrixBytes(items, dimension));
      await lines.write(Buffer.from(items.map(lineOf).join('')));
      count += items.length;
    }
    const end = vectors.bytes + lines.bytes;
    const header = JSON.stringify({
      [VECTORS]: { dtype: 'F32', shape: [count, dimension], data_offsets: [0, vectors.bytes] },
      [ITEMS]: { dtype: 'U8', shape: [lines.bytes], data_offsets: [vectors.bytes, end] },
    });
    // Spaces, so that the numbers begin at a multiple of eight bytes.
    const padded = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
    await writeWhole(path, async (write) => {
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(padded.length));
      await write(prefix);
      await write(padded);
      for (const part of parts) for await (const piece of part.read()) await write(piece);
    });
  } finally {
    for (const part of parts) await part.remove();
  }
  return count;
}
