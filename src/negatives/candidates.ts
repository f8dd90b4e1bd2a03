import { NearmissError } from '../errors.js';
import { floats, type Heap } from '../kernels/index.js';
import type { Random } from '../random.js';
import { requireInteger } from './guards.js';

/**
 * Where an anchor's negatives come from. The training loop pushes to it, the checkpoint saves it, and the loss takes
 * the first `filled` rows without asking what it is.
 */
export interface Candidates {
  /** Address of float32 [capacity, dim], unit length. */
  readonly rows: number;
  readonly dim: number;
  readonly capacity: number;
  /** Rows in use: the first ones. */
  readonly filled: number;
  /** The item each row shows [capacity]; a candidate with the anchor's own id is never its negative. */
  readonly instanceIds: Int32Array;
  /** Takes rows float32 [count, dim] at an address, and the ids of their items [count]. */
  push(rows: number, instanceIds: Int32Array): void;
  /** Frees the rows. */
  release(): void;
}

/** Id of a row that shows no item: it is a candidate for every anchor. */
export const NO_INSTANCE = -1;

export interface QueueOptions {
  readonly capacity: number;
  readonly dim: number;
  /** Starts full, with random unit rows that show no item (`NO_INSTANCE`); default: starts empty. */
  readonly random?: Random;
}

/** A queue's place in its ring buffer, beside its rows and ids all that a checkpoint has to keep. */
export interface QueueCandidates extends Candidates {
  /** Where the next row goes. */
  readonly next: number;
  /** Takes up a saved state: rows [filled, dim], their ids, and the place of the next row. */
  restore(rows: Float32Array, instanceIds: Int32Array, next: number): void;
}

/**
 * First in, first out (He et al. 2020, "Momentum Contrast", section 3.2): the oldest rows are overwritten, wrapping
 * around at any capacity. A push larger than the queue keeps its last rows.
 *
 * @throws NM_SHAPE_MISMATCH for a capacity or dim below 1
 */
export function queueCandidates(heap: Heap, options: QueueOptions): QueueCandidates {
  const { capacity, dim, random } = options;
  requireInteger('capacity', capacity, 1);
  requireInteger('dim', dim, 1);
  const address = heap.malloc(4 * capacity * dim);
  const ids = new Int32Array(capacity).fill(NO_INSTANCE);
  let filled = 0;
  let next = 0;
  const all = (): Float32Array => floats(heap, address, capacity * dim);
  if (random) {
    fillWithUnitRows(all(), dim, random);
    filled = capacity;
  }
  return {
    rows: address,
    dim,
    capacity,
    instanceIds: ids,
    get filled() {
      return filled;
    },
    get next() {
      return next;
    },
    push(rows, instanceIds) {
      const count = instanceIds.length;
      const target = all();
      const source = floats(heap, rows, count * dim);
      for (let i = Math.max(0, count - capacity); i < count; i++) {
        target.set(source.subarray(i * dim, (i + 1) * dim), next * dim);
        ids[next] = instanceIds[i]!;
        next = (next + 1) % capacity;
        filled = Math.min(capacity, filled + 1);
      }
    },
    restore(rows, instanceIds, place) {
      const count = instanceIds.length;
      if (count > capacity || rows.length !== count * dim) {
        throw new NearmissError(
          'NM_SHAPE_MISMATCH',
          `queue: found ${count} ids and ${rows.length} numbers, allowed: up to ${capacity} ids, ${dim} numbers each`,
        );
      }
      if (!Number.isInteger(place) || place < 0 || place >= capacity || (count < capacity && place !== count)) {
        throw new NearmissError('NM_SHAPE_MISMATCH', `queue: found next place ${place} of ${count} rows filled`);
      }
      all().set(rows);
      ids.fill(NO_INSTANCE);
      ids.set(instanceIds);
      filled = count;
      next = place;
    },
    release: () => heap.free(address),
  };
}

/** Fills rows of `dim` numbers with random directions. */
export function fillWithUnitRows(rows: Float32Array, dim: number, random: Random): void {
  for (let start = 0; start < rows.length; start += dim) {
    let squares = 0;
    for (let k = 0; k < dim; k++) {
      const value = random.normal();
      rows[start + k] = value;
      squares += value * value;
    }
    const scale = 1 / Math.sqrt(squares);
    for (let k = 0; k < dim; k++) rows[start + k] = rows[start + k]! * scale;
  }
}

/** The rows of one batch as candidates: a push replaces them all, and only then are they in use. */
export function batchCandidates(heap: Heap, options: { readonly capacity: number; readonly dim: number }): Candidates {
  const { capacity, dim } = options;
  requireInteger('capacity', capacity, 1);
  requireInteger('dim', dim, 1);
  const address = heap.malloc(4 * capacity * dim);
  const ids = new Int32Array(capacity).fill(NO_INSTANCE);
  let filled = 0;
  return {
    rows: address,
    dim,
    capacity,
    instanceIds: ids,
    get filled() {
      return filled;
    },
    push(rows, instanceIds) {
      const count = instanceIds.length;
      if (count > capacity) {
        throw new NearmissError('NM_SHAPE_MISMATCH', `batch: found ${count} rows, allowed: up to ${capacity}`);
      }
      floats(heap, address, count * dim).set(floats(heap, rows, count * dim));
      ids.fill(NO_INSTANCE);
      ids.set(instanceIds);
      filled = count;
    },
    release: () => heap.free(address),
  };
}
