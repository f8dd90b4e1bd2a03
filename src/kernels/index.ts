export type { ActivateExports } from './activate.js';
export { type AxisExports, reduceAxis } from './axis.js';
export {
  type BroadcastAxes,
  type BroadcastExports,
  type BroadcastKind,
  broadcastAxes,
  broadcastBinary,
} from './broadcast.js';
export {
  type ConvolutionExports,
  type ConvolutionPass,
  type ConvolutionScratch,
  type ConvolutionShape,
  runConvolution,
} from './convolution.js';
export type { ConvolutionPart, ConvolutionParts, ConvolutionPrepare } from './convolution-parts.js';
export {
  type ConvolutionAlgorithm,
  type ConvolutionPassName,
  ConvolutionWork,
  chooseConvolution,
  convolve,
} from './convolution-work.js';
export type { DepthwiseExports } from './depthwise.js';
export { type ElementaryExports, withElementaryTable } from './elementary.js';
export { type BoundKernels, bytes, floats, type Heap, standaloneHeap } from './heap.js';
export type { JoinExports } from './join.js';
export {
  chooseTier,
  type ModuleSource,
  SIMD_TIERS,
  type SimdTier,
  supportsRelaxedSimd,
  supportsSimd,
} from './load.js';
export { type MatmulExports, type MatrixProduct, multiplyMatrices } from './matmul.js';
export { type Norm, type NormaliseExports, normTrain, normTrainGradient } from './normalise.js';
export { type AdamAddresses, type AdamOptions, adam, type OptimiseExports } from './optimise.js';
export { type PairedKernels, pairedKernels } from './paired.js';
export { type PolyphaseExports, suitsPolyphase } from './polyphase.js';
export { type PoolExports, withPoolShape } from './pool.js';
export { fusesMultiplyAdd, type ProbeExports } from './probe.js';
export type { ReduceExports } from './reduce.js';
export {
  loadRetrievalKernels,
  type RetrievalKernels,
  type RetrievalOptions,
  type RowReader,
} from './retrieval.js';
export type { RetrievalExports } from './retrieval-exports.js';
export { MAX_TOP } from './retrieval-layout.js';
export type { TakeExports } from './take.js';
export {
  compileTraining,
  type LoadOptions,
  loadTrainingKernels,
  TRAINING_TIERS,
  type TrainingExports,
  type TrainingKernels,
  type TrainingModule,
  type TrainingTier,
} from './training.js';
export { suitsWinograd, type WinogradExports } from './winograd.js';
