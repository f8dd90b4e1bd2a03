import { accuracy, fewLabelsMeasure, type LabelQuestion, labelledRows } from '../evaluate/index.js';
import { type AugmentRecipe, NO_AUGMENTATION } from '../images/index.js';
import { FINE_TUNE_DEFAULTS, fineTune, fineTuneEpochs, type Run, trainedEncoder } from '../train/index.js';
import type { Console } from './console.js';

/**
 * Accuracy after fine-tuning a run's encoder on each share of the question's labels, by measure
 * (`fineTunedAccuracyAt1Percent`). The labels are those that the probe of the same share learns from.
 */
export async function fineTuneOn(
  run: Run,
  question: LabelQuestion,
  options: { readonly seed: number; readonly console: Console },
): Promise<Record<string, number>> {
  const { seed, console } = options;
  const { graph, weights, size } = trainedEncoder(run);
  const bytes = size * size * 3;
  const classes = 1 + question.trainLabels.reduce((most, label) => Math.max(most, label), 0);
  const measures: Record<string, number> = {};
  for (const share of question.fewLabels) {
    const rows = labelledRows(question.trainLabels, share, seed);
    const pictures = new Uint8Array(rows.length * bytes);
    rows.forEach((row, i) => {
      pictures.set(question.train.subarray(row * bytes, (row + 1) * bytes), i * bytes);
    });
    const predicted = await fineTune(
      {
        ...FINE_TUNE_DEFAULTS,
        graph,
        weights,
        size,
        pictures,
        labels: rows.map((row) => question.trainLabels[row]!),
        classes,
        test: question.test,
        recipe: withoutColour(run.settings.augment),
        epochs: fineTuneEpochs(share),
        seed,
      },
      {
        signal: console.signal,
        onProgress: (step, steps, loss) =>
          console.progress(`fine-tuning on ${rows.length} labels: step ${step}/${steps}  loss ${loss.toFixed(3)}`),
      },
    );
    measures[fewLabelsMeasure('fineTuned', share)] = accuracy(predicted, question.testLabels);
  }
  return measures;
}

/** Crops and flips of a recipe alone. */
function withoutColour({ cropScale, aspect, flip }: AugmentRecipe): AugmentRecipe {
  return { ...NO_AUGMENTATION, cropScale, aspect, flip };
}
