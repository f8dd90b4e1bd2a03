import { NearmissError } from '../errors.js';
import { decodeModel, encodeModel, type ModelProto } from './model.js';
import { sha256 } from './sha256.js';

/** Key of the metadata entry that ends a sealed file: SHA-256 of all bytes before the entry, hex. */
export const SEAL_KEY = 'nearmiss.sha256';

/** SHA-256 of a model file, hex: which model made an embedding. */
export function fingerprint(bytes: Uint8Array): string {
  return sha256(bytes);
}

function sealEntry(hash: string): Uint8Array {
  return encodeModel({ opsetImport: [], metadataProps: [{ key: SEAL_KEY, value: hash }] });
}

/**
 * The bytes of an .onnx file that ends with its own checksum, so that a damaged weight is found, which ONNX itself
 * cannot tell from a sound one. Messages may be concatenated in protocol buffers, so the entry is simply appended.
 */
export function encodeSealedModel(model: ModelProto): Uint8Array<ArrayBuffer> {
  const metadataProps = model.metadataProps.filter((entry) => entry.key !== SEAL_KEY);
  const body = encodeModel({ ...model, metadataProps });
  const entry = sealEntry(fingerprint(body));
  const bytes = new Uint8Array(body.length + entry.length);
  bytes.set(body);
  bytes.set(entry, body.length);
  return bytes;
}

/** Reads a sealed file; `NM_MODEL_CORRUPT` where a byte is missing, added or changed. `name` is used in messages. */
export function decodeSealedModel(bytes: Uint8Array, name = 'model'): ModelProto {
  const model = decodeModel(bytes, name);
  verifySeal(model, bytes, name);
  return model;
}

/** Throws `NM_MODEL_CORRUPT` unless `bytes`, which `model` was decoded from, end with the checksum of the rest. */
export function verifySeal(model: ModelProto, bytes: Uint8Array, name: string): void {
  const seal = model.metadataProps.at(-1);
  if (seal?.key !== SEAL_KEY) {
    const found = `the checksum at its end (metadata entry '${SEAL_KEY}') is missing`;
    throw new NearmissError('NM_MODEL_CORRUPT', `${name}: ${found}`);
  }
  const end = bytes.length - sealEntry(seal.value ?? '').length;
  const computed = fingerprint(bytes.subarray(0, Math.max(0, end)));
  if (seal.value !== computed) {
    const found = `the checksum recorded in it is ${seal.value}, its content gives ${computed}`;
    throw new NearmissError('NM_MODEL_CORRUPT', `${name}: ${found}: it was altered after it was written`);
  }
}
