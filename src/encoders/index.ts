export {
  type EncoderGraph,
  type EncoderNode,
  NORM_EPSILON,
  PIXEL_SCALE,
  PIXEL_ZERO,
  parameterCount,
  type WeightSpec,
  type Weights,
  weightSpecs,
} from './graph.js';
export { initialWeights } from './initialise.js';
export { ENCODER_NAMES, encoderByName, tinyMobile, tinyResnet } from './networks.js';
