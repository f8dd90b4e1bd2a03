import type { KernelConfig } from '@tensorflow/tfjs-core';
import { withChannelsFirst } from './channels-first.js';
import { convolutionGeometry, runPass, withOutputGradient } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext } from './kernel.js';

const NAME = 'Conv2DBackpropInput';

/** Gradient of a convolution in its input: dx [batch, height, width, in] of dy [batch, height, width, out]. */
export function conv2DBackpropInput(context: KernelContext): KernelConfig {
  const { backend } = context;
  return withChannelsFirst(context, NAME, ['dy'], true, (run) => {
    const given = floatInput(NAME, run, 'dy');
    const filter = floatInput(NAME, run, 'filter');
    const inputShape = run.attrs?.['inputShape'] as number[];
    const { shape, inShape, outShape } = convolutionGeometry(NAME, context, run, inputShape, filter.shape);
    return withOutputGradient(NAME, context, given, outShape, (dy) => {
      const dx = floatOutput(context, inShape);
      const [dyAddress, filterAddress] = [addressIn(backend, dy), addressIn(backend, filter)];
      runPass(context, shape, 'InputGradient', dyAddress, filterAddress, dx);
      return dx.info;
    });
  });
}
