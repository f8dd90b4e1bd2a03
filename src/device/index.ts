/**
 * nearmiss/device: exported encoders on kernels of our own, in browsers and in Node, without onnxruntime or tfjs.
 */
export { NearmissError } from '../errors.js';
export type { ModelCard } from '../onnx/card.js';
export { type DeviceEncoder, type DeviceEncoderOptions, openDeviceEncoder } from './encoder.js';
