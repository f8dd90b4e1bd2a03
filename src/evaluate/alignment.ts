import { NearmissError } from '../errors.js';
import { rowCount } from './similarity.js';

/**
 * Alignment (Wang and Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity
 * on the Hypersphere", equation 7): the mean over positive pairs of |a - b|^α. 0 is perfect; two unrelated unit rows
 * give 2 at α 2.
 *
 * @param a one view of each item [items, width], unit length
 * @param b the other view
 * @throws `NM_SHAPE_MISMATCH`
 */
export function alignment(a: Float32Array, b: Float32Array, width: number, alpha = 2): number {
  const count = rowCount(a, width, 'a');
  if (b.length !== a.length || count === 0) {
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `b: found ${b.length} numbers, allowed: ${a.length}, at least one row`,
    );
  }
  let sum = 0;
  for (let row = 0; row < count; row++) sum += squaredDistance(a, row, b, row, width) ** (alpha / 2);
  return sum / count;
}

/**
 * Uniformity (the same paper, equation 8): log of the mean over all pairs of different rows of e^(-t |x - y|²). The lower the
 * more evenly the rows cover the sphere; 0 is the worst, all rows equal; about -2t the best in many dimensions.
 *
 * @param rows [count, width], unit length, two rows at least. Cost: count² / 2 distances
 * @throws `NM_SHAPE_MISMATCH`
 */
export function uniformity(rows: Float32Array, width: number, t = 2): number {
  const count = rowCount(rows, width, 'rows');
  if (count < 2) throw new NearmissError('NM_SHAPE_MISMATCH', `rows: found ${count}, allowed: at least 2`);
  let sum = 0;
  for (let i = 1; i < count; i++) {
    for (let j = 0; j < i; j++) sum += Math.exp(-t * squaredDistance(rows, i, rows, j, width));
  }
  return Math.log((2 * sum) / (count * (count - 1)));
}

function squaredDistance(a: Float32Array, rowA: number, b: Float32Array, rowB: number, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += (a[rowA * width + i]! - b[rowB * width + i]!) ** 2;
  return sum;
}
