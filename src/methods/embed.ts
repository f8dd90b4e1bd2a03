import type * as tfCore from '@tensorflow/tfjs-core';
import { averagePool, projectAll, type RecordStatistics, trainingFeatures } from '../encoders/index.js';
import type { MethodContext, StepLoss, StepResult } from './method.js';

/** An objective's value and its gradient with respect to each head's z. */
export interface Contrast extends StepLoss {
  readonly gradients: readonly Float32Array[];
}

/**
 * Embeds pictures [pictures, size, size, 3] with the encoder in training, asks `contrast` for the loss of each head's z
 * [pictures, dim] and its gradients, and carries these back to the encoder's weights. `z` is valid during the call only.
 * The loss works outside of tfjs, on the kernels' heap, so that no matrix of similarities is a tensor.
 */
export function embedAndContrast(
  context: Pick<MethodContext, 'tf' | 'graph' | 'tensors' | 'trainable' | 'gather' | 'syncBatchNorm'>,
  pictures: tfCore.Tensor4D,
  contrast: (z: readonly Float32Array[], dim: number) => Contrast,
): StepResult {
  const { tf, graph, tensors, trainable } = context;
  const together = context.syncBatchNorm ? context.gather : undefined;
  const statistics: StepResult['statistics'][number][] = [];
  let figures: StepLoss = { loss: 0, positiveSimilarity: 0, accuracy: 0 };
  const loss = tf.customGrad((...values) => {
    // tfjs passes a function for saved tensors behind the tensors.
    const z = values.slice(0, -1) as tfCore.Tensor2D[];
    const { gradients, ...found } = contrast(
      z.map((rows) => rows.dataSync<'float32'>()),
      graph.head[2],
    );
    figures = found;
    return {
      value: tf.scalar(found.loss),
      gradFunc: () => gradients.map((gradient, head) => tf.tensor2d(gradient, z[head]!.shape)),
    };
  });
  const { value, grads } = tf.variableGrads(() => {
    const record: RecordStatistics = (norm, mean, variance) => {
      statistics.push({ norm, mean: tf.keep(mean), variance: tf.keep(variance) });
    };
    const map = trainingFeatures(tf, graph, tensors, pictures, record, together);
    return loss(...projectAll(tf, graph, tensors, averagePool(tf, map))) as tfCore.Scalar;
  }, trainable as tfCore.Variable[]);
  value.dispose();
  return { ...figures, gradients: grads, statistics };
}
