import type { SpecResult } from './suite.js';

/** Names of gradient and training specs in tfjs-core 4.22. */
const TRAINING_NAMES = /grad|backprop|optim|derivative/i;

/** How many specs of tfjs-core 4.22 have such names; another number means that the suite is not the one counted on. */
export const TRAINING_SPECS = 573;

export function hasTrainingName(name: string): boolean {
  return TRAINING_NAMES.test(name);
}

/** A gradient or training spec by its name, or one that was seen asking for gradients although its name does not say so. */
export function isTrainingSpec(spec: SpecResult): boolean {
  return hasTrainingName(spec.name) || spec.differentiates;
}
