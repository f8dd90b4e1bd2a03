import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { compose } from './compose.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'Cast';

/**
 * x in another dtype. Only casts to bool are ours: true where x is not 0. Stock tfjs-backend-wasm keeps the low byte of
 * the number, so that 3 becomes a bool of 3, and 256 becomes false.
 */
export function cast(context: KernelContext): KernelConfig {
  const stock = context.tf.getKernel(NAME, 'wasm');
  return kernelConfig(NAME, ({ inputs, attrs = {} }) => {
    const { x } = inputs;
    if (x && attrs['dtype'] === 'bool' && (x.dtype === 'float32' || x.dtype === 'int32')) {
      return compose(context, (run) => {
        const zero = run('Fill', {}, { shape: [], value: 0, dtype: x.dtype });
        return run('NotEqual', { a: x, b: zero });
      });
    }
    if (!stock) throw new NearmissError('NM_TFJS_BACKEND', `${NAME}: no stock kernel on tfjs's WASM backend`);
    return stock.kernelFunc({ inputs, attrs, backend: context.backend });
  });
}
