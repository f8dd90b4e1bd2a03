import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { type ConvolutionPassName, type ConvolutionShape, chooseConvolution, convolve } from '../kernels/index.js';
import { compose } from './compose.js';
import type { KernelContext, KernelRun } from './kernel.js';

type Padding = Parameters<typeof tfCore.backend_util.computeConv2DInfo>[4];
type Rounding = Parameters<typeof tfCore.backend_util.computeConv2DInfo>[5];
type Pair = number | [number, number];

/** A convolution's sizes and the shapes of its tensors, found from a kernel's attributes as tfjs finds them. */
export interface ConvolutionGeometry {
  readonly shape: ConvolutionShape;
  readonly inShape: readonly number[];
  readonly outShape: readonly number[];
}

/** Reads strides, padding, dilations and layout; `NM_TENSOR_UNSUPPORTED` for NCHW. */
export function convolutionGeometry(
  kernelName: string,
  context: KernelContext,
  run: KernelRun,
  inShape: readonly number[],
  filterShape: readonly number[],
  depthwise = false,
): ConvolutionGeometry {
  const { strides, pad, dilations, dimRoundingMode, dataFormat } = run.attrs ?? {};
  if (dataFormat !== undefined && dataFormat !== 'NHWC') {
    throw new NearmissError('NM_TENSOR_UNSUPPORTED', `${kernelName}: dataFormat: found ${dataFormat}, allowed: NHWC`);
  }
  const info = context.tf.backend_util.computeConv2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides as unknown as Pair,
    (dilations ?? 1) as unknown as Pair,
    pad as unknown as Padding,
    dimRoundingMode as Rounding,
    depthwise,
    'channelsLast',
  );
  return { shape: shapeOf(info), inShape: info.inShape, outShape: info.outShape };
}

/** The sizes of pooling with the `filterSize`, strides and padding of a kernel's attributes, NHWC. */
export function poolGeometry(context: KernelContext, run: KernelRun, inShape: readonly number[]): ConvolutionGeometry {
  const { filterSize, strides, pad, dimRoundingMode } = run.attrs ?? {};
  const info = context.tf.backend_util.computePool2DInfo(
    inShape as [number, number, number, number],
    filterSize as unknown as Pair,
    strides as unknown as Pair,
    1,
    pad as unknown as Padding,
    dimRoundingMode as Rounding,
  );
  return { shape: shapeOf(info), inShape: info.inShape, outShape: info.outShape };
}

function shapeOf(info: ReturnType<typeof tfCore.backend_util.computeConv2DInfo>): ConvolutionShape {
  return {
    batch: info.batchSize,
    inHeight: info.inHeight,
    inWidth: info.inWidth,
    inChannels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    filterHeight: info.filterHeight,
    filterWidth: info.filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    dilationHeight: info.dilationHeight,
    dilationWidth: info.dilationWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  };
}

/**
 * Runs a backward pass on dy, which has the output's shape [batch, height, width, channels]. As on tfjs's other backends
 * it may have more rows and columns, which are left out (`tf.conv2dTranspose` to a smaller output); else
 * `NM_SHAPE_MISMATCH`.
 */
export function withOutputGradient(
  kernelName: string,
  context: KernelContext,
  dy: tfCore.TensorInfo,
  outShape: readonly number[],
  pass: (dy: tfCore.TensorInfo) => tfCore.TensorInfo,
): tfCore.TensorInfo {
  const [batch, height, width, channels] = dy.shape as [number, number, number, number];
  const [outBatch, outHeight, outWidth, outChannels] = outShape as [number, number, number, number];
  if (batch !== outBatch || height < outHeight || width < outWidth || channels !== outChannels) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `${kernelName}: dy: found [${dy.shape}], allowed: [${outShape}]`);
  }
  if (height === outHeight && width === outWidth) return pass(dy);
  return compose(context, (run) => pass(run('Slice', { x: dy }, { begin: [0, 0, 0, 0], size: [...outShape] })));
}

/** One pass of a convolution by the fastest algorithm that `install` allows; addresses of its inputs and output. */
export function runPass(
  { kernels, precise }: KernelContext,
  shape: ConvolutionShape,
  pass: ConvolutionPassName,
  a: number,
  b: number,
  out: { readonly address: number; readonly length: number },
): void {
  convolve(kernels, chooseConvolution(shape, precise), pass, shape, a, b, out);
}
