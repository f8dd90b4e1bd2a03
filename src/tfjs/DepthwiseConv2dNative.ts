import type { KernelConfig } from '@tensorflow/tfjs-core';
import { runConvolution } from '../kernels/index.js';
import { convolutionGeometry } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'DepthwiseConv2dNative';

/**
 * Depthwise convolution of x [batch, height, width, in] with filter [height, width, in, multiplier]. Stock
 * tfjs-backend-wasm is wrong for some strides (tfjs issues 6629, 8393).
 */
export function depthwiseConv2dNative(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const x = floatInput(NAME, run, 'x');
    const filter = floatInput(NAME, run, 'filter');
    const { shape, outShape } = convolutionGeometry(NAME, context, run, x.shape, filter.shape, true);
    const y = floatOutput(context, outShape);
    const { depthwiseForward, depthwiseForwardScratch } = kernels.exports;
    const [xAddress, filterAddress] = [addressIn(backend, x), addressIn(backend, filter)];
    runConvolution(kernels, depthwiseForward, depthwiseForwardScratch, shape, xAddress, filterAddress, y);
    return y.info;
  });
}
