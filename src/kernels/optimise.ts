import type { BoundKernels } from './heap.js';

/** Kernels of assembly/optimise.ts. */
export interface OptimiseExports {
  adamStep(
    parameter: number,
    m: number,
    v: number,
    gradient: number,
    length: number,
    beta1: number,
    complement1: number,
    beta2: number,
    complement2: number,
    stepSize: number,
    rootScale: number,
    epsilon: number,
    decay: number,
    shrink: number,
  ): void;
  /** g = gain·(gradient + decay·parameter), v = momentum·v + g, parameter -= rate·(v, or momentum·v + g for nesterov). */
  momentumStep(
    parameter: number,
    v: number,
    gradient: number,
    length: number,
    momentum: number,
    gain: number,
    rate: number,
    decay: number,
    nesterov: number,
  ): void;
  /** target = keep·target + add·source. */
  blend(target: number, source: number, length: number, keep: number, add: number): void;
  /** Σ (values + scale·others)². */
  squaredNorm(values: number, others: number, length: number, scale: number): number;
}

/** Adam's memory: addresses of float32 [length] in the kernels' heap. All but the gradient are updated in place. */
export interface AdamAddresses {
  readonly parameter: number;
  /** First and second moments, zero before the first step. */
  readonly m: number;
  readonly v: number;
  readonly gradient: number;
  readonly length: number;
}

export interface AdamOptions {
  /** Number of this step, from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0. Added to the gradient (L2) as torch.optim.Adam does, or taken off the parameter when `decoupled`. */
  readonly weightDecay?: number;
  /** Default false. True decays as AdamW (Loshchilov & Hutter 2019, algorithm 2). */
  readonly decoupled?: boolean;
}

/** One step of Adam (Kingma & Ba 2015, algorithm 1, with bias correction), fused and in place. */
export function adam(kernels: BoundKernels<OptimiseExports>, addresses: AdamAddresses, options: AdamOptions): void {
  const { parameter, m, v, gradient, length } = addresses;
  const { step, learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { weightDecay = 0, decoupled = false } = options;
  kernels.exports.adamStep(
    parameter,
    m,
    v,
    gradient,
    length,
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    learningRate / (1 - beta1 ** step),
    1 / Math.sqrt(1 - beta2 ** step),
    epsilon,
    decoupled ? 0 : weightDecay,
    decoupled ? 1 - learningRate * weightDecay : 1,
  );
}
