import type * as tfCore from '@tensorflow/tfjs-core';
import type { EncoderGraph, EncoderTensors } from '../encoders/index.js';
import type { AugmentRecipe } from '../images/index.js';
import type { TrainingKernels } from '../kernels/index.js';
import type { CandidateSource, Objective, ResolvedObjective } from '../negatives/index.js';
import type { Gather } from './gather.js';

/** A number that a method has beside those of its objective, such as the momentum of its key encoder. */
export interface MethodOption {
  readonly default: number;
  /** Least value, and the value that it stays below. */
  readonly from: number;
  readonly below: number;
  /** What it is, for people. */
  readonly help: string;
}

/**
 * How an encoder is trained, as a recipe over the blocks of `encoders/` and `negatives/`: what a step asks of the data,
 * what it keeps from step to step, and what it does. Everything that differs between methods is asked of this object;
 * nothing outside a method's own file knows its name.
 */
export interface Method {
  readonly name: string;
  /** One line: what it is and whose. */
  readonly title: string;
  /** Augmented views of an item that a step embeds; with paired sources the first is of one, the second of the other. */
  readonly views: 1 | 2;
  /** What an anchor's positives are: its item's other view or row, or all of its label (the data must have labels). */
  readonly positives: 'views' | 'labels';
  /** Where negatives come from, with the default size: filled in where an objective does not say. */
  readonly candidates: CandidateSource;
  /** Projection heads of the encoder: one on all channels, or one for each of its parts. */
  readonly heads: 1 | 2;
  readonly options: Readonly<Record<string, MethodOption>>;
  /** Augmentation where none is given and the usual one would not do. */
  readonly augment?: AugmentRecipe;
  /** The objective where none is given. */
  objective(): Objective;
  /** Takes up the encoder; the result owns what it allocates until `dispose`. */
  start(context: MethodContext): MethodRun;
}

/** What a method works with over a run, on one replica. */
export interface MethodContext {
  readonly tf: typeof tfCore;
  readonly kernels: TrainingKernels;
  readonly graph: EncoderGraph;
  /** The encoder's tensors by name. The optimiser changes them in place between steps. */
  readonly tensors: EncoderTensors;
  /** Those of `tensors` that are trained. */
  readonly trainable: readonly tfCore.Variable[];
  readonly gather: Gather;
  /** Whether the trained encoder's batch norms take their statistics over all replicas. Default false. */
  readonly syncBatchNorm?: boolean | undefined;
  readonly objective: Objective;
  /** All of the method's options. */
  readonly options: Readonly<Record<string, number>>;
  /** Items of the data set; instance ids are 0 … items - 1. */
  readonly items: number;
  readonly seed: number;
}

/** One step's share of this replica. */
export interface StepInput {
  readonly step: number;
  /** The objective's numbers at this step. */
  readonly objective: ResolvedObjective;
  /** Learning rate of the encoder at this step; what else a method trains follows it. */
  readonly learningRate: number;
  /** Normalised pictures [views · share, size, size, 3]: first views of this replica's items, then second views. */
  readonly views: tfCore.Tensor4D;
  /** Ids of the whole batch's items [batch]; this replica's share lies at replica · share. */
  readonly instanceIds: Int32Array;
  /** Labels of the same items [batch], where the data has them. */
  readonly labels?: Int32Array | undefined;
}

/** Figures of a step over the whole batch, the same on every replica. */
export interface StepLoss {
  /** Mean loss of the anchors. */
  readonly loss: number;
  /** Mean cosine of anchor and positive. */
  readonly positiveSimilarity: number;
  /** Share of the anchors whose positive is closer than every candidate. */
  readonly accuracy: number;
}

/** What a step found. Its tensors belong to the caller. */
export interface StepResult extends StepLoss {
  /** Gradient of the batch's mean loss through this replica's pictures, by variable name. */
  readonly gradients: tfCore.NamedTensorMap;
  /** Channel means and biased variances that this replica's batch norms saw. */
  readonly statistics: readonly { norm: string; mean: tfCore.Tensor1D; variance: tfCore.Tensor1D }[];
}

/** An array that a checkpoint keeps, row-major. */
export interface SavedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** What a method keeps from step to step beside the encoder's weights: queue, bank, momentum encoder. */
export type MethodState = Readonly<Record<string, SavedArray>>;

/** A method at work on one replica. All replicas hold the same state, to the bit, between steps. */
export interface MethodRun {
  /** Loss and gradients of one step; also moves what the method keeps, except for what waits for `updated`. */
  step(input: StepInput): StepResult;
  /** Called once the optimiser has changed the encoder: momentum encoders follow it. */
  updated?(): void;
  /** Copies of what the method keeps. */
  state(): MethodState;
  /** Takes up saved state; `NM_SHAPE_MISMATCH` where it is not this run's. */
  restore(state: MethodState): void;
  dispose(): void;
}

/** For methods that keep nothing. */
export const STATELESS: Pick<MethodRun, 'state' | 'restore' | 'dispose'> = {
  state: () => ({}),
  restore: () => undefined,
  dispose: () => undefined,
};
