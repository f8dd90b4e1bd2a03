import { NearmissError } from '../errors.js';
import { type ModelCard, readCard } from './card.js';
import { createEmbedder } from './embedder.js';
import { type EncoderExport, encoderToOnnx } from './export.js';
import { writeModel } from './file.js';
import { type QuantisationOptions, quantiseModel } from './quantise.js';
import { fingerprint } from './seal.js';

export interface ModelExport extends EncoderExport {
  /** Path of the .onnx file; a file that is there is replaced only once the new one is whole. */
  readonly out: string;
  readonly verify: Verification;
  /** Writes an int8 model instead of the float32 one, which is verified all the same. */
  readonly quantise?: QuantisationOptions;
}

/** Pictures and what the trainer's own forward pass makes of them. */
export interface Verification {
  /** uint8 [count, size, size, 3], at least one picture. */
  readonly pictures: Uint8Array;
  /** float32 [count, dim], unit length. */
  readonly expected: Float32Array;
  /** Largest difference allowed in any number of an embedding; 1e-4 by default. */
  readonly tolerance?: number;
}

export interface ExportedModel {
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Size of the float32 model. */
  readonly float32Bytes: number;
  /** SHA-256 of the file, hex. */
  readonly fingerprint: string;
  /** Largest difference of the float32 model from the trainer's forward pass over all pictures. */
  readonly largestDifference: number;
  readonly card: ModelCard;
}

/** The largest difference of two lists, NaN if there is a NaN in either, and where it is. */
function largestDifference(found: Float32Array, expected: Float32Array): { difference: number; at: number } {
  let largest = { difference: 0, at: 0 };
  for (let at = 0; at < expected.length; at++) {
    const difference = Math.abs(found[at]! - expected[at]!);
    if (Number.isNaN(difference)) return { difference, at };
    if (difference > largest.difference) largest = { difference, at };
  }
  return largest;
}

/**
 * Exports an encoder as an .onnx file, but only if onnxruntime-node computes from the finished bytes what the trainer
 * computed, on the pictures given; otherwise `NM_EXPORT_DISAGREES` with the largest difference, and no file is written
 * or changed. An int8 model is made of the float32 one that passed. Other errors are those of `encoderToOnnx`,
 * `createEmbedder` and `quantiseModel`, and `NM_OPTION_INVALID` where `out` cannot be written.
 */
export async function exportModel(request: ModelExport): Promise<ExportedModel> {
  const { out, verify, quantise } = request;
  const float32 = encoderToOnnx(request);
  const largestDifference = await differenceFromTrainer(float32, verify, out);
  const bytes = quantise ? await quantiseModel(float32, { name: out, ...quantise }) : float32;
  await writeModel(out, bytes);
  return {
    path: out,
    bytes: bytes.length,
    float32Bytes: float32.length,
    fingerprint: fingerprint(bytes),
    largestDifference,
    card: readCard(bytes, out),
  };
}

/** The largest difference of a model from the trainer; `NM_EXPORT_DISAGREES` where it is not within the tolerance. */
async function differenceFromTrainer(bytes: Uint8Array, verify: Verification, name: string): Promise<number> {
  const tolerance = verify.tolerance ?? 1e-4;
  if (!(tolerance >= 0)) {
    throw new NearmissError('NM_OPTION_INVALID', `verify.tolerance: found ${tolerance}, allowed: a number from 0`);
  }
  const embedder = await createEmbedder(bytes, { name });
  try {
    const { dim } = embedder;
    const found = await embedder.embed(verify.pictures);
    if (found.length === 0) {
      throw new NearmissError('NM_SHAPE_MISMATCH', 'verify.pictures: found no picture, needed: at least one');
    }
    if (verify.expected.length !== found.length) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `verify.expected: found ${verify.expected.length} numbers, allowed: ${found.length / dim} x ${dim}`,
      );
    }
    const { difference, at } = largestDifference(found, verify.expected);
    if (difference <= tolerance) return difference;
    throw new NearmissError(
      'NM_EXPORT_DISAGREES',
      `${name}: onnxruntime and the trainer differ by ${difference} in picture ${Math.floor(at / dim)}, number ` +
        `${at % dim} (found ${found[at]}, expected ${verify.expected[at]}), allowed: ${tolerance}`,
    );
  } finally {
    await embedder.close();
  }
}
