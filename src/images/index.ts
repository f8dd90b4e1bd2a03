export {
  type BatchOptions,
  type PictureBatch,
  pictureBatches,
  type ReadOptions,
  type Skipped,
} from './batches.js';
export { type DecodeOptions, decodePicture } from './decode.js';
export { type EmojiOptions, type EmojiPictures, readEmoji } from './emoji.js';
export { EMOJI_PACKAGES } from './emoji-packages.js';
export { type Pairs, readPairs, selectPictures } from './pairs.js';
export { type Pictures, readPictures } from './pictures.js';
export { type DecodedPixels, type Fit, resizeArea } from './resize.js';
