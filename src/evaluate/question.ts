import { unitLength } from '../encoders/index.js';
import { accuracy } from './accuracy.js';
import { alignment, uniformity } from './alignment.js';
import { averagePrecisionAtR, meanOfNumbers } from './average-precision.js';
import { centredUnit, columnMean } from './baselines.js';
import { labelledRows } from './few-labels.js';
import { knnPredictions } from './knn.js';
import { fitLinearProbe } from './linear-probe.js';
import { classRanks, retrievalQuality, retrievalRanks } from './retrieval.js';

/** Which gallery picture belongs to each query? */
export interface TargetQuestion {
  readonly kind: 'targets';
  readonly name: string;
  /** uint8 [count, size, size, 3], as all pictures here. */
  readonly queries: Uint8Array;
  readonly gallery: Uint8Array;
  /** The gallery row that is right for each query. */
  readonly targets: Int32Array;
  /** Pictures whose mean centres representations that need it; default the gallery. */
  readonly reference?: Uint8Array;
}

/** Which gallery pictures are of the query's class? */
export interface ClassQuestion {
  readonly kind: 'classes';
  readonly name: string;
  readonly queries: Uint8Array;
  readonly queryLabels: Int32Array;
  readonly gallery: Uint8Array;
  readonly galleryLabels: Int32Array;
  /** The gallery is the queries themselves: a query does not find itself. */
  readonly leaveOneOut: boolean;
}

/** What class is each test picture of, learnt from labelled training pictures on frozen features? */
export interface LabelQuestion {
  readonly kind: 'labels';
  readonly name: string;
  readonly train: Uint8Array;
  readonly trainLabels: Int32Array;
  readonly test: Uint8Array;
  readonly testLabels: Int32Array;
  /** Shares of the training labels to learn from besides all of them, in (0, 1]. */
  readonly fewLabels: readonly number[];
}

export type Question = TargetQuestion | ClassQuestion | LabelQuestion;

/** Something that turns pictures into rows that are compared by cosine. */
export interface Representation {
  readonly name: string;
  /** What it is, in a few words. */
  readonly note: string;
  /** Numbers in a row. */
  readonly width: number;
  /** Compared less the reference's mean: for numbers without a zero of their own, such as pixels. */
  readonly centred?: boolean;
  /** Rows [count, width]; any length. */
  embed(pictures: Uint8Array): Promise<Float32Array>;
}

export interface AnswerOptions {
  /** Neighbours that vote, and their temperature (`knnPredictions`). */
  readonly k?: number;
  readonly temperature?: number;
  /** Draws which labels are kept where there are few. */
  readonly seed?: number;
}

/** Figures of one representation on one question. */
export interface Answer {
  /** By name: `recallAt1`, `mrr`, `mapAtR`, `knnAccuracy`, `probeAccuracy` and the like, in [0, 1]; see docs/evaluation.md. */
  readonly measures: Readonly<Record<string, number>>;
  /** Of some measures, 1 for each query that was answered rightly: what their bootstrap intervals are drawn from. */
  readonly hits: Readonly<Record<string, Uint8Array>>;
}

/** Rows whose uniformity is measured at most; its cost grows with their square. */
const SPREAD_ROWS = 1000;

/** Puts a question to a representation. Throws as the measures do. */
export async function answerQuestion(
  question: Question,
  representation: Representation,
  options: AnswerOptions = {},
): Promise<Answer> {
  if (question.kind === 'targets') return answerTargets(question, representation);
  if (question.kind === 'classes') return answerClasses(question, representation, options);
  return answerLabels(question, representation, options);
}

/** Numbers of the queries and of what they are looked up in. */
export function questionSize(question: Question, size: number): { queries: number; gallery: number } {
  const bytes = size * size * 3;
  const [queries, gallery] =
    question.kind === 'labels' ? [question.test, question.train] : [question.queries, question.gallery];
  return { queries: queries.length / bytes, gallery: gallery.length / bytes };
}

async function answerTargets(question: TargetQuestion, representation: Representation): Promise<Answer> {
  const { width } = representation;
  const raw = await representation.embed(question.gallery);
  const reference = representation.centred && question.reference ? await representation.embed(question.reference) : raw;
  const gallery = comparable(raw, reference, representation);
  const queries = comparable(await representation.embed(question.queries), reference, representation);
  const ranks = retrievalRanks(queries, gallery, width, question.targets);
  const right = new Float32Array(queries.length);
  question.targets.forEach((target, query) => {
    right.set(gallery.subarray(target * width, (target + 1) * width), query * width);
  });
  const { queries: _, ...quality } = retrievalQuality(ranks);
  return {
    measures: { ...quality, alignment: alignment(queries, right, width), ...spread(gallery, width) },
    hits: { recallAt1: hitsOf(ranks, (rank) => rank === 1) },
  };
}

async function answerClasses(
  question: ClassQuestion,
  representation: Representation,
  options: AnswerOptions,
): Promise<Answer> {
  const { queryLabels, galleryLabels, leaveOneOut } = question;
  const { width } = representation;
  const raw = await representation.embed(question.gallery);
  const gallery = comparable(raw, raw, representation);
  const queries = leaveOneOut ? gallery : comparable(await representation.embed(question.queries), raw, representation);
  const ranks = classRanks(queries, queryLabels, gallery, galleryLabels, width, { leaveOneOut });
  const precisions = averagePrecisionAtR(queries, queryLabels, gallery, galleryLabels, width, { leaveOneOut });
  const predicted = knnPredictions(queries, gallery, galleryLabels, width, { ...options, leaveOneOut });
  const { queries: _, ...quality } = retrievalQuality(ranks);
  return {
    measures: {
      ...quality,
      mapAtR: meanOfNumbers(precisions),
      knnAccuracy: accuracy(predicted, queryLabels),
      ...spread(gallery, width),
    },
    hits: {
      // Queries with nothing to find count for no recall.
      recallAt1: hitsOf(
        ranks.filter((rank) => rank > 0),
        (rank) => rank === 1,
      ),
      knnAccuracy: hitsOf(predicted, (label, query) => label === queryLabels[query]),
    },
  };
}

async function answerLabels(
  question: LabelQuestion,
  representation: Representation,
  options: AnswerOptions,
): Promise<Answer> {
  const { trainLabels, testLabels, fewLabels } = question;
  const { width } = representation;
  const train = await representation.embed(question.train);
  const test = await representation.embed(question.test);
  const [gallery, queries] = [comparable(train, train, representation), comparable(test, train, representation)];
  const right = (predicted: Int32Array): Uint8Array => hitsOf(predicted, (label, row) => label === testLabels[row]);
  const nearest = knnPredictions(queries, gallery, trainLabels, width, { k: 1 });
  const voted = knnPredictions(queries, gallery, trainLabels, width, options);
  const probed = (await fitLinearProbe(train, trainLabels, width)).predict(test);
  const measures: Record<string, number> = {
    knn1Accuracy: accuracy(nearest, testLabels),
    knnAccuracy: accuracy(voted, testLabels),
    probeAccuracy: accuracy(probed, testLabels),
  };
  const hits: Record<string, Uint8Array> = {
    knn1Accuracy: right(nearest),
    knnAccuracy: right(voted),
    probeAccuracy: right(probed),
  };
  for (const share of fewLabels) {
    const rows = labelledRows(trainLabels, share, options.seed ?? 0);
    const few = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      few.set(train.subarray(row * width, (row + 1) * width), i * width);
    });
    const labels = rows.map((row) => trainLabels[row]!);
    const predicted = (await fitLinearProbe(few, labels, width)).predict(test);
    measures[fewLabelsMeasure('probe', share)] = accuracy(predicted, testLabels);
    hits[fewLabelsMeasure('probe', share)] = right(predicted);
  }
  return { measures, hits };
}

/** `probeAccuracyAt1Percent`: the name of a measure that learns from a share of the labels. */
export function fewLabelsMeasure(how: 'probe' | 'fineTuned', share: number): string {
  return `${how}AccuracyAt${Number((100 * share).toPrecision(4))}Percent`;
}

/** Rows of unit length, centred where the representation asks for it. */
function comparable(rows: Float32Array, reference: Float32Array, { width, centred }: Representation): Float32Array {
  return centred ? centredUnit(rows, columnMean(reference, width)) : unitLength(rows.slice(), width);
}

/** Uniformity of an even sample of the rows. */
function spread(rows: Float32Array, width: number): { uniformity?: number } {
  const count = rows.length / width;
  if (count < 2) return {};
  if (count <= SPREAD_ROWS) return { uniformity: uniformity(rows, width) };
  const sample = new Float32Array(SPREAD_ROWS * width);
  for (let i = 0; i < SPREAD_ROWS; i++) {
    const row = Math.floor((i * count) / SPREAD_ROWS);
    sample.set(rows.subarray(row * width, (row + 1) * width), i * width);
  }
  return { uniformity: uniformity(sample, width) };
}

function hitsOf(values: Int32Array, right: (value: number, query: number) => boolean): Uint8Array {
  return Uint8Array.from(values, (value, query) => (right(value, query) ? 1 : 0));
}
