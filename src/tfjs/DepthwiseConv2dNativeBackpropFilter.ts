import type { KernelConfig } from '@tensorflow/tfjs-core';
import { runConvolution } from '../kernels/index.js';
import { convolutionGeometry, withOutputGradient } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'DepthwiseConv2dNativeBackpropFilter';

/** Gradient of a depthwise convolution in its filter [height, width, in, multiplier]. Stock tfjs-backend-wasm has none. */
export function depthwiseConv2dNativeBackpropFilter(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const x = floatInput(NAME, run, 'x');
    const given = floatInput(NAME, run, 'dy');
    const filterShape = run.attrs?.['filterShape'] as number[];
    const { shape, outShape } = convolutionGeometry(NAME, context, run, x.shape, filterShape, true);
    return withOutputGradient(NAME, context, given, outShape, (dy) => {
      const dFilter = floatOutput(context, filterShape);
      const { depthwiseFilterGradient, depthwiseFilterGradientScratch } = kernels.exports;
      const [xAddress, dyAddress] = [addressIn(backend, x), addressIn(backend, dy)];
      runConvolution(
        kernels,
        depthwiseFilterGradient,
        depthwiseFilterGradientScratch,
        shape,
        xAddress,
        dyAddress,
        dFilter,
      );
      return dFilter.info;
    });
  });
}
