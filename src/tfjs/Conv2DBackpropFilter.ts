import type { KernelConfig } from '@tensorflow/tfjs-core';
import { runConvolution } from '../kernels/index.js';
import { convolutionGeometry, convolutionPass } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'Conv2DBackpropFilter';

/** Gradient of a convolution in its filter [height, width, in, out], of x and dy. Stock tfjs-backend-wasm has none. */
export function conv2DBackpropFilter(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const x = floatInput(NAME, run, 'x');
    const dy = floatInput(NAME, run, 'dy');
    const filterShape = run.attrs?.['filterShape'] as number[];
    const { shape } = convolutionGeometry(NAME, context, run, x.shape, filterShape);
    const dFilter = floatOutput(context, filterShape);
    const [pass, scratch] = convolutionPass(context, shape, 'FilterGradient');
    const [xAddress, dyAddress] = [addressIn(backend, x), addressIn(backend, dy)];
    runConvolution(kernels, pass, scratch, shape, xAddress, dyAddress, dFilter);
    return dFilter.info;
  });
}
