import type { TrainingKernels } from '../kernels/index.js';
import { adamOptimiser } from './adam.js';
import { larsOptimiser } from './lars.js';
import type { Optimiser, OptimiserSettings, Parameter } from './optimiser.js';
import { sgdOptimiser } from './sgd.js';

/** The optimiser that the settings name, its memory zero. */
export function createOptimiser(
  kernels: TrainingKernels,
  settings: OptimiserSettings,
  parameters: readonly Parameter[],
): Optimiser {
  switch (settings.kind) {
    case 'adam':
    case 'adamw':
      return adamOptimiser(kernels, settings, parameters);
    case 'sgd':
      return sgdOptimiser(kernels, settings, parameters);
    case 'lars':
      return larsOptimiser(kernels, settings, parameters);
  }
}
