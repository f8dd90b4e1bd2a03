import { NearmissError } from '../errors.js';
import type { ActivateExports } from './activate.js';
import type { AugmentExports } from './augment.js';
import type { AxisExports } from './axis.js';
import type { BroadcastExports } from './broadcast.js';
import type { ConvolutionExports } from './convolution.js';
import type { DepthwiseExports } from './depthwise.js';
import type { ElementaryExports } from './elementary.js';
import type { GatherExports } from './gather.js';
import type { BoundKernels, Heap } from './heap.js';
import type { JoinExports } from './join.js';
import { chooseTier, compileModule, type ModuleSource, SIMD_TIERS, selfCheck } from './load.js';
import type { MaskExports } from './mask.js';
import type { MatmulExports } from './matmul.js';
import type { MixExports } from './mix.js';
import type { NegativeSumsExports } from './negative-sums.js';
import type { NormaliseExports } from './normalise.js';
import type { OptimiseExports } from './optimise.js';
import type { PairWeightsExports } from './pair-weights.js';
import { pairedKernels } from './paired.js';
import type { PolyphaseExports } from './polyphase.js';
import type { PoolExports } from './pool.js';
import { checkKernels, PROBE_BYTES, type ProbeExports } from './probe.js';
import type { ReduceExports } from './reduce.js';
import type { RingExports } from './ring.js';
import type { SimilarityExports } from './similarity.js';
import type { TakeExports } from './take.js';
import type { WinogradExports } from './winograd.js';

/** What the training module exports; each kernel's file declares its part. */
export interface TrainingExports
  extends ActivateExports,
    AxisExports,
    BroadcastExports,
    ElementaryExports,
    PoolExports,
    TakeExports,
    ConvolutionExports,
    DepthwiseExports,
    JoinExports,
    MaskExports,
    MatmulExports,
    MixExports,
    NegativeSumsExports,
    NormaliseExports,
    OptimiseExports,
    PairWeightsExports,
    PolyphaseExports,
    ProbeExports,
    ReduceExports,
    AugmentExports,
    GatherExports,
    RingExports,
    SimilarityExports,
    WinogradExports {}

/** Tiers of the training kernels: those of the engine, and `paired`, 256-bit vectors where V8 packs pairs of vectors. */
export const TRAINING_TIERS: readonly [...typeof SIMD_TIERS, 'paired'] = [...SIMD_TIERS, 'paired'];
export type TrainingTier = (typeof TRAINING_TIERS)[number];

/** The training kernels, bound to one heap. */
export interface TrainingKernels extends BoundKernels<TrainingExports> {
  readonly tier: TrainingTier;
  /** The compiled module: `modules` of a worker thread's `loadTrainingKernels` takes it, so that all run one tier. */
  readonly module: WebAssembly.Module;
}

export interface LoadOptions {
  /**
   * SIMD tier; the best of this engine by default. The paired tier is for Node 24 and newer on x64. To compile it, flags
   * of V8 are set for about 0.2 s: WebAssembly that another thread compiles in that time is compiled with them too
   * (whole, at once, optimised). Name another tier where that must not be.
   */
  readonly tier?: TrainingTier;
  /**
   * Where the modules are, by tier; only tiers that are named are used. Default: `dist/wasm` of this package, found from
   * this file's own URL. A bundled page names them, as bundles move code away from its files.
   */
  readonly modules?: { readonly [tier in TrainingTier]?: ModuleSource };
}

/** A tier with its module, and why faster ones were passed over. */
export interface TrainingModule {
  readonly tier: TrainingTier;
  readonly module: WebAssembly.Module;
  readonly passedOver: readonly { readonly tier: TrainingTier; readonly reason: string }[];
}

/**
 * Compiles the training module of the best tier that works here, or of the one asked for. Errors:
 * `NM_SIMD_UNSUPPORTED`, `NM_KERNELS_MISSING`.
 */
export async function compileTraining(options: LoadOptions = {}): Promise<TrainingModule> {
  const { tier: wanted, modules } = options;
  const given = (tier: TrainingTier): boolean => !modules || modules[tier] !== undefined;
  const passedOver: { tier: TrainingTier; reason: string }[] = [];
  if (wanted === 'paired' || (wanted === undefined && given('paired'))) {
    if (!given('paired')) throw missing(modules!, 'paired');
    const paired = await pairedKernels(modules?.paired);
    if ('module' in paired) return { tier: 'paired', module: paired.module, passedOver };
    if (wanted) throw new NearmissError('NM_SIMD_UNSUPPORTED', `paired SIMD: ${paired.reason}`);
    passedOver.push({ tier: 'paired', reason: paired.reason });
  }
  let tier = await chooseTier(wanted);
  if (tier === 'plain' && wanted === undefined) {
    passedOver.push({ tier: 'relaxed', reason: 'this engine has no relaxed SIMD' });
  }
  if (!given(tier) && wanted === undefined && given('plain')) tier = 'plain';
  if (!given(tier)) throw missing(modules!, wanted ?? 'plain');
  return { tier, module: await compileModule('training', tier, modules?.[tier]), passedOver };
}

function missing(modules: NonNullable<LoadOptions['modules']>, wanted: TrainingTier): NearmissError {
  const given = TRAINING_TIERS.filter((tier) => modules[tier] !== undefined);
  return new NearmissError(
    'NM_KERNELS_MISSING',
    `modules: found ${given.join(', ') || 'none'}, allowed: one for ${wanted}`,
  );
}

/**
 * Loads the training kernels into `heap`, in the best tier or the one asked for, and checks them. Errors:
 * `NM_SIMD_UNSUPPORTED`, `NM_KERNELS_MISSING`, `NM_SELF_CHECK_FAILED`.
 */
export async function loadTrainingKernels(heap: Heap, options: LoadOptions = {}): Promise<TrainingKernels> {
  const { tier, module } = await compileTraining(options);
  const instance = await WebAssembly.instantiate(module, { env: { memory: heap.memory } });
  const exports = instance.exports as unknown as TrainingExports;
  selfCheck(exports.probeMadd, tier);
  const address = heap.malloc(PROBE_BYTES);
  try {
    checkKernels(exports, heap.memory, address, tier);
  } finally {
    heap.free(address);
  }
  return { tier, module, heap, exports };
}
