import { floats } from '../kernels/index.js';
import { contrastBatch, hcl, type ResolvedObjective } from '../negatives/index.js';
import { type Contrast, embedAndContrast } from './embed.js';
import { type Method, type MethodContext, STATELESS, type StepInput } from './method.js';

/**
 * SimCLR (Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", algorithm 1) with
 * any in-batch objective: two views of each item are embedded, each view is an anchor whose positive is the other, and
 * the views of all other items are its negatives. Negatives span the whole batch: the replicas exchange their embeddings
 * inside the loss. It keeps nothing from step to step.
 */
export const simclr: Method = {
  name: 'simclr',
  title: 'two views of each item, negatives from the batch (Chen et al. 2020)',
  views: 2,
  positives: 'views',
  candidates: { kind: 'batch' },
  heads: 1,
  options: {},
  objective: () => hcl({ temperature: 0.5, beta: 2, tauPlus: 0 }),
  start: (context) => ({
    ...STATELESS,
    step: (input: StepInput) =>
      embedAndContrast(context, input.views, ([z], dim) => contrastAcrossReplicas(context, input, z!, dim)),
  }),
};

/**
 * Loss and gradient with respect to this replica's z [2 · share, dim]. All embeddings are gathered, each replica takes
 * its own items' views as anchors, and a row's gradient is the sum of what all replicas' anchors do to it.
 */
export function contrastAcrossReplicas(
  { kernels, gather }: Pick<MethodContext, 'kernels' | 'gather'>,
  { instanceIds, objective }: { readonly instanceIds: Int32Array; readonly objective: ResolvedObjective },
  z: Float32Array,
  dim: number,
): Contrast {
  const share = z.length / dim / 2;
  const count = 2 * instanceIds.length;
  const first = gather.replica * share;
  // Global rows: first views of all items, then second views.
  const ranges = [first, count / 2 + first] as const;
  gather.embeddings.set(z.subarray(0, share * dim), ranges[0] * dim);
  gather.embeddings.set(z.subarray(share * dim), ranges[1] * dim);
  gather.barrier();

  const { heap } = kernels;
  const bytes = 4 * count * dim;
  const rows = heap.malloc(bytes);
  const gradientRows = heap.malloc(bytes);
  let loss = 0;
  let positiveSimilarity = 0;
  try {
    floats(heap, rows, count * dim).set(gather.embeddings.subarray(0, count * dim));
    floats(heap, gradientRows, count * dim).fill(0);
    for (const from of ranges) {
      const anchors = [from, from + share] as const;
      const part = contrastBatch(kernels, {
        rows,
        count,
        dim,
        instanceIds,
        anchors,
        objective,
        gradient: gradientRows,
      });
      loss += part.loss;
      positiveSimilarity += part.positiveSimilarity;
    }
    gather.ownEmbeddingGradient().set(floats(heap, gradientRows, count * dim));
  } finally {
    heap.free(gradientRows);
    heap.free(rows);
  }
  const total = gather.sumFigures([loss, positiveSimilarity]);

  const gradient = new Float32Array(z.length);
  ranges.forEach((from, view) => {
    const target = gradient.subarray(view * share * dim, (view + 1) * share * dim);
    gather.sumEmbeddingGradients(from * dim, (from + share) * dim, target);
  });
  return { loss: total[0]! / count, positiveSimilarity: total[1]! / count, gradients: [gradient] };
}
