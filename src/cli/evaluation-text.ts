import { percent, table } from './console.js';

/** A question with what the model and the baselines answered. */
export interface EvaluatedQuestion {
  readonly name: string;
  readonly queries: number;
  readonly gallery: number;
  readonly model: Readonly<Record<string, number>>;
  readonly note: string;
  readonly baselines: readonly {
    readonly name: string;
    readonly title: string;
    readonly note: string;
    readonly measures: Readonly<Record<string, number>>;
  }[];
}

/** A baseline that is at least as good as the model. */
export interface NotBeaten {
  readonly question: string;
  readonly measure: string;
  readonly baseline: string;
  readonly baselineValue: number;
  readonly modelValue: number;
}

/** Measures that say how the rows lie, not how good they are. */
const DESCRIPTIVE: readonly string[] = ['alignment', 'uniformity'];

const MEASURE_TITLES: Readonly<Record<string, string>> = {
  recallAt1: 'recall@1',
  recallAt5: 'recall@5',
  recallAt10: 'recall@10',
  mrr: 'MRR',
  mapAtR: 'mAP@R',
  knn1Accuracy: 'kNN-1',
  knnAccuracy: 'kNN',
  probeAccuracy: 'probe',
  alignment: 'alignment',
  uniformity: 'uniformity',
};

/** What a measure is called in tables: `probe 1%` for `probeAccuracyAt1Percent`. */
export function measureTitle(measure: string): string {
  const few = /^(probe|fineTuned)AccuracyAt(.+)Percent$/.exec(measure);
  if (few) return `${few[1] === 'probe' ? 'probe' : 'fine-tuned'} ${few[2]}%`;
  return MEASURE_TITLES[measure] ?? measure;
}

/** A measure's value as people read it: percents, except for distances and the mean reciprocal rank. */
export function measureText(measure: string, value: number): string {
  if (DESCRIPTIVE.includes(measure)) return value.toFixed(2);
  return measure === 'mrr' ? value.toFixed(3) : percent(value);
}

export function isQuality(measure: string): boolean {
  return !DESCRIPTIVE.includes(measure);
}

const QUESTION_TITLES: Readonly<Record<string, string>> = {
  heldOut: 'held-out pictures',
  all: 'all pictures',
  names: 'the picture of the same name',
  classes: 'pictures of the same class',
  labels: 'the class, learnt from labelled pictures',
};

export function questionTitle(name: string): string {
  return QUESTION_TITLES[name] ?? name;
}

/** Every measure in which a baseline is at least as good as the model. */
export function notBeaten({ name, model, baselines }: EvaluatedQuestion): NotBeaten[] {
  return Object.entries(model)
    .filter(([measure]) => isQuality(measure))
    .flatMap(([measure, modelValue]) =>
      baselines
        .filter(({ measures }) => (measures[measure] ?? -1) >= modelValue)
        .map(({ name: baseline, measures }) => ({
          question: name,
          measure,
          baseline,
          baselineValue: measures[measure]!,
          modelValue,
        })),
    );
}

/** Tables of all questions, and plainly what the model does not beat. */
export function evaluationText(questions: readonly EvaluatedQuestion[], k: number): string {
  return questions.map((question) => `${questionTable(question, k)}\n${verdict(question)}`).join('\n\n');
}

function questionTable({ name, queries, gallery, model, note, baselines }: EvaluatedQuestion, k: number): string {
  const measures = Object.keys(model);
  const titles = measures.map((measure) => (measure === 'knnAccuracy' ? `kNN-${k}` : measureTitle(measure)));
  const cells = (found: Readonly<Record<string, number>>): string[] =>
    measures.map((measure) => (found[measure] === undefined ? '' : measureText(measure, found[measure])));
  const rows = baselines.map(({ title, note: how, measures: found }) => [title, ...cells(found), how]);
  const title = `${queries} queries, ${gallery} pictures: ${questionTitle(name)}`;
  return `${title}\n${table(['', ...titles, 'how'], [...rows, ['model', ...cells(model), note]])}`;
}

function verdict(question: EvaluatedQuestion): string {
  const lost = notBeaten(question);
  const names = question.baselines.map(({ title }) => title);
  if (lost.length === 0) return `The model beats ${listed(names)} in every figure.`;
  const lines = question.baselines.flatMap(({ name, title }) => {
    const of = lost.filter(({ baseline }) => baseline === name);
    if (of.length === 0) return [];
    const figures = of.map(
      ({ measure, modelValue, baselineValue }) =>
        `${measureTitle(measure)} ${measureText(measure, modelValue)} against ${measureText(measure, baselineValue)}`,
    );
    return [`The model does NOT beat the ${title}: ${figures.join(', ')}.`];
  });
  const beaten = question.baselines.filter(({ name }) => lost.every(({ baseline }) => baseline !== name));
  if (beaten.length > 0) lines.push(`It beats the ${listed(beaten.map(({ title }) => title))} in every figure.`);
  return lines.join('\n');
}

function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
