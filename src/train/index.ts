export { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.js';
export { checkEnough, gatherPictures, type LoadOptions, loadTrainingData, type TrainingData } from './data.js';
export { openTrainerEncoder, type TrainerEncoder } from './features.js';
export {
  FINE_TUNE_DEFAULTS,
  type FineTuneOptions,
  type FineTuneTask,
  fineTune,
  fineTuneEpochs,
} from './fine-tune.js';
export { appendHistory, type HistoryLine, readHistory } from './history.js';
export { OPTIMISER_KINDS, type OptimiserSettings } from './optimiser.js';
export { fitReadOut } from './read-out.js';
export { type Run, readRun, readRunSettings, runFiles, type TrainedEncoder, trainedEncoder } from './run.js';
export { decodeSafetensors, encodeSafetensors, type TensorFile } from './safetensors.js';
export {
  type DataSettings,
  defaultWorkers,
  IMAGE_SIZES,
  isPaired,
  parseTrainSettings,
  resolveTrainSettings,
  type TrainSettings,
  type TrainSettingsInput,
} from './settings.js';
export { type FeatureFunction, type TrainOptions, type TrainOutcome, type TrainProgress, train } from './train.js';
