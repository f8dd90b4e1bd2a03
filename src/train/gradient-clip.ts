import type { TrainingKernels } from '../kernels/index.js';

/**
 * Scales the gradients float32 [length] at an address down to a global norm of `limit`, where theirs is larger (Pascanu
 * et al. 2013, algorithm 1; torch.nn.utils.clip_grad_norm_), and returns the norm they had. Gradients that are not
 * finite are left as they are.
 */
export function clipGradients({ exports }: TrainingKernels, gradient: number, length: number, limit: number): number {
  const norm = Math.sqrt(exports.squaredNorm(gradient, gradient, length, 0));
  if (norm > limit && Number.isFinite(norm)) exports.blend(gradient, gradient, length, limit / (norm + 1e-6), 0);
  return norm;
}
