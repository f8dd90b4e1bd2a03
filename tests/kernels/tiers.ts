import { pairedKernels, SIMD_TIERS, TRAINING_TIERS, type TrainingTier } from '../../src/kernels/index.js';

const paired = await pairedKernels();

/** Why the paired tier is not tested here; undefined where it is. */
export const PAIRED_MISSING: string | undefined = 'reason' in paired ? paired.reason : undefined;

/**
 * Tiers of the training kernels that this engine runs: what tests of kernels go through. tests/kernels/paired.test.ts
 * says when the paired one is left out, and fails for it where NEARMISS_REQUIRE_PAIRED is set.
 */
export const TESTED_TIERS: readonly TrainingTier[] = PAIRED_MISSING === undefined ? TRAINING_TIERS : SIMD_TIERS;
