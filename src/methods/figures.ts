import type { ContrastSums } from '../negatives/index.js';
import type { Gather } from './gather.js';
import type { StepLoss } from './method.js';

/** What a step reports, summed over a replica's anchors. */
export type FigureSums = Pick<ContrastSums, 'loss' | 'positiveSimilarity' | 'correct'>;

/** Means over all replicas' anchors, `count` together; every replica must call it. */
export function meanFigures(gather: Gather, own: FigureSums, count: number): StepLoss {
  const { loss, positiveSimilarity, correct } = own;
  const means = gather.sumFigures([loss, positiveSimilarity, correct]).map((sum) => sum / count);
  return { loss: means[0]!, positiveSimilarity: means[1]!, accuracy: means[2]! };
}
