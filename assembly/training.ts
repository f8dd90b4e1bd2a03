// Entry of the training module. It imports the memory of the tfjs backend and owns none of it: no data segment, no stack.
export { probeMadd } from './lib/probe';
export { augmentPicture, augmentScratch, normalisePixels } from './augment';
