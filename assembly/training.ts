// Entry of the training module. It imports the memory of the tfjs backend and owns none of it: no data segment, no stack.
export { probeMadd } from './lib/probe';
export { panelColumns, probeTile } from './lib/probe-tiles';
export {
  conv2dFilterGradient,
  conv2dFilterGradientScratch,
  conv2dForward,
  conv2dForwardScratch,
  conv2dInputGradient,
  conv2dInputGradientScratch,
} from './convolution';
export { matmul, matmulScratch, matmulTransposedA, matmulTransposedAScratch, transpose } from './matmul';
export { joinNormed } from './join';
export {
  normAffine,
  normApply,
  normGradientApply,
  normGradientMoments,
  normGradientTerms,
  normMoments,
  normStatistics,
  normTrain,
  normTrainGradient,
} from './normalise';
export { adamStep, blend, momentumStep, squaredNorm } from './optimise';
export { augmentPicture, augmentScratch, normalisePixels } from './augment';
export { maskEqual, maskPadding, maskViews } from './mask';
export { sumNegatives } from './negative-sums';
export { addPositivePairs, pairWeights } from './pair-weights';
export { exp2Array } from './lib/exp';
export { addMixes, mixSimilarities, rankHardest } from './mix';
export { addGatheredRows, gatherDots, scatterAnchors } from './gather';
export { listRing, ringScratch, selectRing } from './ring';
export {
  addScaledRows,
  addSlices,
  addWeightedColumns,
  addWeightedRows,
  packPanels,
  packSlices,
  rowDots,
  similarityTile,
  transposeTile,
} from './similarity';
export {
  depthwiseFilterGradient,
  depthwiseFilterGradientScratch,
  depthwiseForward,
  depthwiseForwardScratch,
  depthwiseInputGradient,
  depthwiseInputGradientScratch,
} from './depthwise';
export { accumulate, unsortedSegmentSum } from './reduce';
export {
  winogradAdd,
  winogradFinish,
  winogradPrepare,
  winogradPrepareGradient,
  winogradRun,
  winogradRunGradient,
  winogradScratch,
  winogradSmallAdd,
  winogradSmallFinish,
  winogradSmallPrepare,
  winogradSmallPrepareGradient,
  winogradSmallRun,
  winogradSmallRunGradient,
  winogradSmallScratch,
  winogradSmallState,
  winogradState,
} from './winograd';
export { addRelu, clip, reluGradient } from './activate';
export {
  polyphaseAdd,
  polyphaseFinish,
  polyphasePrepare,
  polyphasePrepareGradient,
  polyphaseRun,
  polyphaseRunGradient,
  polyphaseScratch,
  polyphaseState,
} from './polyphase';
export { cumulativeSum, divideBy, reduceAxis, reduceAxisScratch } from './axis';
export { broadcastBinary } from './broadcast';
export {
  eluFloats,
  elementaryTableBytes,
  erfFloats,
  expFloats,
  expm1Floats,
  leakyReluFloats,
  log1pFloats,
  logFloats,
  softplusFloats,
  tanhFloats,
} from './elementary';
export { averagePoolGradient, maxPoolGradient } from './pool';
export { repeat, take } from './take';
