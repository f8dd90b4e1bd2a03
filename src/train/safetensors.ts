import { NearmissError } from '../errors.js';

/**
 * safetensors, the subset that checkpoints need: an 8-byte little-endian header length, a JSON header, then the bytes.
 * Files open in Python with `safetensors.numpy.load_file`. Format: huggingface/safetensors, README "Format".
 */
export interface TensorFile {
  /** float32 tensors, row-major. */
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;
  /** int32 tensors, row-major. */
  readonly integers?: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Int32Array }>>;
  /** Free text by key (`__metadata__`). */
  readonly metadata: Readonly<Record<string, string>>;
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const MAX_HEADER_BYTES = 100_000_000;

/** The bytes of a safetensors file; tensors lie in the order given, 8-byte aligned as the format asks. */
export function encodeSafetensors(file: TensorFile): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: file.metadata };
  let offset = 0;
  const all = { ...file.tensors, ...file.integers };
  for (const [name, tensor] of Object.entries(all)) {
    const length = tensor.data.byteLength;
    header[name] = {
      dtype: tensor.data instanceof Int32Array ? 'I32' : 'F32',
      shape: tensor.shape,
      data_offsets: [offset, offset + length],
    };
    offset += length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.fill(0x20, 8, 8 + padded);
  bytes.set(json, 8);
  let at = 8 + padded;
  for (const tensor of Object.values(all)) {
    bytes.set(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength), at);
    at += tensor.data.byteLength;
  }
  return bytes;
}

function corrupt(name: string, found: string): NearmissError {
  return new NearmissError('NM_CHECKPOINT_CORRUPT', `${name}: ${found}`);
}

function parseHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8) throw corrupt(name, `found ${bytes.length} bytes, a safetensors file has at least 8`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || 8 + length > bytes.length) {
    throw corrupt(name, `found a header of ${length} bytes in a file of ${bytes.length}`);
  }
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
    if (typeof header !== 'object' || header === null || Array.isArray(header)) throw new Error('not an object');
    return { header: header as Record<string, unknown>, start: 8 + length };
  } catch (cause) {
    throw new NearmissError('NM_CHECKPOINT_CORRUPT', `${name}: the header is not JSON`, { cause });
  }
}

function isEntry(value: unknown): value is HeaderEntry {
  const entry = value as Partial<HeaderEntry> | null;
  const whole = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
  return (
    typeof entry === 'object' &&
    entry !== null &&
    typeof entry.dtype === 'string' &&
    Array.isArray(entry.shape) &&
    entry.shape.every(whole) &&
    Array.isArray(entry.data_offsets) &&
    entry.data_offsets.length === 2 &&
    entry.data_offsets.every(whole)
  );
}

/** Reads a file back; truncated, altered or foreign files are `NM_CHECKPOINT_CORRUPT`. `name` is used in messages. */
export function decodeSafetensors(bytes: Uint8Array, name: string): TensorFile {
  const { header, start } = parseHeader(bytes, name);
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  const integers: Record<string, { shape: readonly number[]; data: Int32Array }> = {};
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') {
      for (const [field, text] of Object.entries(value as Record<string, unknown>)) metadata[field] = String(text);
      continue;
    }
    if (!isEntry(value)) throw corrupt(name, `tensor '${key}' has no valid entry`);
    if (value.dtype !== 'F32' && value.dtype !== 'I32') {
      throw corrupt(name, `tensor '${key}' has type ${value.dtype}, allowed: F32, I32`);
    }
    const [from, to] = value.data_offsets;
    const count = value.shape.reduce((product, length) => product * length, 1);
    if (to - from !== 4 * count || start + to > bytes.length) {
      throw corrupt(name, `tensor '${key}' of shape [${value.shape}] lies at ${from} to ${to}, the file is too short`);
    }
    // A copy: the bytes of a file are not aligned.
    const { buffer } = Uint8Array.from(bytes.subarray(start + from, start + to));
    if (value.dtype === 'F32') tensors[key] = { shape: value.shape, data: new Float32Array(buffer) };
    else integers[key] = { shape: value.shape, data: new Int32Array(buffer) };
  }
  return { tensors, ...(Object.keys(integers).length > 0 ? { integers } : {}), metadata };
}
