export { accuracy } from './accuracy.js';
export { alignment, uniformity } from './alignment.js';
export { averagePrecisionAtR, meanOfNumbers } from './average-precision.js';
export {
  centredUnit,
  colourHistograms,
  columnMean,
  fitLinearModel,
  type PairedEmbedder,
  PIXEL_SIDE,
  PIXEL_WIDTH,
  pixelFeatures,
} from './baselines.js';
export { type BootstrapOptions, type DifferenceInterval, pairedBootstrap } from './bootstrap.js';
export { labelledRows } from './few-labels.js';
export { type KnnOptions, knnAccuracy, knnPredictions } from './knn.js';
export { type Differentiable, type LbfgsOptions, type LbfgsResult, minimise } from './lbfgs.js';
export { fitLinearProbe, type LinearProbe, type ProbeOptions } from './linear-probe.js';
export { type LookAlike, lookAlikes } from './look-alikes.js';
export { LEAST_MAPPED, type MapOptions, mapEmbeddings } from './map.js';
export {
  type Answer,
  type AnswerOptions,
  answerQuestion,
  type ClassQuestion,
  fewLabelsMeasure,
  type LabelQuestion,
  type Question,
  questionSize,
  type Representation,
  type TargetQuestion,
} from './question.js';
export {
  type ClassRankOptions,
  classRanks,
  nearestNeighbours,
  type RetrievalQuality,
  recallAt,
  retrievalQuality,
  retrievalRanks,
} from './retrieval.js';
export { meanAndDeviation, pairedInterval, studentQuantile } from './student.js';
export { type TopScores, topRows } from './top-rows.js';
