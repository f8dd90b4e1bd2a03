import { supcon } from '../negatives/index.js';
import type { Method } from './method.js';
import { simclr } from './simclr.js';

/**
 * Supervised contrastive learning (Khosla et al. 2020): SimCLR's step, where all views of an anchor's label are its
 * positives and all others its negatives. Labels are folder names, or CIFAR's classes.
 */
export const supervised: Method = {
  ...simclr,
  name: 'supervised',
  title: 'views of one label are positives (Khosla et al. 2020)',
  positives: 'labels',
  objective: () => supcon(),
};
