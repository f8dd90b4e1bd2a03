import { NearmissError } from '../errors.js';
import { Crc32 } from './crc32.js';
import type { JsonObject } from './items.js';
import { checkMetric, checkWhole, MAX_DIMENSION, type Metric } from './vectors.js';

/**
 * The index file, little-endian throughout; each part begins at a multiple of 64 bytes and is padded with zeros:
 *
 *     | "nearmiss" | version u32 | header bytes u32 | header crc u32 | 0 u32 | header: JSON |
 *     | codes [count][codeBytes] | vectors [count][dimension] | ids | idOffsets u32 [count + 1] | metadata | metadataOffsets |
 *
 * Rows are in the byte order of their ids. The header says where each section lies and its CRC-32, so that any change of
 * the file is found. Under cosine the vectors are of length 1; as float16 they are rounded, and codes and scores are those
 * of the rounded vectors. As int8 there are none: vectors are those that the codes stand for (code-vectors.ts).
 */
export const DEVICE_INDEX_VERSION = 1;
export const MAGIC: Uint8Array = new TextEncoder().encode('nearmiss');
export const ALIGNMENT = 64;
export const PREFIX_BYTES = 24;
export const SECTION_NAMES = ['codes', 'vectors', 'ids', 'idOffsets', 'metadata', 'metadataOffsets'] as const;
export type SectionName = (typeof SECTION_NAMES)[number];
export type Sections = Readonly<Record<SectionName, Uint8Array>>;

/** How an index file keeps its vectors. */
export const VECTOR_KINDS = ['float32', 'float16', 'int8'] as const;
export type VectorKind = (typeof VECTOR_KINDS)[number];
/** Bytes of a component in the section of vectors. */
export const VECTOR_BYTES: Readonly<Record<VectorKind, number>> = { float32: 4, float16: 2, int8: 0 };

export interface DeviceIndexHeader {
  readonly fingerprint: string;
  readonly dimension: number;
  readonly metric: Metric;
  readonly count: number;
  readonly vectors: VectorKind;
  /** With int8: how far a vector is at most from the one that was stored. */
  readonly vectorError?: number;
  readonly codeFormat: string;
  readonly codeBytes: number;
  readonly modelCard?: JsonObject;
  readonly sections: Readonly<
    Record<SectionName, { readonly at: number; readonly bytes: number; readonly crc: number }>
  >;
}

export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function invalid(problem: string, cause?: unknown): NearmissError {
  return new NearmissError('NM_INDEX_INVALID', `index file: ${problem}`, { cause });
}

/** The bytes before the first section. The places of sections count from their end. */
export function headerBytes(header: DeviceIndexHeader): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(aligned(PREFIX_BYTES + json.length));
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, DEVICE_INDEX_VERSION, true);
  view.setUint32(12, json.length, true);
  view.setUint32(16, new Crc32().update(json).value, true);
  bytes.set(json, PREFIX_BYTES);
  return bytes;
}

/**
 * Checks a whole file and finds its sections.
 *
 * @throws `NM_INDEX_INVALID`
 */
export function readSections(bytes: Uint8Array): { readonly header: DeviceIndexHeader; readonly sections: Sections } {
  if (bytes.length < PREFIX_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw invalid('it does not begin as one; write one with `nearmiss export-index`');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version !== DEVICE_INDEX_VERSION) throw invalid(`found version ${version}, allowed: ${DEVICE_INDEX_VERSION}`);
  const length = view.getUint32(12, true);
  const json = bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  if (json.length !== length) throw invalid('it is cut off within its header');
  if (new Crc32().update(json).value !== view.getUint32(16, true)) throw invalid('its header was altered');
  const header = readHeader(json);
  const start = aligned(PREFIX_BYTES + length);
  const sections = {} as Record<SectionName, Uint8Array>;
  let end = start;
  for (const name of SECTION_NAMES) {
    const { at, bytes: size, crc } = header.sections[name];
    const section = bytes.subarray(start + at, start + at + size);
    if (section.length !== size) throw invalid(`it is cut off within its ${name}`);
    if (new Crc32().update(section).value !== crc) throw invalid(`its ${name} were altered`);
    sections[name] = section;
    end = Math.max(end, start + at + size);
  }
  if (bytes.length !== aligned(end)) throw invalid(`found ${bytes.length} bytes, allowed: ${aligned(end)}`);
  checkOffsets('ids', sections.idOffsets, sections.ids.length, header.count);
  checkOffsets('metadata', sections.metadataOffsets, sections.metadata.length, header.count);
  return { header, sections };
}

/** The header's fields are those of a writer of this version, and the sections are as long as they say. */
function readHeader(json: Uint8Array): DeviceIndexHeader {
  try {
    const header = JSON.parse(new TextDecoder().decode(json)) as DeviceIndexHeader;
    const { dimension, metric, count, vectors, codeBytes, sections } = header;
    checkWhole('dimension', dimension, 1, MAX_DIMENSION);
    checkMetric(metric);
    checkWhole('count', count, 0, 2 ** 31);
    checkWhole('codeBytes', codeBytes, 1, 2 * MAX_DIMENSION);
    if (!VECTOR_KINDS.includes(vectors)) throw new Error('vectors');
    const sizes = { codes: count * codeBytes, vectors: count * dimension * VECTOR_BYTES[vectors] };
    if (sections.codes.bytes !== sizes.codes || sections.vectors.bytes !== sizes.vectors) throw new Error('sizes');
    return header;
  } catch (cause) {
    throw invalid('its header makes no sense', cause);
  }
}

function checkOffsets(name: string, bytes: Uint8Array, end: number, count: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let before = 0;
  for (let i = 0; i <= count && bytes.byteLength === 4 * (count + 1); i++) {
    const offset = view.getUint32(4 * i, true);
    if (offset < before || offset > end) throw invalid(`its ${name} overlap`);
    before = offset;
  }
  if (bytes.byteLength !== 4 * (count + 1) || before !== end) throw invalid(`its ${name} do not fit their number`);
}
