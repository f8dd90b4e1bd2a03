import type { ItemRow } from './items.js';
import { vectorOf } from './items.js';
import { type Metric, normaliseRows } from './vectors.js';

/** An item as PostgreSQL keeps it. */
export interface PostgresRow {
  readonly id: string;
  readonly hash: string | null;
  /** JSON text that jsonb takes. */
  readonly metadata: string;
  /** What is searched: brought to length 1 under cosine. */
  readonly embedding: Float32Array;
  /** The vector as it was given, little-endian, where that is another. */
  readonly vector: Uint8Array | null;
}

export function postgresRow(row: ItemRow, metric: Metric): PostgresRow {
  const given = vectorOf(row.vector);
  const embedding = Float32Array.from(given);
  if (metric === 'cosine') normaliseRows(embedding, embedding.length);
  const same = embedding.every((value, i) => Object.is(value, given[i]));
  const { id, hash, metadata } = row;
  return { id, hash, metadata: escapeJson(metadata), embedding, vector: same ? null : row.vector };
}

/**
 * jsonb cannot hold U+0000. It becomes U+0001 U+0030 and U+0001 becomes U+0001 U+0031, which keeps strings apart and in
 * order; `unescapeValue` takes it back.
 */
export function escapeText(text: string): string {
  return text.replaceAll('\u0001', '\u00011').replaceAll('\0', '\u00010');
}

/** The same within JSON text, where both characters are written as escapes. */
function escapeJson(json: string): string {
  if (!json.includes('\\u000')) return json;
  // An escape begins at a backslash that no other escapes: match pairs from the left.
  return json.replace(/\\(?:u0000|u0001|.)/g, (pair) =>
    pair === '\\u0000' ? '\\u00010' : pair === '\\u0001' ? '\\u00011' : pair,
  );
}

function unescapeText(text: string): string {
  return text.includes('\u0001') ? text.replaceAll('\u00010', '\0').replaceAll('\u00011', '\u0001') : text;
}

/** Takes `escapeText` back in all strings and keys of a JSON value. */
export function unescapeValue<Value>(value: Value): Value {
  if (typeof value === 'string') return unescapeText(value) as Value;
  if (Array.isArray(value)) return value.map(unescapeValue) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [unescapeText(key), unescapeValue(member)]),
  ) as Value;
}

/** A vector in pgvector's text form. */
export function vectorText(vector: Float32Array): string {
  return `[${vector.join(',')}]`;
}

/** The vector of pgvector's binary form: dimension (16 bits), 16 bits unused, big-endian float32. */
export function vectorFromBinary(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vector = new Float32Array(view.getInt16(0));
  for (let i = 0; i < vector.length; i++) vector[i] = view.getFloat32(4 + 4 * i);
  return vector;
}

/** "PGCOPY\n\xff\r\n\0", no flags, no extension. */
export const COPY_HEADER: Buffer = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
export const COPY_TRAILER: Buffer = Buffer.of(0xff, 0xff);

/** A row of the binary COPY format: place, id, hash, metadata, embedding, vector. */
export function copyRow(place: number, row: PostgresRow): Buffer {
  const id = Buffer.from(row.id);
  const hash = row.hash === null ? null : Buffer.from(row.hash);
  const metadata = Buffer.from(row.metadata);
  const dimension = row.embedding.length;
  const size =
    2 +
    6 * 4 +
    4 +
    id.length +
    (hash?.length ?? 0) +
    1 +
    metadata.length +
    4 +
    4 * dimension +
    (row.vector?.length ?? 0);
  const out = Buffer.alloc(size);
  let at = out.writeInt16BE(6, 0);
  const field = (length: number): void => {
    at = out.writeInt32BE(length, at);
  };
  const bytes = (data: Uint8Array | null): void => {
    field(data === null ? -1 : data.length);
    if (data === null) return;
    out.set(data, at);
    at += data.length;
  };
  field(4);
  at = out.writeInt32BE(place, at);
  bytes(id);
  bytes(hash);
  field(1 + metadata.length);
  at = out.writeUInt8(1, at); // version of jsonb's binary form
  out.set(metadata, at);
  at += metadata.length;
  field(4 + 4 * dimension);
  at = out.writeInt16BE(dimension, at);
  at = out.writeInt16BE(0, at);
  for (const value of row.embedding) at = out.writeFloatBE(value, at);
  bytes(row.vector);
  return out;
}
