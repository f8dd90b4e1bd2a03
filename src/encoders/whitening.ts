import { NearmissError } from '../errors.js';
import type { Whitening } from './readout.js';
import { leadingEigenpairs } from './symmetric-eigen.js';

export interface WhiteningOptions {
  /** Numbers in a row of features, d. */
  readonly width: number;
  /** Dimensions to keep, k; fewer are kept where the features have a lower rank. */
  readonly dimensions: number;
  /** Share of the within-pair covariance that is replaced by its mean diagonal, in (0, 1]. Default 0.1. */
  readonly shrinkage?: number;
  /**
   * Subtract each view's own mean before fitting, for sources that are told apart later too (`meanA`, `meanB`). Default
   * false: one mean for both, as an exported encoder has, and the difference between the sources is within-pair noise.
   */
  readonly separateMeans?: boolean;
}

/** A whitening with the means [d] of either view's features. `mean` is their average. */
export interface FittedWhitening extends Whitening {
  readonly meanA: Float32Array;
  readonly meanB: Float32Array;
}

/** Directions with less than this share of the largest variance are numerical noise. */
const RANK_TOLERANCE = 1e-10;

/** Rows whose products are summed at a time: their float64 copies stay in the cache. */
const BLOCK_ROWS = 128;

/**
 * Fits a whitening on two views of the same items: the k principal components of all views, turned and scaled so that
 * the covariance within pairs, (a - b)/√2 over the items, is the identity. Cosine then compares items in units of how
 * much views of one item differ (within-class covariance normalisation, Hatch et al. 2006; the linear baseline of pairs).
 * Deterministic. Without any difference within pairs the principal components are left as they are.
 *
 * Cost: 2 n d² + 4 d³ or so operations in float64, with d replaced by 2n where features are wider than there are views.
 *
 * @param a features of view A [items, width]
 * @param b features of view B of the same items
 * @throws `NM_SHAPE_MISMATCH`; `NM_OPTION_INVALID`; `NM_ENCODER_COLLAPSED` where all features are equal or one is not
 *   finite
 */
export function fitWhitening(a: Float32Array, b: Float32Array, options: WhiteningOptions): FittedWhitening {
  const { width, shrinkage = 0.1, separateMeans = false } = options;
  checkInput(a, b, options, shrinkage);
  const items = a.length / width;
  const meanA = columnMeans(a, width);
  const meanB = columnMeans(b, width);
  const mean = meanA.map((value, i) => (value + meanB[i]!) / 2);
  const readA = centredRows(a, separateMeans ? meanA : mean);
  const readB = centredRows(b, separateMeans ? meanB : mean);
  const read: RowReader = (row, into) => (row < items ? readA(row, into) : readB(row - items, into));

  const axes = principalAxes(read, 2 * items, width, options.dimensions);
  const dimensions = axes.length / width;
  const within = crossProducts(differencesAlong(axes, readA, readB, width), items, dimensions);
  for (let i = 0; i < within.length; i++) within[i]! /= 2 * items;
  const matrix = whitenedAxes(axes, width, shrunkCholesky(within, dimensions, shrinkage), dimensions);
  return {
    mean: Float32Array.from(mean),
    matrix,
    dimensions,
    meanA: Float32Array.from(meanA),
    meanB: Float32Array.from(meanB),
  };
}

function checkInput(a: Float32Array, b: Float32Array, options: WhiteningOptions, shrinkage: number): void {
  const { width, dimensions } = options;
  if (a.length !== b.length || a.length === 0 || a.length % width !== 0) {
    const found = `${a.length} and ${b.length} numbers`;
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `whitening: found ${found}, allowed: as many rows of ${width} in both`,
    );
  }
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > width) {
    throw new NearmissError('NM_OPTION_INVALID', `whiten: found ${dimensions}, allowed: an integer from 1 to ${width}`);
  }
  if (!(shrinkage > 0 && shrinkage <= 1)) {
    throw new NearmissError('NM_OPTION_INVALID', `shrinkage: found ${shrinkage}, allowed: above 0, up to 1`);
  }
  if (!(a.every(Number.isFinite) && b.every(Number.isFinite))) {
    throw new NearmissError('NM_ENCODER_COLLAPSED', 'whitening: found features that are not finite numbers');
  }
}

function columnMeans(rows: Float32Array, width: number): Float64Array {
  const means = new Float64Array(width);
  for (let at = 0; at < rows.length; at += width) for (let i = 0; i < width; i++) means[i]! += rows[at + i]!;
  return means.map((sum) => (sum * width) / rows.length);
}

/** Writes a row as float64, so that no second copy of all features is needed. */
type RowReader = (row: number, into: Float64Array) => void;

function centredRows(rows: Float32Array, mean: Float64Array): RowReader {
  const width = mean.length;
  return (row, into) => {
    const at = row * width;
    for (let i = 0; i < width; i++) into[i] = rows[at + i]! - mean[i]!;
  };
}

/** Rows of a - b in the coordinates of the axes. */
function differencesAlong(axes: Float64Array, readA: RowReader, readB: RowReader, width: number): RowReader {
  const rowA = new Float64Array(width);
  const rowB = new Float64Array(width);
  return (row, into) => {
    readA(row, rowA);
    readB(row, rowB);
    for (let i = 0; i < width; i++) rowA[i]! -= rowB[i]!;
    for (let axis = 0; axis < into.length; axis++) {
      const at = axis * width;
      let sum = 0;
      for (let i = 0; i < width; i++) sum += rowA[i]! * axes[at + i]!;
      into[axis] = sum;
    }
  };
}

/** The leading principal axes of centred rows [count, width], as unit rows [at most `limit`, width]. */
function principalAxes(read: RowReader, count: number, width: number, limit: number): Float64Array {
  const narrow = width <= count;
  const size = narrow ? width : count;
  const rows = narrow ? undefined : allRows(read, count, width);
  const products = new Float64Array(size * size);
  if (rows) addInnerProducts(products, rows, count, width, width);
  else products.set(crossProducts(read, count, width));
  const { values, vectors } = leadingEigenpairs(products, size, Math.min(limit, size));
  const largest = values[0]!;
  const rank = values.findLastIndex((value) => value > largest * RANK_TOLERANCE) + 1;
  if (!(largest > 0)) {
    throw new NearmissError('NM_ENCODER_COLLAPSED', 'whitening: found the same features for all pictures');
  }
  if (!rows) return vectors.slice(0, rank * width);
  // Eigenvectors u of X Xᵀ are those of Xᵀ X as Xᵀ u / √λ.
  const axes = new Float64Array(rank * width);
  for (let axis = 0; axis < rank; axis++) {
    const target = axes.subarray(axis * width, (axis + 1) * width);
    for (let row = 0; row < count; row++) {
      const factor = vectors[axis * size + row]! / Math.sqrt(values[axis]!);
      for (let i = 0; i < width; i++) target[i]! += factor * rows[row * width + i]!;
    }
  }
  return axes;
}

function allRows(read: RowReader, count: number, width: number): Float64Array {
  const rows = new Float64Array(count * width);
  for (let row = 0; row < count; row++) read(row, rows.subarray(row * width, (row + 1) * width));
  return rows;
}

/** Xᵀ X [width, width] of rows [count, width], a block of rows at a time. */
function crossProducts(read: RowReader, count: number, width: number): Float64Array {
  const products = new Float64Array(width * width);
  const row = new Float64Array(width);
  const turned = new Float64Array(width * BLOCK_ROWS);
  for (let first = 0; first < count; first += BLOCK_ROWS) {
    const block = Math.min(BLOCK_ROWS, count - first);
    for (let n = 0; n < block; n++) {
      read(first + n, row);
      for (let i = 0; i < width; i++) turned[i * BLOCK_ROWS + n] = row[i]!;
    }
    addInnerProducts(products, turned, width, block, BLOCK_ROWS);
  }
  return products;
}

/** Adds X Xᵀ [count, count] of rows [count, length], `stride` apart; both triangles are filled. */
function addInnerProducts(
  products: Float64Array,
  rows: Float64Array,
  count: number,
  length: number,
  stride: number,
): void {
  const add = (i: number, j: number, sum: number): void => {
    products[i * count + j]! += sum;
    if (i !== j) products[j * count + i]! += sum;
  };
  const whole = count - (count % 2);
  // Blocks of 2 x 2 rows: four sums a pass, so a loaded number is used twice.
  for (let i = 0; i < whole; i += 2) {
    for (let j = 0; j <= i; j += 2) {
      let p = i * stride;
      let q = j * stride;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      for (let k = 0; k < length; k++, p++, q++) {
        const a0 = rows[p]!;
        const a1 = rows[p + stride]!;
        const b0 = rows[q]!;
        const b1 = rows[q + stride]!;
        s00 += a0 * b0;
        s01 += a0 * b1;
        s10 += a1 * b0;
        s11 += a1 * b1;
      }
      add(i, j, s00);
      if (j < i) add(i, j + 1, s01);
      add(i + 1, j, s10);
      add(i + 1, j + 1, s11);
    }
  }
  for (let i = whole; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += rows[i * stride + k]! * rows[j * stride + k]!;
      add(i, j, sum);
    }
  }
}

/** Lower L with L Lᵀ = (1 - s) W + s·(tr W / k)·I; the identity where W is 0. Overwrites W. */
function shrunkCholesky(w: Float64Array, k: number, shrinkage: number): Float64Array {
  let trace = 0;
  for (let i = 0; i < k; i++) trace += w[i * k + i]!;
  const floor = trace > 0 ? (shrinkage * trace) / k : 1;
  for (let i = 0; i < w.length; i++) w[i]! *= 1 - shrinkage;
  for (let i = 0; i < k; i++) w[i * k + i]! += floor;
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = w[i * k + j]!;
      for (let l = 0; l < j; l++) sum -= w[i * k + l]! * w[j * k + l]!;
      // The shrunk matrix is at least `floor` times the identity, so the root exists.
      w[i * k + j] = i === j ? Math.sqrt(sum) : sum / w[j * k + j]!;
    }
  }
  return w;
}

/** Axesᵀ · L⁻ᵀ [width, k]: rows of axes are solved against L one after another. */
function whitenedAxes(axes: Float64Array, width: number, lower: Float64Array, k: number): Float32Array {
  const solved = Float64Array.from(axes);
  for (let i = 0; i < k; i++) {
    const row = solved.subarray(i * width, (i + 1) * width);
    for (let l = 0; l < i; l++) {
      const factor = lower[i * k + l]!;
      for (let column = 0; column < width; column++) row[column]! -= factor * solved[l * width + column]!;
    }
    const divisor = lower[i * k + i]!;
    for (let column = 0; column < width; column++) row[column]! /= divisor;
  }
  const matrix = new Float32Array(width * k);
  for (let i = 0; i < k; i++) {
    for (let column = 0; column < width; column++) matrix[column * k + i] = solved[i * width + column]!;
  }
  return matrix;
}
