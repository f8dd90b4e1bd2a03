import { NearmissError } from '../errors.js';
import { checkRows, isFloat32Array, type Metric } from './vectors.js';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** What a store keeps: a vector under a name, with what belongs to it. */
export interface Item {
  /** 1 … 1,024 bytes of UTF-8 without NUL; compared byte by byte, never normalised. */
  readonly id: string;
  /** Float32 [dimension], finite. */
  readonly vector: Float32Array;
  /** A JSON object of at most 64 KiB; default `{}`. */
  readonly metadata?: JsonObject;
  /** Hash of what was embedded, at most 128 bytes, for incremental indexing. */
  readonly hash?: string;
}

/** An item as its row in a store's file. */
export interface ItemRow {
  readonly id: string;
  readonly hash: string | null;
  readonly metadata: string;
  readonly vector: Uint8Array;
}

export const MAX_ID_BYTES = 1024;
export const MAX_METADATA_BYTES: number = 64 * 1024;
const MAX_HASH_BYTES = 128;
const MAX_DEPTH = 32;
const ITEM_KEYS = new Set(['id', 'vector', 'metadata', 'hash']);
const encoder = new TextEncoder();

/** What is wrong with a string that is to be stored and read back unchanged, if anything. */
function textProblem(value: unknown, maxBytes: number): string | undefined {
  if (typeof value !== 'string') return `found ${value === null ? 'null' : typeof value}, allowed: a string`;
  // SQLite reads a string up to its first NUL, and UTF-8 has no lone surrogates: both would come back changed.
  if (value.includes('\0')) return 'found a NUL character, allowed: text without NUL';
  if (!isWellFormed(value)) return 'found a lone surrogate, allowed: well-formed Unicode';
  const bytes = value.length * 3 <= maxBytes ? value.length : encoder.encode(value).length;
  if (bytes > maxBytes) return `found ${bytes} bytes, allowed: at most ${maxBytes} bytes of UTF-8`;
  return undefined;
}

function isWellFormed(value: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value);
}

/** What of a value JSON could not give back as it is, with its path; undefined if nothing. */
function jsonProblem(value: unknown, path: string, depth: number): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'string') return isWellFormed(value) ? undefined : `${path} has a lone surrogate`;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} is ${value}`;
  if (typeof value !== 'object')
    return `${path} is ${typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`}`;
  if (depth === MAX_DEPTH) return `${path} is nested more than ${MAX_DEPTH} deep, or refers to itself`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = jsonProblem(value[i], `${path}[${i}]`, depth + 1);
      if (problem) return problem;
    }
    return undefined;
  }
  if (Object.prototype.toString.call(value) !== '[object Object]' || 'toJSON' in value) {
    return `${path} is not a plain object`;
  }
  for (const [key, member] of Object.entries(value)) {
    if (!isWellFormed(key)) return `a key of ${path} has a lone surrogate`;
    const problem = jsonProblem(member, `${path}.${key}`, depth + 1);
    if (problem) return problem;
  }
  return undefined;
}

function metadataText(metadata: unknown, name: string): string {
  if (metadata === undefined) return '{}';
  const invalid = (problem: string): NearmissError =>
    new NearmissError('NM_ITEM_INVALID', `${name}: metadata: ${problem}, allowed: a JSON object`);
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw invalid(`found ${metadata === null ? 'null' : Array.isArray(metadata) ? 'an array' : typeof metadata}`);
  }
  const problem = jsonProblem(metadata, 'metadata', 0);
  if (problem) throw invalid(problem);
  const text = JSON.stringify(metadata);
  const bytes = encoder.encode(text).length;
  if (bytes > MAX_METADATA_BYTES) {
    throw new NearmissError(
      'NM_ITEM_INVALID',
      `${name}: metadata: found ${bytes} bytes of JSON, allowed: at most ${MAX_METADATA_BYTES}`,
    );
  }
  return text;
}

/** Throws `NM_ITEM_INVALID` unless `id` can name an item. */
export function checkId(id: unknown, name: string): asserts id is string {
  const problem = id === '' ? 'found an empty string, allowed: at least one character' : textProblem(id, MAX_ID_BYTES);
  if (problem) throw new NearmissError('NM_ITEM_INVALID', `${name}: id: ${problem}`);
}

/**
 * Checks a batch of items and turns them into rows, before anything is written.
 *
 * @throws `NM_ITEM_INVALID`, `NM_ITEM_DUPLICATE`, `NM_SHAPE_MISMATCH`, `NM_VECTOR_INVALID`, each naming the item
 */
export function itemRows(items: readonly Item[], dimension: number, metric: Metric): ItemRow[] {
  const places = new Map<string, number>();
  return items.map((item, i) => {
    checkId(item.id, `item ${i}`);
    const name = `item ${i} (${JSON.stringify(item.id.slice(0, 80))})`;
    for (const key of Object.keys(item)) {
      if (ITEM_KEYS.has(key)) continue;
      throw new NearmissError(
        'NM_ITEM_INVALID',
        `${name}: found a field ${JSON.stringify(key)}, allowed: ${[...ITEM_KEYS].join(', ')}`,
      );
    }
    const before = places.get(item.id);
    if (before !== undefined) {
      throw new NearmissError('NM_ITEM_DUPLICATE', `${name}: found the id of item ${before}, allowed: each id once`);
    }
    places.set(item.id, i);
    const { vector, hash } = item;
    if (!isFloat32Array(vector)) {
      throw new NearmissError('NM_VECTOR_INVALID', `${name}: vector: allowed: a Float32Array`);
    }
    if (vector.length !== dimension) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `${name}: vector: found ${vector.length} dimensions, allowed: ${dimension}`,
      );
    }
    checkRows(vector, dimension, metric, () => `${name}: vector`);
    const problem = hash === undefined ? undefined : textProblem(hash, MAX_HASH_BYTES);
    if (problem) throw new NearmissError('NM_ITEM_INVALID', `${name}: hash: ${problem}`);
    return {
      id: item.id,
      hash: hash ?? null,
      metadata: metadataText(item.metadata, name),
      vector: vectorBytes(vector),
    };
  });
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A vector as little-endian float32 bytes (the same memory on little-endian machines). */
function vectorBytes(vector: Float32Array): Uint8Array {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return littleEndian ? bytes : swapped(bytes);
}

/** The vector of little-endian float32 bytes; it may share their memory. libsql hands blobs out as either type. */
export function vectorOf(blob: ArrayBuffer | Uint8Array): Float32Array {
  const bytes = ArrayBuffer.isView(blob) ? blob : new Uint8Array(blob);
  if (!littleEndian) return new Float32Array(swapped(bytes).buffer);
  const { buffer, byteOffset, byteLength } = byteAligned(bytes);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

function byteAligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
}

function swapped(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) result[i] = bytes[i ^ 3]!;
  return result;
}
