import type { TrainingKernels } from '../kernels/index.js';
import type { Optimiser, OptimiserSettings, Parameter } from './optimiser.js';
import { forEachParameter, optimiserMemory } from './optimiser-memory.js';

/**
 * Gradient descent with momentum, as torch.optim.SGD orders it: weight decay is added to the gradient g, the velocity is
 * v = momentum·v + g, and the parameter loses rate·v, or with Nesterov's look ahead rate·(momentum·v + g).
 */
export function sgdOptimiser(
  kernels: TrainingKernels,
  settings: Extract<OptimiserSettings, { kind: 'sgd' }>,
  parameters: readonly Parameter[],
): Optimiser {
  const { momentum = 0.9, nesterov = false } = settings;
  const memory = optimiserMemory(kernels, ['velocity'], parameters);
  return {
    ...memory,
    apply(gradient, { learningRate, weightDecay }) {
      forEachParameter(parameters, (parameter, offset) => {
        kernels.exports.momentumStep(
          parameter.address(),
          memory.at.velocity + offset,
          gradient + offset,
          parameter.length,
          momentum,
          1,
          learningRate,
          weightDecay,
          nesterov ? 1 : 0,
        );
      });
    },
  };
}
