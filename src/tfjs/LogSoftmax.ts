import type { KernelConfig } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { floatInput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'LogSoftmax';

/** x - max - log Σ exp(x - max) over `axis` of logits. Stock tfjs-backend-wasm has none. */
export function logSoftmax(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, (given) => {
    const logits = floatInput(NAME, given, 'logits');
    const axis = context.tf.util.parseAxisParam((given.attrs?.['axis'] as number | undefined) ?? -1, logits.shape);
    return compose(context, (run) => {
      const largest = run('Max', { x: logits }, { reductionIndices: axis, keepDims: true });
      const shifted = run('Sub', { a: logits, b: largest });
      const sum = run('Sum', { x: run('Exp', { x: shifted }) }, { axis, keepDims: true });
      return run('Sub', { a: shifted, b: run('Log', { x: sum }) });
    });
  });
}
