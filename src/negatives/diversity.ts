import { NearmissError } from '../errors.js';
import { floats, type TrainingKernels } from '../kernels/index.js';

export interface DiversityInput {
  /** Address of float32 [items, perAnchor, dim]. */
  readonly rows: number;
  readonly items: number;
  /** An even number. */
  readonly perAnchor: number;
  readonly dim: number;
  /** Address of float32 [items, perAnchor, dim], to which the term's gradient is added. */
  readonly gradient: number;
  /** Default 1. */
  readonly weight?: number;
}

/**
 * The term that keeps a generator's negatives apart (Wang et al. 2021, section 3.3): minus the mean distance, coordinate
 * by coordinate, of an item's first half of negatives and its second. Returns weight times the term, which a generator
 * minimises together with minus the contrastive loss.
 *
 * @throws NM_SHAPE_MISMATCH for an odd number of negatives
 */
export function diversity(kernels: TrainingKernels, input: DiversityInput): number {
  const { rows, items, perAnchor, dim, gradient, weight = 1 } = input;
  if (perAnchor % 2 !== 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `perAnchor: found ${perAnchor}, allowed: an even number`);
  }
  const half = (perAnchor * dim) / 2;
  const length = items * perAnchor * dim;
  const [values, slopes] = [floats(kernels.heap, rows, length), floats(kernels.heap, gradient, length)];
  const scale = weight / (items * half);
  let total = 0;
  for (let start = 0; start < length; start += 2 * half) {
    for (let k = start; k < start + half; k++) {
      const apart = values[k]! - values[k + half]!;
      total += Math.abs(apart);
      const slope = scale * Math.sign(apart);
      slopes[k] = slopes[k]! - slope;
      slopes[k + half] = slopes[k + half]! + slope;
    }
  }
  return -scale * total;
}
