import type { KernelConfig } from '@tensorflow/tfjs-core';
import { type BroadcastKind, broadcastAxes, broadcastBinary } from '../kernels/index.js';
import { addressIn, makeNumbers } from './heap.js';
import { type KernelContext, kernelConfig, stockKernel } from './kernel.js';

type Builder = (context: KernelContext) => KernelConfig;

/** A function of two float32 tensors that broadcast; `turned` swaps them, `flipped` negates a comparison. */
function comparison(name: string, kind: BroadcastKind, { turned = false, flipped = false } = {}): Builder {
  const dtype = kind === 'maximum' || kind === 'minimum' ? 'float32' : 'bool';
  return (context) => {
    const stock = stockKernel(context, name);
    const { tf, backend, kernels } = context;
    return kernelConfig(name, (run) => {
      const { a, b } = run.inputs;
      if (a?.dtype !== 'float32' || b?.dtype !== 'float32') return stock(run);
      const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
      const [left, right] = turned ? [b, a] : [a, b];
      const axes = broadcastAxes(shape, left.shape, right.shape);
      if (!axes) return stock(run);
      const out = makeNumbers(backend, shape, dtype);
      if (tf.util.sizeFromShape(shape) === 0) return out;
      const addresses = { a: addressIn(backend, left), b: addressIn(backend, right), out: addressIn(backend, out) };
      broadcastBinary(kernels, kind, flipped, axes, addresses);
      return out;
    });
  };
}

/** Extremes and comparisons of float32, which stock kernels take number by number. */
export const COMPARISONS: readonly Builder[] = [
  comparison('Maximum', 'maximum'),
  comparison('Minimum', 'minimum'),
  comparison('Equal', 'equal'),
  comparison('NotEqual', 'equal', { flipped: true }),
  comparison('Less', 'less'),
  comparison('LessEqual', 'lessEqual'),
  comparison('Greater', 'less', { turned: true }),
  comparison('GreaterEqual', 'lessEqual', { turned: true }),
];
