import type { KernelConfig } from '@tensorflow/tfjs-core';
import { addressIn } from './heap.js';
import { floatOutput, type KernelContext, kernelConfig, stockKernel } from './kernel.js';

const NAME = 'Cumsum';

/** Running sums of float32 along one axis, in place, where the stock kernel transposes twice unless the axis is last. */
export function cumsum(context: KernelContext): KernelConfig {
  const stock = stockKernel(context, NAME);
  const { backend, kernels, tf } = context;
  return kernelConfig(NAME, (run) => {
    const { x } = run.inputs;
    if (x?.dtype !== 'float32' || x.shape.length === 0) return stock(run);
    const [axis] = tf.util.parseAxisParam(run.attrs?.['axis'] as number, x.shape);
    const out = floatOutput(context, x.shape);
    if (out.length === 0) return out.info;
    const outer = tf.util.sizeFromShape(x.shape.slice(0, axis!));
    const inner = tf.util.sizeFromShape(x.shape.slice(axis! + 1));
    const [exclusive, reverse] = [run.attrs?.['exclusive'] === true, run.attrs?.['reverse'] === true];
    const from = addressIn(backend, x);
    kernels.exports.cumulativeSum(from, out.address, outer, x.shape[axis!]!, inner, exclusive, reverse);
    return out.info;
  });
}
