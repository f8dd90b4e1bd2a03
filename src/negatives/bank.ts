import { NearmissError } from '../errors.js';
import { floats, type Heap } from '../kernels/index.js';
import type { Random } from '../random.js';
import { type Candidates, fillWithUnitRows } from './candidates.js';
import { requireInteger } from './guards.js';

export interface BankOptions {
  /** Items; each has the row of its number, and that number as its instance id. */
  readonly items: number;
  readonly dim: number;
  /** Share of its old row that an item keeps, in [0, 1); 0 replaces it. */
  readonly momentum: number;
  /** The rows' start: random, unit length. */
  readonly random: Random;
}

/** A bank's rows are all that a checkpoint has to keep. */
export interface BankCandidates extends Candidates {
  /** Takes up saved rows [items, dim]. */
  restore(rows: Float32Array): void;
}

/**
 * One row an item (Wu et al. 2018, section 3.1), full from the start. A push moves the rows of the given items towards
 * their new features, row ← norm(momentum·row + (1 - momentum)·feature); of an item given twice the last counts.
 *
 * @throws NM_SHAPE_MISMATCH for items or dim below 1, or an item that has no row; NM_OPTION_INVALID for a momentum
 * outside [0, 1)
 */
export function bankCandidates(heap: Heap, options: BankOptions): BankCandidates {
  const { items, dim, momentum, random } = options;
  requireInteger('items', items, 1);
  requireInteger('dim', dim, 1);
  if (!(momentum >= 0 && momentum < 1)) {
    throw new NearmissError('NM_OPTION_INVALID', `momentum: found ${momentum}, allowed: 0 or more, below 1`);
  }
  const address = heap.malloc(4 * items * dim);
  const all = (): Float32Array => floats(heap, address, items * dim);
  fillWithUnitRows(all(), dim, random);
  return {
    rows: address,
    dim,
    capacity: items,
    filled: items,
    instanceIds: Int32Array.from({ length: items }, (_, item) => item),
    push(rows, instanceIds) {
      const bank = all();
      const features = floats(heap, rows, instanceIds.length * dim);
      const last = new Map<number, number>();
      for (let i = 0; i < instanceIds.length; i++) {
        const item = instanceIds[i]!;
        if (item < 0 || item >= items) {
          throw new NearmissError('NM_SHAPE_MISMATCH', `bank: found item ${item}, allowed: 0 to ${items - 1}`);
        }
        last.set(item, i);
      }
      for (const [item, i] of last) {
        blend(bank.subarray(item * dim, (item + 1) * dim), features.subarray(i * dim, (i + 1) * dim), momentum);
      }
    },
    restore(rows) {
      if (rows.length !== items * dim) {
        const allowed = `${items * dim}, ${items} rows of ${dim}`;
        throw new NearmissError('NM_SHAPE_MISMATCH', `bank: found ${rows.length} numbers, allowed: ${allowed}`);
      }
      all().set(rows);
    },
    release: () => heap.free(address),
  };
}

function blend(row: Float32Array, feature: Float32Array, momentum: number): void {
  let squares = 0;
  for (let k = 0; k < row.length; k++) {
    const value = momentum * row[k]! + (1 - momentum) * feature[k]!;
    row[k] = value;
    squares += value * value;
  }
  // Opposite vectors could cancel out; the row then stays where it is, at length 0 or nearly so.
  const scale = 1 / Math.max(Math.sqrt(squares), 1e-12);
  for (let k = 0; k < row.length; k++) row[k] = row[k]! * scale;
}
