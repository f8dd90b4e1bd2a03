import type { EncoderGraph, Weights } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import type { AugmentRecipe } from '../images/index.js';
import { builtWorker } from './built-worker.js';

/** An encoder and the labelled pictures that it is fine-tuned on; plain data, so that it can be sent to a worker. */
export interface FineTuneTask {
  readonly graph: EncoderGraph;
  readonly weights: Weights;
  readonly size: number;
  /** Labelled pictures, uint8 [count, size, size, 3], and their classes [count], 0 … classes - 1. */
  readonly pictures: Uint8Array;
  readonly labels: Int32Array;
  readonly classes: number;
  /** Pictures to classify afterwards. */
  readonly test: Uint8Array;
  /** Augmentation; SimCLR's protocol has crops and flips, no colour. */
  readonly recipe: AugmentRecipe;
  readonly epochs: number;
  /** At least so many steps, where the epochs of a few pictures would come to fewer. */
  readonly leastSteps: number;
  /** At most; all pictures where they are fewer. */
  readonly batch: number;
  /** Peak of the cosine schedule. */
  readonly learningRate: number;
  readonly seed: number;
}

/** What SimCLR's protocol fixes (Chen et al. 2020, appendix B.5), and the least steps, which are ours. */
export const FINE_TUNE_DEFAULTS: Pick<FineTuneTask, 'leastSteps' | 'batch' | 'learningRate'> = {
  leastSteps: 300,
  batch: 64,
  learningRate: 0.05,
};

/** Epochs of the protocol: 60 at 1% of the labels, 30 at 10%. */
export function fineTuneEpochs(share: number): number {
  return share <= 0.01 ? 60 : 30;
}

export interface FineTuneOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: number, steps: number, loss: number) => void;
}

/** What the worker sends. */
export type FineTuneMessage =
  | { readonly type: 'step'; readonly step: number; readonly steps: number; readonly loss: number }
  | { readonly type: 'predicted'; readonly labels: Int32Array }
  | { readonly type: 'failed'; readonly message: string; readonly stack?: string | undefined };

/**
 * Fine-tunes the whole encoder with a new linear layer on h (average pooling) on labelled pictures, in a thread of its
 * own, and classifies the test pictures: SimCLR's protocol for few labels. Cross entropy, SGD with Nesterov momentum
 * 0.9, cosine schedule, no weight decay, batch norms in training mode; classification with running statistics. The same
 * task gives the same labels.
 *
 * @returns the class of each test picture
 * @throws `NM_SHAPE_MISMATCH`; `NM_WORKER_FAILED`; the signal's reason
 */
export async function fineTune(task: FineTuneTask, options: FineTuneOptions = {}): Promise<Int32Array> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const count = task.pictures.length / (task.size * task.size * 3);
  if (count !== task.labels.length || count === 0) {
    const found = `${count} pictures and ${task.labels.length} labels`;
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `fine-tuning: found ${found}, allowed: one label a picture, at least one`,
    );
  }
  const worker = builtWorker('fine-tune-worker.js', task);
  let stop: (() => void) | undefined;
  try {
    return await new Promise((resolve, reject) => {
      stop = () => reject(signal?.reason);
      signal?.addEventListener('abort', stop, { once: true });
      const failed = (message: string, cause?: unknown): void =>
        reject(new NearmissError('NM_WORKER_FAILED', `fine-tuning worker: ${message}`, { cause }));
      worker.on('message', (message: FineTuneMessage) => {
        if (message.type === 'step') onProgress?.(message.step, message.steps, message.loss);
        else if (message.type === 'predicted') resolve(message.labels);
        else failed(message.message, message.stack);
      });
      worker.on('error', (cause) => failed(cause.message, cause));
      worker.on('exit', (code) => failed(`ended with code ${code}`));
    });
  } finally {
    if (stop) signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
