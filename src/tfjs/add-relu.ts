import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

type Tf = typeof tfCore;

const NAME = 'NearmissAddRelu';
const GRADIENT = 'NearmissReluGradient';

/**
 * The join of a residual block: max(a + b, 0) of two tensors of one shape, one pass forward and one back where stock ops
 * take two and three. Differentiable in both. Needs `install(tf)`: `NM_TFJS_BACKEND`; unequal shapes: `NM_SHAPE_MISMATCH`.
 */
export function addRelu<T extends tfCore.Tensor>(tf: Tf, a: T, b: T): T {
  if (!tf.getKernel(NAME, tf.getBackend())) {
    throw new NearmissError(
      'NM_TFJS_BACKEND',
      `addRelu: not registered for backend '${tf.getBackend()}'; call \`await install(tf)\` with the WASM backend active`,
    );
  }
  if (!tf.util.arraysEqual(a.shape, b.shape)) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `addRelu: found [${a.shape}] and [${b.shape}], allowed: equal shapes`);
  }
  return tf.engine().runKernel(NAME, { a, b }) as T;
}

/** Forward: inputs a and b. */
export function addReluKernel(context: KernelContext): tfCore.KernelConfig {
  return kernelConfig(NAME, (run) => {
    const a = floatInput(NAME, run, 'a');
    const b = floatInput(NAME, run, 'b');
    const out = floatOutput(context, a.shape);
    const [aAddress, bAddress] = [addressIn(context.backend, a), addressIn(context.backend, b)];
    context.kernels.exports.addRelu(aAddress, bAddress, out.address, out.length);
    return out.info;
  });
}

/** Backward: inputs dy and y, the forward output. */
export function reluGradientKernel(context: KernelContext): tfCore.KernelConfig {
  return kernelConfig(GRADIENT, (run) => {
    const dy = floatInput(GRADIENT, run, 'dy');
    const y = floatInput(GRADIENT, run, 'y');
    const out = floatOutput(context, dy.shape);
    const [dyAddress, yAddress] = [addressIn(context.backend, dy), addressIn(context.backend, y)];
    context.kernels.exports.reluGradient(dyAddress, yAddress, out.address, out.length);
    return out.info;
  });
}

/** How autodiff goes back through `addRelu`: the same gradient to both sides. */
export function addReluGradient(tf: Tf): tfCore.GradConfig {
  return {
    kernelName: NAME,
    outputsToSave: [true],
    gradFunc: (dy, saved) => {
      const inputs = { dy: dy as tfCore.Tensor, y: saved[0]! };
      const gradient = tf.engine().runKernel(GRADIENT, inputs) as tfCore.Tensor;
      // Autodiff disposes of the gradients that it sums up, so each side gets a tensor of its own (sharing the data).
      return { a: () => tf.clone(gradient), b: () => tf.clone(gradient) };
    },
  };
}
