import type { Setting } from './schedules.js';

/** Every candidate is a negative. */
export interface SelectAll {
  readonly kind: 'all';
}

/**
 * Of n candidates, ranked by similarity to the anchor with the hardest first, those from the inner to the outer
 * fraction: ranks [start, end) with end = floor(outer·n) and start = floor(inner·end), or floor(inner·n) without
 * `innerOfOuter` (Wu et al. 2021, "Conditional Negative Sampling", section 3; inner 0 is their ball).
 */
export interface SelectRing {
  readonly kind: 'ring';
  /** In [0, 1). */
  readonly inner: Setting;
  /** In (0, 1]. */
  readonly outer: Setting;
  /** `inner` is a fraction of the outer part, not of all candidates; default true. */
  readonly innerOfOuter?: boolean;
  /** Candidates ahead of the ring count as further positives (their local aggregation variant); default false. */
  readonly neighbourViews?: boolean;
}

/** Importance weights (Robinson et al. 2021, "Contrastive Learning with Hard Negative Samples", section 4). */
export interface Weight {
  /** Concentration on hard negatives, 0 or more; 0 weighs all the same; default 0. */
  readonly beta?: Setting;
  /** Probability that a negative is of the anchor's class, in [0, 1) (Chuang et al. 2020); default 0. */
  readonly tauPlus?: Setting;
}

/**
 * Where negatives come from: the other rows of the batch, a queue of earlier keys, or a bank with one row an item, of
 * which `draws` are drawn for each anchor from what the objective selects, with replacement.
 */
export type CandidateSource =
  | { readonly kind: 'batch' }
  | { readonly kind: 'queue'; readonly capacity: number }
  | { readonly kind: 'bank'; readonly draws: number };

/**
 * Negatives that no picture has (Kalantidis et al. 2020, "Hard Negative Mixing for Contrastive Learning", sections 3.2
 * and 3.3): unit-length mixes of pairs of an anchor's hardest candidates, and of one of them with the anchor itself.
 */
export interface SynthesiseMix {
  readonly kind: 'mix';
  /** N: how many of the hardest candidates are mixed, 1 or more. */
  readonly hardest: Setting;
  /** s: mixes of two candidates an anchor. */
  readonly pairs: Setting;
  /** s′: mixes of a candidate and the anchor. */
  readonly queries: Setting;
  /** Part of the run, in [0, 1), that goes without; default 0. */
  readonly warmup?: number;
}

/** Negatives of an adversarial generator (Wang et al. 2021, "Instance-wise Hard Negative Example Generation"). */
export interface SynthesiseGenerate {
  readonly kind: 'generate';
  /** Negatives an anchor; an even number, as the diversity term compares their halves. */
  readonly perAnchor: number;
  /** Each counts as so many, above 0; default 1. Below 1 it keeps the generator from ruling the loss. */
  readonly share?: Setting;
  /** Part of the run, in [0, 1), that goes without; default 0. */
  readonly warmup?: number;
}

/**
 * How positive and negatives compete: `softmax` is the objective's log(1 + N/x_positive), `nce` the binary estimate of
 * Wu et al. 2018 ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination", section 3.2), which needs
 * a bank, and no importance weights.
 */
export type LossForm =
  | { readonly kind: 'softmax' }
  | {
      readonly kind: 'nce';
      /** Share of the old normaliser that a step keeps, in [0, 1]; 1 is one estimate for ever; default 0.99. */
      readonly zMomentum?: number;
    };

/**
 * A contrastive objective as data that goes through JSON: candidates, selection, weights and loss, in any combination.
 * Per anchor, with x = e^(similarity/τ) and w = x^β over its n selected negatives,
 *
 *     R = n·Σ w x / Σ w,   N = max((R - τ⁺·n·x_positive)/(1 - τ⁺), n·e^(-1/τ)),   loss = log(1 + N/x_positive).
 */
export interface Objective {
  /** Above 0. */
  readonly temperature: Setting;
  /** Default: the batch. */
  readonly candidates?: CandidateSource;
  /** Default: nothing is added. */
  readonly synthesise?: SynthesiseMix | SynthesiseGenerate;
  /** Default: all. Ranks count synthetic negatives too. */
  readonly select?: SelectAll | SelectRing;
  readonly weight?: Weight;
  /** The positive is a term of the partition sum too (1 + above); default true. */
  readonly positiveInPartition?: boolean;
  /** An anchor's positives: its item's other view, or all rows of its label (batch only); default views. */
  readonly positives?: 'views' | 'labels';
  /** Default: softmax. */
  readonly loss?: LossForm;
}

/** An objective at one step: plain numbers, all defaults filled in. */
export interface ResolvedObjective {
  readonly temperature: number;
  readonly select:
    | { readonly kind: 'all' }
    | {
        readonly kind: 'ring';
        readonly inner: number;
        readonly outer: number;
        readonly innerOfOuter: boolean;
        readonly neighbourViews: boolean;
      };
  /** Absent where nothing is added at this step. */
  readonly synthesise?: ResolvedMix | ResolvedGenerate;
  readonly beta: number;
  readonly tauPlus: number;
  readonly positiveInPartition: boolean;
  /** Rows drawn for an anchor from a bank; absent with other candidates. */
  readonly draws?: number;
  /** Absent where the other view is the only positive. */
  readonly positives?: 'labels';
  /** Absent for softmax. */
  readonly loss?: 'nce';
}

/** `SynthesiseMix` at one step. */
export interface ResolvedMix {
  readonly kind: 'mix';
  readonly hardest: number;
  readonly pairs: number;
  readonly queries: number;
}

/** `SynthesiseGenerate` at one step. */
export interface ResolvedGenerate {
  readonly kind: 'generate';
  readonly perAnchor: number;
  readonly share: number;
}
