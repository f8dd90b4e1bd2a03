import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { addressIn } from './heap.js';
import { floatOutput, integerOutput, integersIn, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'ClipByValue';

/**
 * x kept within clipValueMin … clipValueMax; NaN stays NaN. Stock tfjs-backend-wasm turns NaN into the lower bound, which
 * hides a diverging gradient, and reads int32 as float32.
 */
export function clipByValue(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, ({ inputs: { x }, attrs }) => {
    const low = attrs?.['clipValueMin'] as number;
    const high = attrs?.['clipValueMax'] as number;
    if (x?.dtype === 'int32') {
      const out = integerOutput(context, x.shape);
      const from = integersIn(context, x);
      const to = integersIn(context, out);
      for (let i = 0; i < from.length; i++) to[i] = Math.min(Math.max(from[i]!, low), high);
      return out;
    }
    if (x?.dtype !== 'float32') {
      const found = x?.dtype ?? 'nothing';
      throw new NearmissError('NM_TENSOR_UNSUPPORTED', `${NAME}: x: found ${found}, allowed: float32, int32`);
    }
    const out = floatOutput(context, x.shape);
    kernels.exports.clip(addressIn(backend, x), out.address, out.length, low, high);
    return out.info;
  });
}
