export { type AugmentInput, augment, augmentedPictures, drawAugmentation, normalise } from './augment.js';
export {
  type BatchOptions,
  decodeBatches,
  type PictureBatch,
  pictureBatches,
  type ReadOptions,
  type Skipped,
} from './batches.js';
export { type DecodeOptions, decodePicture } from './decode.js';
export { type EmojiOptions, type EmojiPictures, readEmoji } from './emoji.js';
export { EMOJI_PACKAGES, emojiPackages } from './emoji-packages.js';
export { folderItems, isClutter } from './folder.js';
export { type LabelList, labelPictures, readLabelList } from './label-list.js';
export { type Pairs, readPairs } from './pairs.js';
export { type Pictures, readPictures, selectPictures } from './pictures.js';
export {
  type AugmentRecipe,
  COLOUR_MATTERS_RECIPE,
  DRAWING_RECIPE,
  NO_AUGMENTATION,
  PAIRED_RECIPE,
  parseRecipe,
  RECIPE_GUIDANCE,
  RECIPES,
  SIMCLR_BLUR_RECIPE,
  SIMCLR_RECIPE,
} from './recipe.js';
export { type DecodedPixels, FITS, type Fit, resizeArea } from './resize.js';
export type { SourceItem } from './source-item.js';
