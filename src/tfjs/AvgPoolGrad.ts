import type { KernelConfig } from '@tensorflow/tfjs-core';
import { withPoolShape } from '../kernels/index.js';
import { poolGeometry, withOutputGradient } from './convolution-shape.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'AvgPoolGrad';

/**
 * Gradient of average pooling in its input, as tfjs defines it: each window's dy divided by the whole window's size, also
 * at the edges, where the forward pass leaves padding out (TensorFlow's gradient does too). The stock kernel goes number
 * by number.
 */
export function avgPoolGrad(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const x = floatInput(NAME, run, 'input');
    const given = floatInput(NAME, run, 'dy');
    const { shape, outShape } = poolGeometry(context, run, x.shape);
    return withOutputGradient(NAME, context, given, outShape, (dy) => {
      const dx = floatOutput(context, x.shape);
      if (dx.length === 0) return dx.info;
      const dyAddress = addressIn(backend, dy);
      withPoolShape(kernels, shape, (block) => kernels.exports.averagePoolGradient(block, dyAddress, dx.address));
      return dx.info;
    });
  });
}
