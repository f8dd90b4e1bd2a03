import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { EPS, eachProduct, largestError, outputSizes, type Sizes, uniform } from './convolution-reference.js';

export interface Reference {
  readonly y: Float64Array;
  readonly dx: Float64Array;
  readonly dFilter: Float64Array;
}

export const label = (s: Sizes): string =>
  `${s.batch}x${s.height}x${s.width}x${s.channels} → ${s.out}, ${s.filter.join('x')}, stride ${s.stride.join(',')}, pad ${JSON.stringify(s.pad)}, dilation ${s.dilation}`;

const padOf = (s: Sizes): number | 'same' | 'valid' | tf.backend_util.ExplicitPadding =>
  typeof s.pad === 'object' ? [[0, 0], [...s.pad[0]], [...s.pad[1]], [0, 0]] : s.pad;

export interface Passes {
  y: Float32Array;
  dx: Float32Array;
  dFilter: Float32Array;
}

export interface Data {
  readonly x: Float32Array;
  readonly filter: Float32Array;
  readonly dy: Float32Array;
  readonly xShape: [number, number, number, number];
  readonly filterShape: [number, number, number, number];
  readonly yShape: [number, number, number, number];
}

/** Tensors of a case; a depthwise filter is [height, width, channels, multiplier]. */
export function dataOf(s: Sizes, depthwise = false): Data {
  const { rows, columns } = outputSizes(s);
  const xShape: Data['xShape'] = [s.batch, s.height, s.width, s.channels];
  const filterShape: Data['filterShape'] = [
    s.filter[0],
    s.filter[1],
    s.channels,
    depthwise ? s.out / s.channels : s.out,
  ];
  const yShape: Data['yShape'] = [s.batch, rows.outputs, columns.outputs, s.out];
  const elements = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
  return {
    x: uniform(elements(xShape), 1),
    filter: uniform(elements(filterShape), 2),
    dy: uniform(elements(yShape), 3),
    xShape,
    filterShape,
    yShape,
  };
}

/** All three passes in float64. */
export function reference(s: Sizes, d: Data, depthwise = false): Reference {
  const y = new Float64Array(d.dy.length);
  const dx = new Float64Array(d.x.length);
  const dFilter = new Float64Array(d.filter.length);
  eachProduct(s, depthwise, (xi, fi, yi) => {
    y[yi]! += d.x[xi]! * d.filter[fi]!;
    dx[xi]! += d.dy[yi]! * d.filter[fi]!;
    dFilter[fi]! += d.dy[yi]! * d.x[xi]!;
  });
  return { y, dx, dFilter };
}

type Differentiable = (...inputs: tf.Tensor[]) => tf.Tensor;

function depthwiseGradients(s: Sizes, x: tf.Tensor4D, filter: tf.Tensor4D, dy: tf.Tensor4D): tf.Tensor[] {
  const attrs = { strides: [...s.stride], pad: padOf(s) as 'same', dilations: [s.dilation, s.dilation] };
  const run = (name: string, inputs: Record<string, tf.Tensor>, shapes: tf.NamedAttrMap): tf.Tensor =>
    tf.engine().runKernel(`DepthwiseConv2dNativeBackprop${name}`, inputs, { ...attrs, ...shapes }) as tf.Tensor;
  return [
    run('Input', { dy, filter }, { inputShape: x.shape }),
    run('Filter', { x, dy }, { filterShape: filter.shape }),
  ];
}

/** All three passes, or the forward pass alone, on the active backend through tf's autodiff. */
export function passes(s: Sizes, d: Data, gradients: boolean, depthwise = false): Passes {
  return tf.tidy(() => {
    const x = tf.tensor4d(d.x, d.xShape);
    const filter = tf.tensor4d(d.filter, d.filterShape);
    const convolve = (a: tf.Tensor4D, b: tf.Tensor4D): tf.Tensor4D =>
      (depthwise ? tf.depthwiseConv2d : tf.conv2d)(a, b, [...s.stride], padOf(s) as 'same', 'NHWC', s.dilation);
    const y = convolve(x, filter);
    expect(y.shape).toEqual(d.yShape);
    if (!gradients) return { y: y.dataSync<'float32'>(), dx: new Float32Array(), dFilter: new Float32Array() };
    const dy = tf.tensor4d(d.dy, d.yShape);
    // tfjs's autodiff refuses dilations; the depthwise kernels themselves take them.
    const [dx, dFilter] =
      s.dilation > 1 ? depthwiseGradients(s, x, filter, dy) : tf.grads(convolve as Differentiable)([x, filter], dy);
    return {
      y: y.dataSync<'float32'>(),
      dx: dx!.dataSync<'float32'>(),
      dFilter: dFilter!.dataSync<'float32'>(),
    };
  });
}

// Inputs are uniform in (-1, 1): a sum of K products has size sqrt(K) / 3, and rounding adds eps · sqrt(K) · sqrt(K).
const bound = (terms: number, factor: number): number =>
  factor * EPS * Math.sqrt(terms) * Math.max(1, Math.sqrt(terms) / 3);

/** Checks all passes against a reference within `factor` roundings of sums as long as theirs. */
export function check(
  s: Sizes,
  found: Passes,
  expected: Reference,
  factor: number,
  gradients: boolean,
  depthwise = false,
): void {
  const taps = s.filter[0] * s.filter[1];
  const { rows, columns } = outputSizes(s);
  expect(largestError(found.y, expected.y)).toBeLessThanOrEqual(bound(taps * (depthwise ? 1 : s.channels), factor));
  if (!gradients) return;
  expect(largestError(found.dx, expected.dx)).toBeLessThanOrEqual(
    bound(taps * (depthwise ? s.out / s.channels : s.out), factor),
  );
  const pixels = Math.max(1, s.batch * rows.outputs * columns.outputs);
  expect(largestError(found.dFilter, expected.dFilter)).toBeLessThanOrEqual(bound(pixels, factor));
}

/** Rounding of plain sums, and what Winograd's transforms may add. */
export const EXACT = 8;
export const WINOGRAD = 200;
