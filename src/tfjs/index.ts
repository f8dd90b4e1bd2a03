export { addRelu } from './add-relu.js';
export {
  type BatchNormOptions,
  type BatchNormTrained,
  batchNormInference,
  batchNormTrain,
} from './batch-norm.js';
export { addressOf, emptyTensor, takeValues, tfjsHeap } from './heap.js';
export { type InstallOptions, install, installedKernels, uninstall } from './install.js';
