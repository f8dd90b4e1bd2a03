import { availableParallelism } from 'node:os';
import type { EncoderGraph, Weights } from '../encoders/index.js';
import { NO_AUGMENTATION } from '../images/index.js';
import { ntxent } from '../negatives/index.js';
import { allocateExchange } from './exchange.js';
import { Team } from './team.js';

/** An encoder in worker threads, as the trainer itself runs it. */
export interface TrainerEncoder {
  /** Pooled features float32 [count, pool · pool · channels] of uint8 pictures [count, size, size, 3]. */
  features(pictures: Uint8Array): Promise<Float32Array>;
  /** Projections z float32 [count, head output], unit length: what the loss compares. */
  projections(pictures: Uint8Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * The trainer's own forward pass, for checks of an export and for pictures of an encoder before training. With
 * `calibrate` the batch norms' statistics are first fitted to those pictures (one batch).
 */
export async function openTrainerEncoder(options: {
  readonly graph: EncoderGraph;
  readonly weights: Weights;
  readonly size: number;
  readonly pool: 1 | 2;
  readonly workers?: number;
  readonly calibrate?: Uint8Array;
}): Promise<TrainerEncoder> {
  const { graph, weights, size, pool, calibrate } = options;
  const replicas = options.workers ?? Math.min(4, availableParallelism());
  const nothing = { size, data: new Uint8Array(0) };
  const team = await Team.start({
    graph,
    weights,
    replica: 0,
    exchange: allocateExchange({ replicas, views: 0, dim: 0, values: 0 }),
    sources: [nothing, nothing],
    rows: new Int32Array(0),
    recipe: NO_AUGMENTATION,
    method: 'simclr',
    methodOptions: {},
    objective: ntxent(),
    seed: 0,
    batch: replicas,
    learningRate: 1,
    warmup: 0,
    weightDecay: 0,
    updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
  });
  if (calibrate) await team.calibrate(calibrate, size);
  return {
    features: (pictures) => team.features(pictures, size, pool),
    projections: (pictures) => team.projections(pictures, size),
    close: () => team.close(),
  };
}
