import { unitLength } from '../encoders/index.js';
import { classRanks, retrievalQuality, retrievalRanks } from '../evaluate/index.js';
import { type FeatureFunction, gatherPictures, type TrainingData } from '../train/index.js';

/** Pictures that an online evaluation embeds at most; it runs many times. */
const MOST_PICTURES = 1000;

/** The figures of an evaluation during training, or none where the data has nothing to compare with. */
export type OnlineEvaluation = (features: FeatureFunction, step: number) => Promise<Record<string, number>>;

/**
 * Recall@1 and recall@5 of the features by cosine, while training: of held-out pairs where there are any (emoji), else
 * of training pairs, else of classes by folder, each picture against the others.
 */
export function onlineEvaluation(data: TrainingData): OnlineEvaluation | undefined {
  const [first, second] = data.sources;
  const rows = sample(data.heldOut ?? data.rows);
  if (data.paired) {
    const gallery = gatherPictures(first, rows);
    const queries = gatherPictures(second, rows);
    const name = data.heldOut ? 'heldOut' : 'trainingPairs';
    return async (features) => {
      const g = await features(gallery);
      const q = await features(queries);
      const width = g.length / rows.length;
      const targets = Int32Array.from(rows, (_, i) => i);
      const ranks = retrievalRanks(unitLength(q, width), unitLength(g, width), width, targets);
      const { recallAt1, recallAt5 } = retrievalQuality(ranks);
      return { [`${name}RecallAt1`]: recallAt1, [`${name}RecallAt5`]: recallAt5 };
    };
  }
  const { labels } = first;
  if (!labels) return undefined;
  const pictures = gatherPictures(first, rows);
  const own = Int32Array.from(rows, (row) => labels[row]!);
  return async (features) => {
    const raw = await features(pictures);
    const width = raw.length / rows.length;
    const h = unitLength(raw, width);
    const ranks = classRanks(h, own, h, own, width, { leaveOneOut: true });
    const { recallAt1, recallAt5 } = retrievalQuality(ranks);
    return { classRecallAt1: recallAt1, classRecallAt5: recallAt5 };
  };
}

/** Evenly spaced rows, at most MOST_PICTURES. */
function sample(rows: Int32Array): Int32Array {
  if (rows.length <= MOST_PICTURES) return rows;
  return Int32Array.from({ length: MOST_PICTURES }, (_, i) => rows[Math.floor((i * rows.length) / MOST_PICTURES)]!);
}
