export { bytes, floats, type Heap, standaloneHeap } from './heap.js';
export { chooseTier, SIMD_TIERS, type SimdTier, supportsRelaxedSimd, supportsSimd } from './load.js';
export { loadTrainingKernels, type TrainingExports, type TrainingKernels } from './training.js';
