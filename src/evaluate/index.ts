export {
  centredUnit,
  columnMean,
  fitLinearModel,
  type PairedEmbedder,
  PIXEL_SIDE,
  PIXEL_WIDTH,
  pixelFeatures,
} from './baselines.js';
export { type BootstrapOptions, type DifferenceInterval, pairedBootstrap } from './bootstrap.js';
export { type KnnOptions, knnAccuracy } from './knn.js';
export {
  type ClassRankOptions,
  classRanks,
  nearestNeighbours,
  type RetrievalQuality,
  recallAt,
  retrievalQuality,
  retrievalRanks,
} from './retrieval.js';
export { type TopScores, topRows } from './top-rows.js';
