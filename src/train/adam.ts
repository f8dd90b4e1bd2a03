import { adam, floats, type TrainingKernels } from '../kernels/index.js';
import type { Optimiser, OptimiserSettings, Parameter } from './optimiser.js';
import { forEachParameter, optimiserMemory } from './optimiser-memory.js';

/**
 * Adam's moments for all trained parameters, one after the other in the kernels' heap, and the gradients of the step
 * under way. A parameter is named by its offset in that order.
 */
export class AdamState {
  private readonly kernels: TrainingKernels;
  private readonly length: number;
  private readonly m: number;
  private readonly v: number;
  private readonly gradient: number;

  constructor(kernels: TrainingKernels, length: number) {
    this.kernels = kernels;
    this.length = length;
    this.m = kernels.heap.malloc(4 * length);
    this.v = kernels.heap.malloc(4 * length);
    this.gradient = kernels.heap.malloc(4 * length);
    floats(kernels.heap, this.m, length).fill(0);
    floats(kernels.heap, this.v, length).fill(0);
  }

  /** Takes over the gradients float32 [length] of a step. */
  setGradients(gradients: Float32Array): void {
    floats(this.kernels.heap, this.gradient, this.length).set(gradients);
  }

  /** Updates `length` numbers at `parameter`; `step` counts from 0. */
  update(
    parameter: number,
    offset: number,
    length: number,
    options: { readonly step: number; readonly learningRate: number; readonly weightDecay: number },
  ): void {
    adam(
      this.kernels,
      {
        parameter,
        m: this.m + 4 * offset,
        v: this.v + 4 * offset,
        gradient: this.gradient + 4 * offset,
        length,
      },
      { ...options, step: options.step + 1 },
    );
  }

  /** The moments, copied out. */
  state(): { m: Float32Array; v: Float32Array } {
    const { heap } = this.kernels;
    return { m: floats(heap, this.m, this.length).slice(), v: floats(heap, this.v, this.length).slice() };
  }

  restore(state: { readonly m: Float32Array; readonly v: Float32Array }): void {
    floats(this.kernels.heap, this.m, this.length).set(state.m);
    floats(this.kernels.heap, this.v, this.length).set(state.v);
  }

  dispose(): void {
    for (const address of [this.m, this.v, this.gradient]) this.kernels.heap.free(address);
  }
}

/** Adam (Kingma & Ba 2015, algorithm 1), or AdamW (Loshchilov & Hutter 2019, algorithm 2), in PyTorch's order. */
export function adamOptimiser(
  kernels: TrainingKernels,
  settings: Extract<OptimiserSettings, { kind: 'adam' | 'adamw' }>,
  parameters: readonly Parameter[],
): Optimiser {
  const { kind, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = settings;
  const memory = optimiserMemory(kernels, ['m', 'v'], parameters);
  return {
    ...memory,
    apply(gradient, { update, learningRate, weightDecay }) {
      forEachParameter(parameters, (parameter, offset) => {
        const addresses = {
          parameter: parameter.address(),
          m: memory.at.m + offset,
          v: memory.at.v + offset,
          gradient: gradient + offset,
          length: parameter.length,
        };
        const decoupled = kind === 'adamw';
        adam(kernels, addresses, { step: update + 1, learningRate, beta1, beta2, epsilon, weightDecay, decoupled });
      });
    },
  };
}
