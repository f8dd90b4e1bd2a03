import type * as tfCore from '@tensorflow/tfjs-core';

type Tf = typeof tfCore;

/** Sums a gradient over the axes along which its tensor was broadcast. */
function unbroadcast(tf: Tf, gradient: tfCore.Tensor, shape: number[]): tfCore.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(gradient, axes) : gradient, shape);
}

/** Those of maximum, minimum and squaredDifference, which fail in tfjs-core where a tensor broadcasts. */
export function broadcastGradients(tf: Tf): tfCore.GradConfig[] {
  const binary = (
    kernelName: string,
    slopes: (a: tfCore.Tensor, b: tfCore.Tensor, dy: tfCore.Tensor) => [() => tfCore.Tensor, () => tfCore.Tensor],
  ): tfCore.GradConfig => ({
    kernelName,
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved) => {
      const [a, b] = saved as [tfCore.Tensor, tfCore.Tensor];
      const [toA, toB] = slopes(a, b, dy as tfCore.Tensor);
      return { a: () => unbroadcast(tf, toA(), a.shape), b: () => unbroadcast(tf, toB(), b.shape) };
    },
  });
  const masked = (dy: tfCore.Tensor, mask: tfCore.Tensor): tfCore.Tensor => tf.mul(dy, tf.cast(mask, 'float32'));
  return [
    binary('Maximum', (a, b, dy) => [() => masked(dy, tf.greaterEqual(a, b)), () => masked(dy, tf.less(a, b))]),
    binary('Minimum', (a, b, dy) => [() => masked(dy, tf.lessEqual(a, b)), () => masked(dy, tf.greater(a, b))]),
    binary('SquaredDifference', (a, b, dy) => [
      () => tf.mul(dy, tf.mul(tf.sub(a, b), 2)),
      () => tf.mul(dy, tf.mul(tf.sub(b, a), 2)),
    ]),
  ];
}

/** That of tile: one sum, where tfjs-core takes a slice for each repetition. */
export function tileGradient(tf: Tf): tfCore.GradConfig {
  return {
    kernelName: 'Tile',
    inputsToSave: ['x'],
    gradFunc: (dys, saved, attrs) => {
      const [x] = saved as [tfCore.Tensor];
      const dy = dys as tfCore.Tensor;
      const reps = attrs['reps'] as number[];
      // dy as [times, size] for each axis, summed over the times.
      const split = x.shape.flatMap((size, axis) => [reps[axis]!, size]);
      const axes = x.shape.map((_, axis) => 2 * axis);
      const total = (): tfCore.Tensor => tf.reshape(tf.sum(tf.reshape(dy, split), axes), x.shape);
      return { x: () => (x.rank === 0 ? tf.clone(dy) : total()) };
    },
  };
}

/** That of cumsum, which tfjs-core transposes once more along any axis but the last. */
export function cumsumGradient(tf: Tf): tfCore.GradConfig {
  return {
    kernelName: 'Cumsum',
    inputsToSave: ['x'],
    gradFunc: (dy, _saved, attrs) => {
      const [axis, exclusive, reverse] = [
        attrs['axis'] as number,
        attrs['exclusive'] === true,
        attrs['reverse'] === true,
      ];
      return { x: () => tf.cumsum(dy as tfCore.Tensor, axis, exclusive, !reverse) };
    },
  };
}
