import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { runConvolution } from '../kernels/index.js';
import { convolutionGeometry, withOutputGradient } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'DepthwiseConv2dNativeBackpropInput';

/** Gradient of a depthwise convolution in its input. Stock tfjs-backend-wasm has none. */
export function depthwiseConv2dNativeBackpropInput(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const given = floatInput(NAME, run, 'dy');
    const filter = floatInput(NAME, run, 'filter');
    const inputShape = run.attrs?.['inputShape'] as number[];
    const { shape, inShape, outShape } = convolutionGeometry(NAME, context, run, inputShape, filter.shape, true);
    const strided = Math.max(shape.strideHeight, shape.strideWidth) > 1;
    const dilated = Math.max(shape.dilationHeight, shape.dilationWidth) > 1;
    if (strided && dilated) {
      throw new NearmissError('NM_TENSOR_UNSUPPORTED', `${NAME}: found strides and dilations, allowed: one of them`);
    }
    return withOutputGradient(NAME, context, given, outShape, (dy) => {
      const dx = floatOutput(context, inShape);
      const { depthwiseInputGradient, depthwiseInputGradientScratch } = kernels.exports;
      const [dyAddress, filterAddress] = [addressIn(backend, dy), addressIn(backend, filter)];
      runConvolution(
        kernels,
        depthwiseInputGradient,
        depthwiseInputGradientScratch,
        shape,
        dyAddress,
        filterAddress,
        dx,
      );
      return dx.info;
    });
  });
}
