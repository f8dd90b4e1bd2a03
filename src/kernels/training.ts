import type { ActivateExports } from './activate.js';
import type { AugmentExports } from './augment.js';
import type { ContrastExports } from './contrast.js';
import type { ConvolutionExports } from './convolution.js';
import type { DepthwiseExports } from './depthwise.js';
import type { BoundKernels, Heap } from './heap.js';
import { chooseTier, compileModule, type SimdTier, selfCheck } from './load.js';
import type { MatmulExports } from './matmul.js';
import type { NormaliseExports } from './normalise.js';
import type { OptimiseExports } from './optimise.js';
import type { ReduceExports } from './reduce.js';
import type { RingExports } from './ring.js';
import type { SimilarityExports } from './similarity.js';
import type { WinogradExports } from './winograd.js';

/** What the training module exports; each kernel's file declares its part. */
export interface TrainingExports
  extends ActivateExports,
    ConvolutionExports,
    DepthwiseExports,
    MatmulExports,
    NormaliseExports,
    OptimiseExports,
    ReduceExports,
    AugmentExports,
    ContrastExports,
    RingExports,
    SimilarityExports,
    WinogradExports {
  probeMadd(a: number, b: number, c: number): number;
}

/** The training kernels, bound to one heap. */
export interface TrainingKernels extends BoundKernels<TrainingExports> {
  readonly tier: SimdTier;
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
