import { floats } from '../kernels/index.js';
import { contrastBatch, hcl, takeWorkspace } from '../negatives/index.js';
import { randomStream } from '../random.js';
import { type Contrast, embedAndContrast } from './embed.js';
import { meanFigures } from './figures.js';
import { type Method, type MethodContext, STATELESS, type StepInput } from './method.js';
import { NegativeGenerator } from './negative-generator.js';

const PURPOSE_MIX = 0x3c;

/**
 * SimCLR (Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", algorithm 1) with
 * any in-batch objective: two views of each item are embedded, each view is an anchor whose positive is the other, and
 * the views of all other items are its negatives. Negatives span the whole batch: the replicas exchange their embeddings
 * inside the loss. It keeps nothing from step to step, unless the objective has a generator of negatives.
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
  start(context) {
    const generator = NegativeGenerator.of(context);
    return {
      ...(generator ? keptBy(generator) : STATELESS),
      step(input: StepInput) {
        const result = embedAndContrast(context, input.views, ([z], dim) =>
          contrastAcross(context, input, generator, z!, dim),
        );
        generator?.learn(input, 1);
        return result;
      },
    };
  },
};

function keptBy(generator: NegativeGenerator): typeof STATELESS {
  return {
    state: () => generator.state(),
    restore: (state) => generator.restore(state),
    dispose: () => generator.dispose(),
  };
}

/**
 * Loss and gradient with respect to this replica's z [2 · share, dim]. All embeddings are gathered, each replica takes
 * its own items' views as anchors, and a row's gradient is the sum of what all replicas' anchors do to it.
 */
function contrastAcross(
  { kernels, gather, seed }: MethodContext,
  input: StepInput,
  generator: NegativeGenerator | undefined,
  z: Float32Array,
  dim: number,
): Contrast {
  const { instanceIds, labels, objective, step } = input;
  const share = z.length / dim / 2;
  const batch = instanceIds.length;
  const count = 2 * batch;
  const first = gather.replica * share;
  // Global rows: first views of all items, then second views.
  const ranges = [first, batch + first] as const;
  gather.embeddings.set(z.subarray(0, share * dim), ranges[0] * dim);
  gather.embeddings.set(z.subarray(share * dim), ranges[1] * dim);
  gather.barrier();

  const { heap } = kernels;
  const length = count * dim;
  const { at, release } = takeWorkspace(heap, { rows: 4 * length, gradient: 4 * length });
  const own = { loss: 0, positiveSimilarity: 0, correct: 0 };
  try {
    floats(heap, at.rows, length).set(gather.embeddings.subarray(0, length));
    floats(heap, at.gradient, length).fill(0);
    // Both views of an item share what is generated for the first.
    const generated = generator?.generate(input, gather.embeddings.slice(0, batch * dim), 0);
    for (const from of ranges) {
      const part = contrastBatch(kernels, {
        rows: at.rows,
        count,
        dim,
        instanceIds,
        labels,
        anchors: [from, from + share],
        objective,
        gradient: at.gradient,
        mixing: { kind: 'random', random: (anchor) => randomStream(seed, PURPOSE_MIX, step, anchor) },
        generated,
      });
      own.loss += part.loss;
      own.positiveSimilarity += part.positiveSimilarity;
      own.correct += part.correct;
    }
    gather.ownEmbeddingGradient().set(floats(heap, at.gradient, length));
  } finally {
    release();
  }
  const figures = meanFigures(gather, own, count);

  const gradient = new Float32Array(z.length);
  ranges.forEach((from, view) => {
    const target = gradient.subarray(view * share * dim, (view + 1) * share * dim);
    gather.sumEmbeddingGradients(from * dim, (from + share) * dim, target);
  });
  return { ...figures, gradients: [gradient] };
}
