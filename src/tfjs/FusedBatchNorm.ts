import type * as tfCore from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { floatInput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'FusedBatchNorm';

/**
 * scale · (x - mean) / sqrt(variance + varianceEpsilon) + offset with given statistics of any shape that broadcasts:
 * three passes over x by vectors, where the stock kernel goes number by number.
 */
export function fusedBatchNorm(context: KernelContext): tfCore.KernelConfig {
  return kernelConfig(NAME, (given) => {
    const x = floatInput(NAME, given, 'x');
    const mean = floatInput(NAME, given, 'mean');
    const variance = floatInput(NAME, given, 'variance');
    const { offset, scale } = given.inputs;
    return compose(context, (run) => {
      const epsilon = run('Fill', {}, {
        shape: [],
        value: given.attrs?.['varianceEpsilon'],
        dtype: 'float32',
      } as tfCore.NamedAttrMap);
      const inverse = run('Rsqrt', { x: run('Add', { a: variance, b: epsilon }) });
      const factor = scale ? run('Multiply', { a: inverse, b: scale }) : inverse;
      const centred = run('Multiply', { a: run('Sub', { a: x, b: mean }), b: factor });
      return offset ? run('Add', { a: centred, b: offset }) : centred;
    });
  });
}

/**
 * How autodiff goes back through `tf.batchNorm`: two sums over x give all gradients of the statistics, where tfjs-core's
 * own gradient makes a dozen tensors of x's size.
 */
export function fusedBatchNormGradient(tf: typeof tfCore): tfCore.GradConfig {
  return {
    kernelName: NAME,
    inputsToSave: ['x', 'mean', 'variance', 'scale'],
    gradFunc: (dys, saved, attrs) => {
      const dy = dys as tfCore.Tensor;
      const [x, mean, variance, scale] = saved as [
        tfCore.Tensor,
        tfCore.Tensor,
        tfCore.Tensor,
        tfCore.Tensor | undefined,
      ];
      const inverse = tf.rsqrt(tf.add(variance, attrs['varianceEpsilon'] as number));
      const factor = scale ? tf.mul(inverse, scale) : inverse;
      const axes = tf.broadcast_util.getReductionAxes(mean.shape, x.shape);
      const total = (values: tfCore.Tensor): tfCore.Tensor => tf.reshape(tf.sum(values, axes), mean.shape);
      const plain = total(dy);
      const weighted = tf.mul(total(tf.mul(dy, tf.sub(x, mean))), inverse);
      return {
        x: () => tf.mul(dy, factor),
        mean: () => tf.neg(tf.mul(plain, factor)),
        variance: () => tf.mul(tf.mul(weighted, tf.mul(factor, inverse)), -0.5),
        scale: () => weighted,
        offset: () => plain,
      };
    },
  };
}
