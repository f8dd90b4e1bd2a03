import { adam, type TrainingKernels } from '../kernels/index.js';
import type { Optimiser, OptimiserSettings, Parameter } from './optimiser.js';
import { forEachParameter, optimiserMemory } from './optimiser-memory.js';

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
