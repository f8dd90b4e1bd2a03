import { floats } from '../kernels/index.js';
import { type BankCandidates, bankCandidates, contrastBank, takeWorkspace } from '../negatives/index.js';
import { randomStream } from '../random.js';
import type { FigureSums } from './figures.js';
import { pushRows } from './key-queue.js';
import type { MethodContext, MethodState, StepInput } from './method.js';
import { savedFloats, savedIntegers } from './saved-state.js';

const PURPOSE_BANK = 0xba;
const PURPOSE_DRAW = 0xd5;
/** The normaliser's state before its first estimate. */
const UNSET = 0;

/** Sums over this replica's anchors, and the gradient of the whole batch's mean by them [anchors, dim]. */
export interface BankContrast extends FigureSums {
  readonly gradient: Float32Array;
}

/**
 * A bank of one embedding an item (Wu et al. 2018, section 3.1) with the normaliser Z of its NCE criterion. Z is
 * estimated on the first batch and then follows the estimates of the batches, of which it keeps `zMomentum` (1: the
 * first one for ever, as the reference code does). All replicas push all features, so their banks are equal.
 */
export class MemoryBank {
  private readonly context: MethodContext;
  private readonly name: string;
  private readonly bank: BankCandidates;
  private readonly zMomentum: number;
  private normaliser = UNSET;
  /** Items that have been in a batch [items]: 1, else 0. */
  private readonly seen: Int32Array;

  /** `name` tells the banks of a method apart. */
  constructor(context: MethodContext, name: string, index: number) {
    const { kernels, items, options, objective, graph, seed } = context;
    this.context = context;
    this.name = name;
    this.bank = bankCandidates(kernels.heap, {
      items,
      dim: graph.head[2],
      momentum: options['momentum']!,
      random: randomStream(seed, PURPOSE_BANK, index),
    });
    this.seen = new Int32Array(items);
    this.zMomentum = objective.loss?.kind === 'nce' ? (objective.loss.zMomentum ?? 0.99) : 1;
  }

  /**
   * Gives items of the batch that are new to the bank their features [batch, dim] for rows: there is nothing to learn
   * from a random row, which in the published code is the positive of a whole first epoch.
   */
  welcome(all: Float32Array, instanceIds: Int32Array): void {
    const { rows, capacity, dim } = this.bank;
    const bank = floats(this.context.kernels.heap, rows, capacity * dim);
    instanceIds.forEach((item, place) => {
      if (this.seen[item] === 1) return;
      this.seen[item] = 1;
      bank.set(all.subarray(place * dim, (place + 1) * dim), item * dim);
    });
  }

  /**
   * The loss of this replica's features [share, dim], which all are anchors: positives are their items' rows, negatives
   * rows drawn by (seed, step, place in the batch), so that two banks are drawn from alike.
   */
  contrast(input: StepInput, features: Float32Array): BankContrast {
    const { kernels, gather, seed } = this.context;
    const { heap } = kernels;
    const { dim } = this.bank;
    const batch = input.instanceIds.length;
    const share = batch / gather.replicas;
    const first = gather.replica * share;
    const own = input.instanceIds.slice(first, first + share);
    const length = share * dim;
    const { at, release } = takeWorkspace(heap, { queries: 4 * length, gradient: 4 * length });
    const run = (normaliser: number | undefined): ReturnType<typeof contrastBank> => {
      floats(heap, at.queries, length).set(features);
      floats(heap, at.gradient, length).fill(0);
      return contrastBank(kernels, {
        queries: at.queries,
        count: share,
        dim,
        bank: this.bank,
        own,
        instanceIds: own,
        objective: input.objective,
        draws: { kind: 'random', random: (anchor) => randomStream(seed, PURPOSE_DRAW, input.step, first + anchor) },
        normaliser,
        gradient: at.gradient,
      });
    };
    try {
      const nce = input.objective.loss === 'nce';
      if (nce && this.normaliser === UNSET) this.normaliser = this.meanEstimate(run(undefined));
      const sums = run(nce ? this.normaliser : undefined);
      if (nce) this.follow(this.meanEstimate(sums));
      const gradient = floats(heap, at.gradient, length).map((value) => (value * share) / batch);
      const { loss, positiveSimilarity, correct } = sums;
      return { loss, positiveSimilarity, correct, gradient };
    } finally {
      release();
    }
  }

  /** Z by the whole batch: all replicas must use the same one. Float32, as the checkpoint keeps it. */
  private meanEstimate({ normaliser = UNSET }: ReturnType<typeof contrastBank>): number {
    const { gather } = this.context;
    const [sum = 0] = gather.sumFigures([normaliser]);
    return Math.fround(sum / gather.replicas);
  }

  private follow(estimate: number): void {
    this.normaliser = Math.fround(this.zMomentum * this.normaliser + (1 - this.zMomentum) * estimate);
  }

  /** Moves the rows of the whole batch's items towards their features [batch, dim], from before the step. */
  push(all: Float32Array, instanceIds: Int32Array): void {
    pushRows(this.context, this.bank, all, instanceIds);
  }

  state(): MethodState {
    const { rows, capacity, dim } = this.bank;
    return {
      [`${this.name}.rows`]: {
        shape: [capacity, dim],
        data: floats(this.context.kernels.heap, rows, capacity * dim).slice(),
      },
      [`${this.name}.normaliser`]: { shape: [1], data: Float32Array.of(this.normaliser) },
      [`${this.name}.seen`]: { shape: [capacity], data: this.seen.slice() },
    };
  }

  restore(state: MethodState): void {
    const { capacity, dim } = this.bank;
    this.bank.restore(savedFloats(state, `${this.name}.rows`, [capacity, dim]));
    this.normaliser = savedFloats(state, `${this.name}.normaliser`, [1])[0]!;
    this.seen.set(savedIntegers(state, `${this.name}.seen`, capacity));
  }

  dispose(): void {
    this.bank.release();
  }
}
