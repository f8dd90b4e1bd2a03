import { NearmissError } from '../errors.js';
import { permutation, randomStream } from '../random.js';

const PURPOSE_LABELS = 0x1b;

/**
 * Rows that keep their labels when only a share of all labels is used, the same share of every class and at least one
 * row of each (Chen et al. 2020, section 5: 1% and 10%, sampled in a class-balanced way). The same seed gives the
 * same rows, and a larger share holds the rows of a smaller one.
 *
 * @param share in (0, 1]
 * @returns ascending rows
 * @throws `NM_OPTION_INVALID`
 */
export function labelledRows(labels: ArrayLike<number>, share: number, seed = 0): Int32Array {
  if (!(share > 0 && share <= 1)) {
    throw new NearmissError('NM_OPTION_INVALID', `share of labels: found ${share}, allowed: above 0, up to 1`);
  }
  const byClass = new Map<number, number[]>();
  for (let row = 0; row < labels.length; row++) {
    const rows = byClass.get(labels[row]!);
    if (rows) rows.push(row);
    else byClass.set(labels[row]!, [row]);
  }
  const kept: number[] = [];
  for (const [label, rows] of byClass) {
    const order = permutation(rows.length, randomStream(seed, PURPOSE_LABELS, label));
    const taken = Math.max(1, Math.round(share * rows.length));
    for (let i = 0; i < taken; i++) kept.push(rows[order[i]!]!);
  }
  return Int32Array.from(kept).sort();
}
