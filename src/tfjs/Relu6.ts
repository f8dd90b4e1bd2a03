import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { compose } from './compose.js';
import { type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'Relu6';

/** x kept within 0 … 6; NaN stays NaN, where stock tfjs-backend-wasm gives 0 and so hides a diverging network. */
export function relu6(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, ({ inputs: { x } }) => {
    if (!x) throw new NearmissError('NM_TENSOR_UNSUPPORTED', `${NAME}: x: found nothing, allowed: a tensor`);
    return compose(context, (run) => run('ClipByValue', { x }, { clipValueMin: 0, clipValueMax: 6 }));
  });
}
