import {
  floats,
  type Heap,
  loadTrainingKernels,
  standaloneHeap,
  type TrainingKernels,
  type TrainingTier,
} from '../../src/kernels/index.js';
import type { Random } from '../../src/random.js';
import { TESTED_TIERS } from '../kernels/tiers.js';

export const TIERS: readonly TrainingTier[] = TESTED_TIERS;

export async function kernelsOf(tier: TrainingTier): Promise<TrainingKernels> {
  return loadTrainingKernels(standaloneHeap(), { tier });
}

/** A copy of `values` on the heap, `shift` bytes off its alignment. */
export function place(heap: Heap, values: Float32Array, shift = 0): number {
  const address = heap.malloc(values.byteLength + 64) + shift;
  new Uint8Array(heap.memory.buffer, address, values.byteLength).set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  return address;
}

/** `length` float32 numbers at any address. */
export function read(heap: Heap, address: number, length: number): Float32Array {
  return new Float32Array(heap.memory.buffer.slice(address, address + 4 * length));
}

export function zeros(heap: Heap, length: number, shift = 0): number {
  return place(heap, new Float32Array(length), shift);
}

/** Unit rows [count, dim]; with `spread` below 1 they crowd around one direction, and their similarities near 1. */
export function unitRows(random: Random, count: number, dim: number, spread = 1): Float32Array {
  const centre = Array.from({ length: dim }, () => random.normal());
  const rows = new Float32Array(count * dim);
  for (let i = 0; i < count; i++) {
    const row = centre.map((c) => spread * random.normal() + (1 - spread) * c);
    const length = Math.hypot(...row);
    for (let k = 0; k < dim; k++) rows[i * dim + k] = row[k]! / length;
  }
  return rows;
}

export { floats };
