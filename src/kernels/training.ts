import type { AugmentExports } from './augment.js';
import type { Heap } from './heap.js';
import { chooseTier, compileModule, type SimdTier, selfCheck } from './load.js';

/** What the training module exports; each kernel's file declares its part. */
export interface TrainingExports extends AugmentExports {
  probeMadd(a: number, b: number, c: number): number;
}

/** The training kernels, bound to one heap. */
export interface TrainingKernels {
  readonly tier: SimdTier;
  readonly heap: Heap;
  readonly exports: TrainingExports;
}

/** Loads the training kernels into `heap`, in the best tier or the one asked for, and checks them. */
export async function loadTrainingKernels(
  heap: Heap,
  options: { readonly tier?: SimdTier } = {},
): Promise<TrainingKernels> {
  const tier = await chooseTier(options.tier);
  const module = await compileModule('training', tier);
  const instance = await WebAssembly.instantiate(module, { env: { memory: heap.memory } });
  const exports = instance.exports as unknown as TrainingExports;
  selfCheck(exports.probeMadd, tier);
  return { tier, heap, exports };
}
