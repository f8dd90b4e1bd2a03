export {
  averagePool,
  type EncoderTensors,
  inferenceFeatures,
  project,
  projectAll,
  type RecordStatistics,
  trainingFeatures,
} from './forward.js';
export { sharesStatistics } from './fused-features.js';
export {
  type EncoderGraph,
  type EncoderNode,
  elements,
  headNames,
  NORM_EPSILON,
  PIXEL_SCALE,
  PIXEL_ZERO,
  parameterCount,
  type WeightSpec,
  type Weights,
  weightSpecs,
} from './graph.js';
export { initialWeights } from './initialise.js';
export { LAB, LAB_COLUMNS, LAB_OF_ROOTS } from './lab.js';
export { ENCODER_NAMES, encoderByName, tinyMobile, tinyResnet, tinyResnetLab } from './networks.js';
export type { NormReplicas } from './norm-replicas.js';
export {
  applyReadOut,
  poolGrid,
  type ReadOut,
  readOutDimensions,
  unitLength,
  type Whitening,
  whiten,
} from './readout.js';
export { type FittedWhitening, fitWhitening, type WhiteningOptions } from './whitening.js';
