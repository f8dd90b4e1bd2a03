import type { KernelConfig } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { type KernelContext, kernelConfig, stockKernel } from './kernel.js';

const NAME = 'Cast';

/**
 * x in another dtype. Only casts to bool are ours: true where x is not 0. Stock tfjs-backend-wasm keeps the low byte of
 * the number, so that 3 becomes a bool of 3, and 256 becomes false.
 */
export function cast(context: KernelContext): KernelConfig {
  const stock = stockKernel(context, NAME);
  return kernelConfig(NAME, ({ inputs, attrs = {} }) => {
    const { x } = inputs;
    if (x && attrs['dtype'] === 'bool' && (x.dtype === 'float32' || x.dtype === 'int32')) {
      return compose(context, (run) => {
        const zero = run('Fill', {}, { shape: [], value: 0, dtype: x.dtype });
        return run('NotEqual', { a: x, b: zero });
      });
    }
    return stock({ inputs, attrs });
  });
}
