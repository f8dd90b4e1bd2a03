import { applyReadOut, fitWhitening, unitLength } from '../encoders/index.js';
import { NearmissError } from '../errors.js';

/** Side that pictures are reduced to before their pixels are compared. */
export const PIXEL_SIDE = 16;

/**
 * Pixels as features: pictures averaged down to 16x16 (box filter).
 *
 * @param pictures uint8 [count, size, size, 3], size a multiple of 16
 * @returns [count, 16 * 16 * 3], in 0 … 255
 * @throws `NM_SHAPE_MISMATCH` for another size
 */
export function pixelFeatures(pictures: Uint8Array, size: number): Float32Array {
  if (size % PIXEL_SIDE !== 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `pictures: found size ${size}, allowed: a multiple of ${PIXEL_SIDE}`);
  }
  const factor = size / PIXEL_SIDE;
  const count = pictures.length / (size * size * 3);
  const features = new Float32Array(count * PIXEL_WIDTH);
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const to = ((n * PIXEL_SIDE + Math.floor(y / factor)) * PIXEL_SIDE + Math.floor(x / factor)) * 3;
        const from = ((n * size + y) * size + x) * 3;
        for (let c = 0; c < 3; c++) features[to + c]! += pictures[from + c]!;
      }
    }
  }
  const area = factor * factor;
  for (let i = 0; i < features.length; i++) features[i]! /= area;
  return features;
}

/** Numbers of a picture's pixel features. */
export const PIXEL_WIDTH: number = PIXEL_SIDE * PIXEL_SIDE * 3;

/**
 * Colour histograms as features: each channel cut into `bins` equal parts, the square roots of the cells' shares. Rows
 * have unit length, and their inner product is the Bhattacharyya coefficient of the histograms (the Hellinger kernel).
 *
 * @param pictures uint8 [count, size, size, 3]
 * @param bins default 6
 * @returns [count, bins³]
 */
export function colourHistograms(pictures: Uint8Array, size: number, bins = 6): Float32Array {
  const pixels = size * size;
  const count = pictures.length / (pixels * 3);
  const cells = bins ** 3;
  const features = new Float32Array(count * cells);
  for (let n = 0; n < count; n++) {
    for (let i = 3 * n * pixels; i < 3 * (n + 1) * pixels; i += 3) {
      const [r, g, b] = [pictures[i]!, pictures[i + 1]!, pictures[i + 2]!].map((value) => (value * bins) >> 8);
      features[n * cells + (r! * bins + g!) * bins + b!]!++;
    }
  }
  return features.map((sum) => Math.sqrt(sum / pixels));
}

/** Features less `mean` [width], scaled to unit length: [count, width]. */
export function centredUnit(features: Float32Array, mean: Float32Array): Float32Array {
  const centred = features.slice();
  for (let i = 0; i < centred.length; i++) centred[i]! -= mean[i % mean.length]!;
  return unitLength(centred, mean.length);
}

/** Mean of each column of rows [count, width]. */
export function columnMean(rows: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) sums[i % width]! += rows[i]!;
  return Float32Array.from(sums, (sum) => (sum * width) / rows.length);
}

/** Turns features of source A or B into embeddings of unit length. */
export interface PairedEmbedder {
  readonly dimensions: number;
  readonly a: (features: Float32Array) => Float32Array;
  readonly b: (features: Float32Array) => Float32Array;
}

/**
 * The linear model that an encoder trained on pairs must beat, fitted on the same pairs: each source's mean subtracted,
 * principal components, whitened by the covariance within pairs (`fitWhitening`).
 *
 * @param a features of source A [pairs, width]
 * @param b features of source B of the same items
 */
export function fitLinearModel(
  a: Float32Array,
  b: Float32Array,
  width: number,
  options: { readonly dimensions?: number; readonly shrinkage?: number } = {},
): PairedEmbedder {
  const dimensions = Math.min(options.dimensions ?? 128, width);
  const { shrinkage = 0.1 } = options;
  const fitted = fitWhitening(a, b, { width, dimensions, shrinkage, separateMeans: true });
  const embed =
    (mean: Float32Array) =>
    (features: Float32Array): Float32Array =>
      applyReadOut(features, width, { pool: 1, whitening: { ...fitted, mean } });
  return { dimensions: fitted.dimensions, a: embed(fitted.meanA), b: embed(fitted.meanB) };
}
