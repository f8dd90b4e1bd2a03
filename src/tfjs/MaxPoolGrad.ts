import type { KernelConfig } from '@tensorflow/tfjs-core';
import { withPoolShape } from '../kernels/index.js';
import { poolGeometry, withOutputGradient } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'MaxPoolGrad';

/**
 * Gradient of max pooling in its input: each window's dy goes to its first largest element, as on tfjs's cpu backend. The
 * stock kernel goes number by number.
 */
export function maxPoolGrad(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const x = floatInput(NAME, run, 'input');
    const given = floatInput(NAME, run, 'dy');
    const { shape, outShape } = poolGeometry(context, run, x.shape);
    return withOutputGradient(NAME, context, given, outShape, (dy) => {
      const dx = floatOutput(context, x.shape);
      if (dx.length === 0) return dx.info;
      const [xAddress, dyAddress] = [addressIn(backend, x), addressIn(backend, dy)];
      withPoolShape(kernels, shape, (block) => {
        kernels.exports.maxPoolGradient(block, xAddress, dyAddress, dx.address);
      });
      return dx.info;
    });
  });
}
