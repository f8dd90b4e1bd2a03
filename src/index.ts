/**
 * nearmiss: train small encoders with hard negatives on a CPU, export them to ONNX, search their embeddings.
 *
 * The parts are imported by name, so that a service never loads a training library:
 * `nearmiss/train`, `/methods`, `/negatives`, `/encoders`, `/images`, `/tfjs`, `/kernels` (training);
 * `/onnx`, `/retrieve`, `/evaluate`, `/report` (everything after it). This entry holds what all of them share.
 */
export { ERRORS, type ErrorCode, type ErrorEntry, NearmissError } from './errors.js';
