import type { Objective } from './objective.js';
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
}

/**
 * Negatives of a ring of ranks (Wu et al. 2021, section 3.3): τ 0.07, inner 0.1, outer annealed from 1 to 0.1. With
 * `capacity` on a queue (ring on MoCo). The length of the annealing is ours: the paper's differ by data set.
 */
export function ring(options: RingOptions = {}): Objective {
  return parseObjective({
    temperature: options.temperature ?? 0.07,
    ...(options.capacity === undefined ? {} : { candidates: { kind: 'queue' as const, capacity: options.capacity } }),
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
