import { NearmissError } from '../errors.js';
import { loadRetrievalKernels } from '../kernels/retrieval.js';
import { CodeVectors } from './code-vectors.js';
import {
  aligned,
  type DeviceIndexHeader,
  headerBytes,
  SECTION_NAMES,
  type SectionName,
  VECTOR_BYTES,
  type VectorKind,
} from './device-index-format.js';
import { Part } from './file-part.js';
import { floatsOfHalves, MAX_HALF, toHalf } from './half.js';
import type { JsonObject } from './items.js';
import { createSearchEngine } from './search-engine.js';
import type { Store, StoredItem } from './store.js';
import { normaliseRows } from './vectors.js';
import { temporaryName, writeWhole } from './whole-file.js';

export interface DeviceIndexOptions {
  /**
   * `float16` halves the vectors, which rounds them to 11 bits; `int8` leaves them out for those that the codes stand for,
   * an eighth to a quarter of the size. The index is exact for the rounded ones. Default `float32`.
   */
  readonly vectors?: VectorKind;
  /** Leaves the metadata out. Default false. */
  readonly withoutMetadata?: boolean;
  /** What of an item's metadata goes into the file. Default all of it. */
  readonly metadata?: (id: string, metadata: JsonObject) => JsonObject;
  readonly signal?: AbortSignal;
  /** Told how many items are written. */
  readonly onProgress?: (done: number) => void;
}

const PAGE = 1000;
const MAX_TEXT_BYTES = 2 ** 32 - 1;

/**
 * Writes all items of a store as an index file (device-index-format.ts), which `readDeviceIndex` reads. Memory is that of
 * a page of items and eight bytes an item. The file appears whole under its name, or not at all.
 *
 * @throws what the store throws, `NM_INDEX_TOO_LARGE` (4 GiB of ids or metadata, or numbers beyond float16), or the
 *   signal's reason
 * @returns the number of items and the bytes of the file
 */
export async function writeDeviceIndex(
  store: Store,
  path: string,
  options: DeviceIndexOptions = {},
): Promise<{ readonly items: number; readonly bytes: number }> {
  const { vectors = 'float32', withoutMetadata = false, metadata: shown, signal, onProgress } = options;
  const { fingerprint, dimension, metric, modelCard } = store.info;
  const engine = createSearchEngine(await loadRetrievalKernels(), { dimension, metric });
  const codeVectors = vectors === 'int8' ? new CodeVectors(dimension, metric) : undefined;
  let vectorError = 0;
  const temporary = temporaryName(path);
  const parts = new Map<SectionName, Part>();
  try {
    for (const name of SECTION_NAMES) parts.set(name, await Part.create(`${temporary}.${name}.tmp`));
    const part = (name: SectionName): Part => parts.get(name)!;
    await part('idOffsets').write(Buffer.alloc(4));
    await part('metadataOffsets').write(Buffer.alloc(4));
    let count = 0;
    for (let after = ''; ; ) {
      signal?.throwIfAborted();
      const items = await store.items({ after, limit: PAGE });
      if (items.length === 0) break;
      const { matrix, stored } = vectorsOf(items, dimension, metric === 'cosine', vectors);
      engine.clear();
      engine.add(matrix);
      const codes = engine.codes(0, items.length);
      // Under cosine, bringing a vector to length 1 again may move it as far once more.
      if (codeVectors) vectorError = Math.max(vectorError, codeVectors.adopt(codes) * (metric === 'cosine' ? 2 : 1));
      await part('codes').write(codes);
      await part('vectors').write(stored);
      await writeTexts(
        part('ids'),
        part('idOffsets'),
        items.map(({ id }) => id),
      );
      const metadata = items.map(({ id, metadata }) =>
        withoutMetadata ? '{}' : JSON.stringify(shown ? shown(id, metadata) : metadata),
      );
      await writeTexts(part('metadata'), part('metadataOffsets'), metadata);
      count += items.length;
      after = items.at(-1)!.id;
      onProgress?.(count);
    }
    let at = 0;
    const sections = {} as Record<SectionName, { at: number; bytes: number; crc: number }>;
    for (const [name, { bytes, crc }] of parts) {
      sections[name] = { at, bytes, crc: crc.value };
      at += aligned(bytes);
    }
    const { codeFormat, codeBytes } = engine;
    const about = { fingerprint, dimension, metric, count, vectors, codeFormat, codeBytes };
    const header: DeviceIndexHeader = {
      ...about,
      ...(codeVectors ? { vectorError } : {}),
      ...(modelCard === undefined ? {} : { modelCard }),
      sections,
    };
    return { items: count, bytes: await assemble(headerBytes(header), [...parts.values()], path) };
  } finally {
    for (const each of parts.values()) await each.remove();
  }
}

/** The vectors that the engine sees, and the bytes that the file keeps of them. */
function vectorsOf(
  items: readonly StoredItem[],
  dimension: number,
  cosine: boolean,
  kind: VectorKind,
): { readonly matrix: Float32Array; readonly stored: Uint8Array } {
  const matrix = new Float32Array(items.length * dimension);
  for (const [i, { vector }] of items.entries()) matrix.set(vector, i * dimension);
  if (cosine) normaliseRows(matrix, dimension);
  const stored = new Uint8Array(matrix.length * VECTOR_BYTES[kind]);
  if (kind === 'int8') return { matrix, stored };
  const view = new DataView(stored.buffer);
  for (const [i, value] of matrix.entries()) {
    if (kind === 'float32') view.setFloat32(4 * i, value, true);
    else if (Math.abs(value) <= MAX_HALF) view.setUint16(2 * i, toHalf(value), true);
    else
      throw tooLarge(
        `item ${JSON.stringify(items[Math.floor(i / dimension)]!.id)}: found ${value}, allowed in float16: ${MAX_HALF}`,
      );
  }
  return { matrix: kind === 'float32' ? matrix : floatsOfHalves(stored), stored };
}

function tooLarge(problem: string): NearmissError {
  return new NearmissError('NM_INDEX_TOO_LARGE', problem);
}

async function writeTexts(texts: Part, offsets: Part, values: readonly string[]): Promise<void> {
  const bytes = values.map((value) => Buffer.from(value));
  const ends = Buffer.alloc(4 * values.length);
  let end = texts.bytes;
  for (const [i, { length }] of bytes.entries()) {
    end += length;
    if (end > MAX_TEXT_BYTES) throw tooLarge(`found more than ${MAX_TEXT_BYTES} bytes of ids or of metadata`);
    ends.writeUInt32LE(end, 4 * i);
  }
  await texts.write(Buffer.concat(bytes));
  await offsets.write(ends);
}

/** Writes header and sections one after the other, and returns the bytes of the file. */
async function assemble(header: Uint8Array, parts: readonly Part[], path: string): Promise<number> {
  let bytes = header.length;
  await writeWhole(path, async (write) => {
    await write(header);
    for (const part of parts) {
      for await (const piece of part.read()) await write(piece);
      await write(new Uint8Array(aligned(part.bytes) - part.bytes));
      bytes += aligned(part.bytes);
    }
  });
  return bytes;
}
