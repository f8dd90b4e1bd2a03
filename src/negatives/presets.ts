import { NearmissError } from '../errors.js';
import type { LossForm, Objective } from './objective.js';
import { parseObjective } from './parse-objective.js';
import type { Setting } from './schedules.js';

/** NT-Xent (Chen et al. 2020, "A Simple Framework for Contrastive Learning", equation 1). */
export function ntxent(options: { readonly temperature?: Setting } = {}): Objective {
  return parseObjective({ temperature: options.temperature ?? 0.5 });
}

/** Debiased contrastive loss (Chuang et al. 2020, equation 8): τ 0.5, τ⁺ 0.1. */
export function debiased(options: { readonly temperature?: Setting; readonly tauPlus?: Setting } = {}): Objective {
  return parseObjective({
    temperature: options.temperature ?? 0.5,
    weight: { tauPlus: options.tauPlus ?? 0.1 },
  });
}

/** Hard negatives by importance weights (Robinson et al. 2021, equation 4 and its code): τ 0.5, β 1, τ⁺ 0.1. */
export function hcl(
  options: { readonly temperature?: Setting; readonly beta?: Setting; readonly tauPlus?: Setting } = {},
): Objective {
  return parseObjective({
    temperature: options.temperature ?? 0.5,
    weight: { beta: options.beta ?? 1, tauPlus: options.tauPlus ?? 0.1 },
  });
}

/** Momentum contrast (He et al. 2020): all rows of a queue of earlier keys, τ 0.07. Capacity default 4096. */
export function moco(options: { readonly temperature?: Setting; readonly capacity?: number } = {}): Objective {
  return parseObjective({
    temperature: options.temperature ?? 0.07,
    candidates: { kind: 'queue', capacity: options.capacity ?? 4096 },
  });
}

export interface RingOptions {
  readonly temperature?: Setting;
  readonly inner?: Setting;
  /** Default: from 1 to 0.1, linear over the first half of the run. */
  readonly outer?: Setting;
  readonly innerOfOuter?: boolean;
  readonly neighbourViews?: boolean;
  readonly positiveInPartition?: boolean;
  /** Rows of a queue to choose from; default: the batch. */
  readonly capacity?: number;
  /** Rows drawn from the ring of a bank, which is then what is chosen from. Not together with `capacity`. */
  readonly draws?: number;
}

function ringCandidates({ capacity, draws }: RingOptions): Pick<Objective, 'candidates'> {
  if (capacity !== undefined && draws !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', 'capacity: found one beside draws, allowed: either a queue or a bank');
  }
  if (capacity !== undefined) return { candidates: { kind: 'queue', capacity } };
  return draws === undefined ? {} : { candidates: { kind: 'bank', draws } };
}

/**
 * Negatives of a ring of ranks (Wu et al. 2021, section 3.3): τ 0.07, inner 0.1, outer annealed from 1 to 0.1. With
 * `capacity` on a queue (ring on MoCo), with `draws` on a bank (ring on IR and CMC). The length of the annealing is ours: the paper's differ by data set.
 */
export function ring(options: RingOptions = {}): Objective {
  return parseObjective({
    temperature: options.temperature ?? 0.07,
    ...ringCandidates(options),
    select: {
      kind: 'ring',
      inner: options.inner ?? 0.1,
      outer: options.outer ?? { schedule: 'linear', from: 1, to: 0.1, until: 0.5 },
      ...(options.innerOfOuter === undefined ? {} : { innerOfOuter: options.innerOfOuter }),
      ...(options.neighbourViews === undefined ? {} : { neighbourViews: options.neighbourViews }),
    },
    ...(options.positiveInPartition === undefined ? {} : { positiveInPartition: options.positiveInPartition }),
  });
}

/** The hardest candidates without an inner limit (Wu et al. 2021, section 3.2): a ring with inner 0. */
export function ball(options: Omit<RingOptions, 'inner' | 'innerOfOuter' | 'neighbourViews'> = {}): Objective {
  return ring({ ...options, inner: 0 });
}

/**
 * Instance discrimination (Wu et al. 2018): the negatives are rows drawn from a bank, τ 0.07, 4,096 draws. Softmax by
 * default: the NCE loss of the paper needs a normaliser that small data sets estimate badly.
 */
export function instance(
  options: { readonly temperature?: Setting; readonly draws?: number; readonly loss?: LossForm } = {},
): Objective {
  return parseObjective({
    temperature: options.temperature ?? 0.07,
    candidates: { kind: 'bank', draws: options.draws ?? 4096 },
    ...(options.loss === undefined ? {} : { loss: options.loss }),
  });
}

/**
 * MoCHi (Kalantidis et al. 2020): MoCo with mixes of an anchor's N hardest negatives, τ 0.2, after a tenth of the run
 * without. N a sixteenth of the queue, s half of N, s′ a quarter of it: for small queues (ours; the paper's queue of
 * 65,536 rows takes 1024, 1024 and 128).
 */
export function mochi(
  options: {
    readonly temperature?: Setting;
    /** Default 4096. */
    readonly capacity?: number;
    readonly hardest?: Setting;
    readonly pairs?: Setting;
    readonly queries?: Setting;
    readonly warmup?: number;
  } = {},
): Objective {
  const { capacity = 4096, warmup = 0.1 } = options;
  const hardest = options.hardest ?? Math.max(Math.min(32, capacity), Math.floor(capacity / 16));
  const scale = typeof hardest === 'number' ? hardest : 64;
  return parseObjective({
    temperature: options.temperature ?? 0.2,
    candidates: { kind: 'queue', capacity },
    synthesise: {
      kind: 'mix',
      hardest,
      pairs: options.pairs ?? Math.ceil(scale / 2),
      queries: options.queries ?? Math.ceil(scale / 4),
      warmup,
    },
  });
}

/**
 * Negatives of an adversarial generator beside those of the batch (Wang et al. 2021, for one embedding a picture): τ
 * 0.2, 64 an anchor, after a tenth of the run without. With `capacity` beside those of a queue.
 */
export function generated(
  options: {
    readonly temperature?: Setting;
    readonly perAnchor?: number;
    readonly share?: Setting;
    readonly warmup?: number;
    readonly capacity?: number;
  } = {},
): Objective {
  const { temperature = 0.2, perAnchor = 64, share, warmup = 0.1, capacity } = options;
  return parseObjective({
    temperature,
    ...(capacity === undefined ? {} : { candidates: { kind: 'queue' as const, capacity } }),
    synthesise: { kind: 'generate', perAnchor, ...(share === undefined ? {} : { share }), warmup },
  });
}

/** Supervised contrastive loss (Khosla et al. 2020, equation 2): all rows of a label are positives, τ 0.1. */
export function supcon(options: { readonly temperature?: Setting } = {}): Objective {
  return parseObjective({ temperature: options.temperature ?? 0.1, positives: 'labels' });
}
