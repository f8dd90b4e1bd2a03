import { rotationShape } from '../kernels/retrieval-layout.js';
import { randomStream } from '../random.js';
import type { Segments } from './segments.js';

/** The random rotation of an engine (assembly/rotate.ts), in its memory. */
export interface Rotation {
  readonly block: number;
  readonly rounds: number;
  /** Address of the signs, f32 [rounds, block]. */
  readonly signs: number;
  /** Address of a scratch vector, f32 [dimension]. */
  readonly scratch: number;
}

/** Names the stream of the signs apart from other uses of a seed. */
const PURPOSE = 0x726f74;

/** Makes the rotation that a seed names. */
export function createRotation(segments: Segments, seed: number): Rotation {
  const { dimension } = segments.shape;
  const { block, rounds } = rotationShape(dimension);
  const signs = segments.take(rounds * block * 4);
  const scratch = segments.take(dimension * 4);
  new Float32Array(segments.memory, signs, rounds * block).set(rotationSigns(dimension, seed));
  return { block, rounds, signs, scratch };
}

/** The signs of the rotation that a seed names, each ±1 / √block, [rounds, block]. */
export function rotationSigns(dimension: number, seed: number): Float32Array {
  const { block, rounds } = rotationShape(dimension);
  const random = randomStream(seed, PURPOSE, dimension);
  const unit = 1 / Math.sqrt(block);
  return Float32Array.from({ length: rounds * block }, () => (random.uint32() & 0x80000000 ? -unit : unit));
}
