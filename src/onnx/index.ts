export {
  CARD_KEY,
  cardOf,
  LICENCE_UNKNOWN,
  type ModelCard,
  type ModelCardDetails,
  type ModelCardFacts,
  readCard,
} from './card.js';
export { checkRuntime, createEmbedder, type Embedder, type EmbedderOptions, type EmbedOptions } from './embedder.js';
export { type EncoderExport, encoderToOnnx } from './export.js';
export { INPUT_NAME, OUTPUT_NAME } from './interface.js';
export { decodeModel, encodeModel, type ModelProto } from './model.js';
export { decodeSealedModel, encodeSealedModel, fingerprint, SEAL_KEY } from './seal.js';
export { type ExportedModel, exportModel, type ModelExport, type Verification } from './write.js';
