import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { floatInput, type KernelContext, type KernelRun, kernelConfig, stockKernel } from './kernel.js';

const NAME = 'Prelu';

/**
 * x where x >= 0, else alpha · x, with alpha of any shape that broadcasts; float32, also of an x of int32 or bool. The stock kernel of tfjs-backend-wasm repeats
 * alpha from element to element, which is right along the last axes only.
 */
export function prelu(context: KernelContext): KernelConfig {
  const { tf } = context;
  const stock = stockKernel(context, NAME);
  return kernelConfig(NAME, (given) => {
    const { x } = given.inputs;
    if (x?.dtype === 'int32' || x?.dtype === 'bool') {
      return compose(context, (run) => run(NAME, { ...given.inputs, x: run('Cast', { x }, { dtype: 'float32' }) }));
    }
    return ofFloats(given);
  });

  function ofFloats(given: KernelRun): TensorInfo {
    const x = floatInput(NAME, given, 'x');
    const alpha = floatInput(NAME, given, 'alpha');
    const apply = (to: TensorInfo, weights: TensorInfo): TensorInfo => stock({ inputs: { x: to, alpha: weights } });
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(x.shape, alpha.shape);
    const sameShape = tf.util.arraysEqual(x.shape, shape);
    if (sameShape && repeatsLastAxes(alpha.shape, shape)) return apply(x, alpha);
    return compose(context, (run) => {
      const whole = (info: TensorInfo): TensorInfo => run('BroadcastTo', { x: info }, { shape });
      return apply(sameShape ? x : whole(x), whole(alpha));
    });
  }
}

/** True where broadcasting to `shape` repeats the whole tensor, element after element. */
function repeatsLastAxes(own: readonly number[], shape: readonly number[]): boolean {
  const first = own.findIndex((length) => length !== 1);
  if (first < 0) return true;
  const rest = own.slice(first);
  const last = shape.slice(shape.length - rest.length);
  return rest.every((length, axis) => length === last[axis]);
}
