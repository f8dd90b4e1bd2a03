import { NearmissError } from '../errors.js';
import type { ActivateExports } from './activate.js';
import type { AugmentExports } from './augment.js';
import type { ContrastExports } from './contrast.js';
import type { ConvolutionExports } from './convolution.js';
import type { DepthwiseExports } from './depthwise.js';
import type { GatherExports } from './gather.js';
import type { BoundKernels, Heap } from './heap.js';
import { chooseTier, compileModule, type ModuleSource, type SimdTier, selfCheck } from './load.js';
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
    GatherExports,
    RingExports,
    SimilarityExports,
    WinogradExports {
  probeMadd(a: number, b: number, c: number): number;
}

/** The training kernels, bound to one heap. */
export interface TrainingKernels extends BoundKernels<TrainingExports> {
  readonly tier: SimdTier;
}

export interface LoadOptions {
  /** SIMD tier; the best of this engine by default. */
  readonly tier?: SimdTier;
  /**
   * Where the modules are, by tier; only tiers that are named are used. Default: `dist/wasm` of this package, found from
   * this file's own URL. A bundled page names them, as bundles move code away from its files.
   */
  readonly modules?: { readonly [tier in SimdTier]?: ModuleSource };
}

async function tierAmong(modules: NonNullable<LoadOptions['modules']>, wanted?: SimdTier): Promise<SimdTier> {
  const given = Object.keys(modules).filter((tier) => modules[tier as SimdTier] !== undefined);
  const best = await chooseTier(wanted);
  if (given.includes(best)) return best;
  if (wanted === undefined && given.includes('plain')) return 'plain';
  throw new NearmissError(
    'NM_KERNELS_MISSING',
    `modules: found ${given.join(', ') || 'none'}, allowed: one for ${wanted ?? 'plain'}`,
  );
}

/**
 * Loads the training kernels into `heap`, in the best tier or the one asked for, and checks them. Errors:
 * `NM_SIMD_UNSUPPORTED`, `NM_KERNELS_MISSING`, `NM_SELF_CHECK_FAILED`.
 */
export async function loadTrainingKernels(heap: Heap, options: LoadOptions = {}): Promise<TrainingKernels> {
  const { modules } = options;
  const tier = modules ? await tierAmong(modules, options.tier) : await chooseTier(options.tier);
  const module = await compileModule('training', tier, modules?.[tier]);
  const instance = await WebAssembly.instantiate(module, { env: { memory: heap.memory } });
  const exports = instance.exports as unknown as TrainingExports;
  selfCheck(exports.probeMadd, tier);
  return { tier, heap, exports };
}
