import type * as tfCore from '@tensorflow/tfjs-core';
import { averagePool, type EncoderGraph, type EncoderTensors, project, trainingFeatures } from '../encoders/index.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { contrastBatch, type Objective, resolveObjective } from '../negatives/index.js';
import type { Gather } from './gather.js';

/** What one SimCLR step works on: this replica's share of the batch. */
export interface SimclrStep {
  readonly tf: typeof tfCore;
  readonly kernels: TrainingKernels;
  readonly graph: EncoderGraph;
  readonly tensors: EncoderTensors;
  /** Those of `tensors` that are trained. */
  readonly trainable: readonly tfCore.Variable[];
  readonly gather: Gather;
  readonly objective: Objective;
  readonly step: number;
  readonly steps: number;
  /** Normalised pictures [2 · items, size, size, 3]: the first views of this replica's items, then the second. */
  readonly views: tfCore.Tensor4D;
  /** Ids of the whole batch's items; equal ids are never negatives of each other. */
  readonly instanceIds: Int32Array;
}

export interface StepResult {
  /** Mean loss over the whole batch's anchors, the same on every replica. */
  readonly loss: number;
  /** Mean cosine of anchor and positive, over the whole batch. */
  readonly positiveSimilarity: number;
  /** Gradient of the batch's mean loss through this replica's pictures, by variable name. */
  readonly gradients: tfCore.NamedTensorMap;
  /** Channel means and biased variances that this replica's batch norms saw. */
  readonly statistics: readonly { norm: string; mean: tfCore.Tensor1D; variance: tfCore.Tensor1D }[];
}

/**
 * SimCLR (Chen et al. 2020, algorithm 1) with any in-batch objective: two views of each item are embedded, each view is
 * an anchor whose positive is the other, and the views of all other items are its negatives. Negatives span the whole
 * batch: the replicas exchange their embeddings inside the loss. Tensors in the result belong to the caller.
 */
export function simclrStep(input: SimclrStep): StepResult {
  const { tf, graph, tensors } = input;
  const objective = resolveObjective(input.objective, input.step, input.steps);
  const statistics: StepResult['statistics'][number][] = [];
  const figures = { loss: 0, positiveSimilarity: 0 };

  const contrast = tf.customGrad((value) => {
    const z = value as tfCore.Tensor2D;
    const { loss, positiveSimilarity, gradient } = contrastAcrossReplicas(input, z, objective);
    figures.loss = loss;
    figures.positiveSimilarity = positiveSimilarity;
    return { value: tf.scalar(loss), gradFunc: () => tf.tensor2d(gradient, z.shape) };
  });

  const { value, grads } = tf.variableGrads(() => {
    const map = trainingFeatures(tf, graph, tensors, input.views, (norm, mean, variance) => {
      statistics.push({ norm, mean: tf.keep(mean), variance: tf.keep(variance) });
    });
    return contrast(project(tf, tensors, averagePool(tf, map))) as tfCore.Scalar;
  }, input.trainable as tfCore.Variable[]);
  value.dispose();
  return { ...figures, gradients: grads, statistics };
}

/**
 * Loss and gradient with respect to this replica's z [2 · items, dim]. All embeddings are gathered, each replica takes
 * its own items' views as anchors, and a row's gradient is the sum of what all replicas' anchors do to it.
 */
function contrastAcrossReplicas(
  input: SimclrStep,
  z: tfCore.Tensor2D,
  objective: ReturnType<typeof resolveObjective>,
): { loss: number; positiveSimilarity: number; gradient: Float32Array } {
  const { kernels, gather, instanceIds } = input;
  const [rows, dim] = z.shape;
  const items = rows / 2;
  const count = 2 * instanceIds.length;
  const first = gather.replica * items;
  // Global rows: first views of all items, then second views.
  const ranges = [first, count / 2 + first] as const;

  const own = z.dataSync<'float32'>();
  gather.embeddings.set(own.subarray(0, items * dim), ranges[0] * dim);
  gather.embeddings.set(own.subarray(items * dim), ranges[1] * dim);
  gather.barrier();

  const { heap } = kernels;
  const bytes = 4 * count * dim;
  const address = heap.malloc(bytes);
  const gradientAddress = heap.malloc(bytes);
  let loss = 0;
  let positiveSimilarity = 0;
  try {
    floats(heap, address, count * dim).set(gather.embeddings);
    floats(heap, gradientAddress, count * dim).fill(0);
    for (const from of ranges) {
      const part = contrastBatch(kernels, {
        rows: address,
        count,
        dim,
        instanceIds,
        anchors: [from, from + items],
        objective,
        gradient: gradientAddress,
      });
      loss += part.loss;
      positiveSimilarity += part.positiveSimilarity;
    }
    gather.ownEmbeddingGradient().set(floats(heap, gradientAddress, count * dim));
  } finally {
    heap.free(gradientAddress);
    heap.free(address);
  }
  const total = gather.sumFigures([loss, positiveSimilarity]);

  const gradient = new Float32Array(rows * dim);
  ranges.forEach((from, view) => {
    const target = gradient.subarray(view * items * dim, (view + 1) * items * dim);
    gather.sumEmbeddingGradients(from * dim, (from + items) * dim, target);
  });
  return {
    loss: total[0]! / count,
    positiveSimilarity: total[1]! / count,
    gradient,
  };
}
