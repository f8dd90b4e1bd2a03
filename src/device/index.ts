/**
 * nearmiss/device: exported encoders on kernels of our own, in browsers and in Node, without onnxruntime or tfjs; in
 * browsers also pictures as the encoders see them, and an index of what a person adds.
 */
export { NearmissError } from '../errors.js';
export type { ModelCard } from '../onnx/card.js';
export { type DeviceEncoder, type DeviceEncoderOptions, openDeviceEncoder } from './encoder.js';
export type { OwnItem } from './item-database.js';
export {
  type LocalEncoder,
  type LocalIndex,
  type LocalIndexOptions,
  mergeHits,
  type NewItem,
  openLocalIndex,
} from './local-index.js';
export { type DevicePicture, openPicture, type PictureLimits } from './picture.js';
