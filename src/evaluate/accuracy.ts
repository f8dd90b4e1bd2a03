import { expectLength } from './retrieval.js';

/** Share of rows whose predicted label is the right one, in [0, 1]. */
export function accuracy(predicted: ArrayLike<number>, labels: ArrayLike<number>): number {
  expectLength('labels', labels, predicted.length);
  let right = 0;
  for (let row = 0; row < predicted.length; row++) if (predicted[row] === labels[row]) right++;
  return predicted.length === 0 ? 0 : right / predicted.length;
}
