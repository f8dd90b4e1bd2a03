import type * as tfCore from '@tensorflow/tfjs-core';
import { PIXEL_SCALE, PIXEL_ZERO } from './graph.js';

/**
 * sRGB to CIE Lab under D65 by scikit-image's rules (`color.rgb2lab`), as CMC uses it: linear light, XYZ relative to
 * white, cube roots, then L, a and b centred and scaled by their exact range over the sRGB cube, so that each is within
 * -1 … 1 (Tian et al. 2019, "Contrastive Multiview Coding"; code: dataset.py and train_CMC.py).
 */
export const LAB: {
  readonly linearBelow: number;
  readonly linearSlope: number;
  readonly gammaOffset: number;
  readonly gamma: number;
  readonly whiteRelative: readonly (readonly number[])[];
  readonly cubeBelow: number;
  readonly cubeSlope: number;
  readonly cubeOffset: number;
  readonly centre: readonly [number, number, number];
  readonly halfRange: readonly [number, number, number];
} = {
  /** Bytes up to 255 · this are dark enough for the straight part of the curve, of that slope. */
  linearBelow: 0.04045,
  linearSlope: 12.92,
  gammaOffset: 0.055,
  gamma: 2.4,
  /** XYZ / white of linear RGB, a row for each of X, Y, Z. */
  whiteRelative: [
    [0.412453 / 0.95047, 0.35758 / 0.95047, 0.180423 / 0.95047],
    [0.212671, 0.71516, 0.072169],
    [0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883],
  ],
  cubeBelow: 0.008856,
  cubeSlope: 7.787,
  cubeOffset: 16 / 116,
  /** Centre and half range of L, a, b. */
  centre: [50, (98.233 - 86.183) / 2, (94.478 - 107.857) / 2],
  halfRange: [50, (86.183 + 98.233) / 2, (107.857 + 94.478) / 2],
};

/**
 * What follows the cube roots as one matrix: the rows are roots of X, Y, Z and the columns scaled L, a, b, and to them
 * `offset` is added. L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)).
 */
export const LAB_OF_ROOTS: { readonly matrix: readonly (readonly number[])[]; readonly offset: readonly number[] } = {
  matrix: [
    [0, 500 / LAB.halfRange[1], 0],
    [116 / LAB.halfRange[0], -500 / LAB.halfRange[1], 200 / LAB.halfRange[2]],
    [0, 0, -200 / LAB.halfRange[2]],
  ],
  offset: [
    (-16 - LAB.centre[0]) / LAB.halfRange[0],
    -LAB.centre[1] / LAB.halfRange[1],
    -LAB.centre[2] / LAB.halfRange[2],
  ],
};

/** The columns of `LAB_OF_ROOTS` that a node's channels take. */
export const LAB_COLUMNS: Readonly<Record<'l' | 'ab', readonly number[]>> = { l: [0], ab: [1, 2] };

/**
 * Lab channels [pictures, height, width, 1 or 2], each within -1 … 1, of normalised pictures
 * [pictures, height, width, 3]. Colours that augmentation has pushed out of range are clipped first. Not differentiable
 * by intent: pictures have no gradient.
 */
export function labChannels(tf: typeof tfCore, pictures: tfCore.Tensor4D, channels: 'l' | 'ab'): tfCore.Tensor4D {
  return tf.tidy(() => {
    const [count, height, width] = pictures.shape;
    const unit = tf.clipByValue(tf.add(tf.mul(pictures, PIXEL_SCALE / 255), PIXEL_ZERO / 255), 0, 1);
    const { linearBelow, linearSlope, gammaOffset, gamma, cubeBelow, cubeSlope, cubeOffset } = LAB;
    const curve = tf.pow(tf.div(tf.add(unit, gammaOffset), 1 + gammaOffset), gamma);
    const linear = tf.where(tf.greater(unit, linearBelow), curve, tf.div(unit, linearSlope));
    const toWhite = tf.tensor2d(transposed(LAB.whiteRelative));
    const xyz = tf.matMul(tf.reshape(linear, [count * height * width, 3]), toWhite);
    // The root of 0 is never taken: the straight part begins above it.
    const root = tf.pow(tf.maximum(xyz, cubeBelow), 1 / 3);
    const roots = tf.where(tf.greater(xyz, cubeBelow), root, tf.add(tf.mul(xyz, cubeSlope), cubeOffset));
    const columns = LAB_COLUMNS[channels];
    const matrix = tf.tensor2d(LAB_OF_ROOTS.matrix.map((row) => columns.map((column) => row[column]!)));
    const offset = tf.tensor1d(columns.map((column) => LAB_OF_ROOTS.offset[column]!));
    return tf.reshape(tf.add(tf.matMul(roots, matrix), offset), [count, height, width, columns.length]);
  }) as tfCore.Tensor4D;
}

function transposed(matrix: readonly (readonly number[])[]): number[][] {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}
