import type * as tfCore from '@tensorflow/tfjs-core';
import { floats } from '../kernels/index.js';
import { contrastQueue, moco as mocoObjective, takeWorkspace } from '../negatives/index.js';
import { randomStream } from '../random.js';
import { type Contrast, embedAndContrast } from './embed.js';
import { meanFigures } from './figures.js';
import { KeyQueue } from './key-queue.js';
import type { Method, MethodContext, MethodRun, StepInput, StepResult } from './method.js';
import { MomentumEncoder } from './momentum-encoder.js';
import { NegativeGenerator } from './negative-generator.js';

const PURPOSE_MIX = 0x3c;

/**
 * MoCo (He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", algorithm 1): the query is
 * the first view's embedding, the key the second's by an encoder that follows slowly, and the negatives are a queue of
 * earlier keys. With a ring or ball on the queue it is Wu et al. 2021's, with `mix` MoCHi (Kalantidis et al. 2020), with
 * `generate` it has an adversary (Wang et al. 2021).
 *
 * The momentum encoder moves after the optimiser's step (as in CMC's code; the ring's and MoCHi's move it before the
 * keys are embedded). Keys go into the queue before the loss instead of after it, where the anchor's own are masked: so the
 * first step has negatives. Nothing is shuffled for batch norm: see `MomentumEncoder`.
 */
export const moco: Method = {
  name: 'moco',
  title: 'a queue of earlier keys by a momentum encoder (He et al. 2020)',
  views: 2,
  positives: 'views',
  candidates: { kind: 'queue', capacity: 4096 },
  heads: 1,
  options: {
    // The paper's 0.999 is for hundreds of thousands of updates: over a few hundred the keys would stay where they began.
    momentum: { default: 0.99, from: 0, below: 1, help: 'share of its old weights that the key encoder keeps' },
  },
  // τ of MoCo v2 (Chen et al. 2020): 0.07 of the first version is for ImageNet.
  objective: () => mocoObjective({ temperature: 0.2 }),
  start: (context) => new MocoRun(context),
};

class MocoRun implements MethodRun {
  private readonly context: MethodContext;
  private readonly keyEncoder: MomentumEncoder;
  private readonly queue: KeyQueue;
  private readonly generator: NegativeGenerator | undefined;

  constructor(context: MethodContext) {
    const { candidates } = context.objective;
    this.context = context;
    this.keyEncoder = new MomentumEncoder(context, context.options['momentum']!);
    this.queue = new KeyQueue(context, candidates?.kind === 'queue' ? candidates.capacity : 0);
    this.generator = NegativeGenerator.of(context);
  }

  step(input: StepInput): StepResult {
    const { tf, gather } = this.context;
    const share = input.instanceIds.length / gather.replicas;
    const view = (index: number): tfCore.Tensor4D => tf.slice(input.views, index * share, share);
    const [first, second] = [view(0), view(1)];
    const keys = this.keyEncoder.embed(second);
    this.queue.push(gather.allGather(keys), input.instanceIds);
    const result = embedAndContrast(this.context, first, ([queries], dim) =>
      this.contrast(input, queries!, keys, share, dim),
    );
    this.keyEncoder.observe(result.statistics);
    this.generator?.learn(input, 1 / gather.replicas);
    tf.dispose([first, second]);
    return result;
  }

  /** The queries' loss over their keys and the queue; keys and queue are constants. */
  private contrast(input: StepInput, queries: Float32Array, keys: Float32Array, share: number, dim: number): Contrast {
    const { kernels, gather, seed } = this.context;
    const { heap } = kernels;
    const first = gather.replica * share;
    const batch = input.instanceIds.length;
    const length = share * dim;
    const { at, release } = takeWorkspace(heap, { queries: 4 * length, keys: 4 * length, gradient: 4 * length });
    try {
      floats(heap, at.queries, length).set(queries);
      floats(heap, at.keys, length).set(keys);
      floats(heap, at.gradient, length).fill(0);
      const generated = this.generator?.generate(input, keys, first);
      const sums = contrastQueue(kernels, {
        queries: at.queries,
        keys: at.keys,
        count: share,
        dim,
        candidates: this.queue.candidates,
        instanceIds: input.instanceIds.subarray(first, first + share),
        objective: input.objective,
        gradient: at.gradient,
        mixing: { kind: 'random', random: (anchor) => randomStream(seed, PURPOSE_MIX, input.step, first + anchor) },
        generated,
      });
      // The kernel's gradient is of the mean over its own anchors.
      const gradient = floats(heap, at.gradient, length).map((value) => (value * share) / batch);
      return { ...meanFigures(gather, sums, batch), gradients: [gradient] };
    } finally {
      release();
    }
  }

  updated(): void {
    this.keyEncoder.follow();
  }

  state(): ReturnType<MethodRun['state']> {
    return { ...this.keyEncoder.state(), ...this.queue.state(), ...this.generator?.state() };
  }

  restore(state: ReturnType<MethodRun['state']>): void {
    this.keyEncoder.restore(state);
    this.queue.restore(state);
    this.generator?.restore(state);
  }

  dispose(): void {
    this.keyEncoder.dispose();
    this.queue.dispose();
    this.generator?.dispose();
  }
}
