import type { KernelConfig } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { addressIn, makeNumbers } from './heap.js';
import { type KernelContext, kernelConfig, stockKernel } from './kernel.js';

const NAME = 'Tile';

/** x repeated along its axes, numbers in whole rows where the stock kernel copies each by itself. */
export function tile(context: KernelContext): KernelConfig {
  const stock = stockKernel(context, NAME);
  const { backend, kernels, tf } = context;
  const size = tf.util.sizeFromShape;
  return kernelConfig(NAME, (given) => {
    const { x } = given.inputs;
    const reps = given.attrs?.['reps'] as number[];
    if ((x?.dtype !== 'float32' && x?.dtype !== 'int32') || reps.length !== x.shape.length) return stock(given);
    const repeated = reps.flatMap((times, axis) => (times === 1 ? [] : [axis]));
    if (repeated.length !== 1) {
      // One axis after the other, the last first, while the tensor is small.
      return compose(context, (run) => {
        let info = run('Reshape', { x }, { shape: x.shape });
        for (const axis of repeated.reverse()) {
          info = run(NAME, { x: info }, { reps: reps.map((times, i) => (i === axis ? times : 1)) });
        }
        return info;
      });
    }
    const [axis] = repeated as [number];
    const shape = x.shape.map((length, i) => length * reps[i]!);
    const out = makeNumbers(backend, shape, x.dtype);
    const bytes = 4 * size(x.shape.slice(axis));
    const [from, to] = [addressIn(backend, x), addressIn(backend, out)];
    if (size(shape) > 0) kernels.exports.repeat(from, to, size(x.shape.slice(0, axis)), bytes, reps[axis]!);
    return out;
  });
}
