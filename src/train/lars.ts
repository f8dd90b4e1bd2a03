import type { TrainingKernels } from '../kernels/index.js';
import type { Optimiser, OptimiserSettings, Parameter } from './optimiser.js';
import { forEachParameter, optimiserMemory } from './optimiser-memory.js';

/**
 * Layer-wise adaptive rate scaling (You et al. 2017, "Large Batch Training of Convolutional Networks"), in the form of
 * SimCLR's code (lars_optimizer.py, classic momentum): with g = gradient + decay·w each tensor's rate is
 * rate·trust·|w|/|g| (the rate itself where a norm is 0), and v = momentum·v + that·g is taken off. Biases and norms are
 * neither decayed nor adapted.
 */
export function larsOptimiser(
  kernels: TrainingKernels,
  settings: Extract<OptimiserSettings, { kind: 'lars' }>,
  parameters: readonly Parameter[],
): Optimiser {
  const { momentum = 0.9, nesterov = false, trust = 0.001 } = settings;
  const { exports } = kernels;
  const memory = optimiserMemory(kernels, ['velocity'], parameters);
  return {
    ...memory,
    apply(gradient, { learningRate, weightDecay }) {
      forEachParameter(parameters, (parameter, offset) => {
        const { length, plain } = parameter;
        const [address, slope] = [parameter.address(), gradient + offset];
        const decay = plain ? 0 : weightDecay;
        let rate = learningRate;
        if (!plain) {
          const weights = Math.sqrt(exports.squaredNorm(address, address, length, 0));
          const slopes = Math.sqrt(exports.squaredNorm(slope, address, length, decay));
          if (weights > 0 && slopes > 0) rate *= (trust * weights) / slopes;
        }
        const velocity = memory.at.velocity + offset;
        exports.momentumStep(address, velocity, slope, length, momentum, rate, 1, decay, nesterov ? 1 : 0);
      });
    },
  };
}
