import type { KernelConfig } from '@tensorflow/tfjs-core';
import { withChannelsFirst } from './channels-first.js';
import { convolutionGeometry, runPass, withOutputGradient } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext } from './kernel.js';

const NAME = 'Conv2DBackpropFilter';

/** Gradient of a convolution in its filter [height, width, in, out], of x and dy. Stock tfjs-backend-wasm has none. */
export function conv2DBackpropFilter(context: KernelContext): KernelConfig {
  const { backend } = context;
  return withChannelsFirst(context, NAME, ['x', 'dy'], false, (run) => {
    const x = floatInput(NAME, run, 'x');
    const given = floatInput(NAME, run, 'dy');
    const filterShape = run.attrs?.['filterShape'] as number[];
    const { shape, outShape } = convolutionGeometry(NAME, context, run, x.shape, filterShape);
    return withOutputGradient(NAME, context, given, outShape, (dy) => {
      const dFilter = floatOutput(context, filterShape);
      const [xAddress, dyAddress] = [addressIn(backend, x), addressIn(backend, dy)];
      runPass(context, shape, 'FilterGradient', xAddress, dyAddress, dFilter);
      return dFilter.info;
    });
  });
}
