export {
  CARD_KEY,
  cardOf,
  LICENCE_UNKNOWN,
  type ModelCard,
  type ModelCardDetails,
  type ModelCardFacts,
  type Quantisation,
  readCard,
} from './card.js';
export { createEmbedder, type Embedder, type EmbedderOptions, type EmbedOptions } from './embedder.js';
export { type EncoderExport, encoderToOnnx } from './export.js';
export { readModel, writeModel } from './file.js';
export { INPUT_NAME, OUTPUT_NAME } from './interface.js';
export { decodeModel, encodeModel, type ModelProto } from './model.js';
export { type QuantisationOptions, quantiseModel, type RecallQuestion } from './quantise.js';
export { QUANTISATION_FORMATS, type QuantisationFormat } from './quantise-graph.js';
export { checkRuntime } from './runtime.js';
export { decodeSealedModel, encodeSealedModel, fingerprint, SEAL_KEY } from './seal.js';
export { type ExportedModel, exportModel, type ModelExport, type Verification } from './write.js';
