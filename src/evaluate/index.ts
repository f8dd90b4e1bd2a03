export {
  centredUnit,
  columnMean,
  fitLinearModel,
  type PairedEmbedder,
  PIXEL_SIDE,
  PIXEL_WIDTH,
  pixelFeatures,
} from './baselines.js';
export {
  type ClassRankOptions,
  classRanks,
  type Neighbours,
  nearestNeighbours,
  type RetrievalQuality,
  recallAt,
  retrievalQuality,
  retrievalRanks,
} from './retrieval.js';
