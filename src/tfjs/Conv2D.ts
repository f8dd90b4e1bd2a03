import type { KernelConfig } from '@tensorflow/tfjs-core';
import { withChannelsFirst } from './channels-first.js';
import { convolutionGeometry, runPass } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext } from './kernel.js';

const NAME = 'Conv2D';

/** Convolution of x [batch, height, width, in] with filter [height, width, in, out]. */
export function conv2D(context: KernelContext): KernelConfig {
  const { backend } = context;
  return withChannelsFirst(context, NAME, ['x'], true, (run) => {
    const x = floatInput(NAME, run, 'x');
    const filter = floatInput(NAME, run, 'filter');
    const { shape, outShape } = convolutionGeometry(NAME, context, run, x.shape, filter.shape);
    const y = floatOutput(context, outShape);
    const [xAddress, filterAddress] = [addressIn(backend, x), addressIn(backend, filter)];
    runPass(context, shape, 'Forward', xAddress, filterAddress, y);
    return y.info;
  });
}
