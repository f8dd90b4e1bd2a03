import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'Identity';

/**
 * A tensor that shares its data with x, as on tfjs's other backends. Stock tfjs-backend-wasm copies, and autodiff takes
 * the identity of every tensor that it saves.
 */
export function identity(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, ({ inputs: { x } }) => {
    if (!x) throw new NearmissError('NM_TENSOR_UNSUPPORTED', `${NAME}: x: found nothing, allowed: a tensor`);
    context.backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  });
}
