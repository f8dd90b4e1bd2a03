import { type DifferenceInterval, meanAndDeviation, pairedBootstrap, pairedInterval } from '../evaluate/index.js';
import type { Answers, StudyResult } from './study-run.js';

/** A figure of a read-out on a question. */
export interface StudyMeasure {
  readonly readOut: string;
  readonly question: string;
  readonly measure: string;
}

/** A baseline's figures: once, or once a seed where it has one. */
export interface BaselineResult {
  readonly name: string;
  readonly note: string;
  readonly answers: readonly Answers[];
}

/**
 * A method's difference from the reference in one measure, paired by seed. `larger` than the spread: Student's 95%
 * interval over the seeds leaves out 0; `within` it otherwise; `unknown` with one seed, which shows no spread.
 */
export interface StudyDifference extends DifferenceInterval {
  readonly verdict: 'larger' | 'within' | 'unknown';
  /** Of the same queries with the same seeds: the paired bootstrap over queries, hits averaged over seeds. */
  readonly overQueries?: DifferenceInterval;
}

/** One row of the comparison. */
export interface StudyRow {
  readonly name: string;
  readonly kind: 'method' | 'baseline';
  readonly note?: string;
  readonly reference: boolean;
  /** By seed, in the study's order; NaN for one that is missing. */
  readonly values: readonly number[];
  readonly mean: number;
  /** Over seeds; NaN with one. */
  readonly deviation: number;
  readonly difference?: StudyDifference;
}

/** All measures that results have, in their order. */
export function studyMeasures(results: readonly StudyResult[]): StudyMeasure[] {
  const found = new Map<string, StudyMeasure>();
  for (const { answers } of results) {
    for (const [readOut, questions] of Object.entries(answers)) {
      for (const [question, measures] of Object.entries(questions)) {
        for (const measure of Object.keys(measures)) {
          found.set(`${readOut}.${question}.${measure}`, { readOut, question, measure });
        }
      }
    }
  }
  return [...found.values()];
}

/** What is compared, where the study does not say or says `question.measure`. */
export function comparedMeasure(
  measures: readonly StudyMeasure[],
  readOut: string,
  asked: string | undefined,
): StudyMeasure | undefined {
  const own = measures.filter((candidate) => candidate.readOut === readOut);
  if (asked === undefined) return own[0];
  return own.find(({ question, measure }) => `${question}.${measure}` === asked);
}

/** A row for each method and baseline in one measure; methods without a result have no row. */
export function summarise(
  { readOut, question, measure }: StudyMeasure,
  study: {
    readonly seeds: readonly number[];
    readonly methods: readonly { readonly name: string }[];
    readonly reference: string;
  },
  results: readonly StudyResult[],
  baselines: readonly BaselineResult[],
): StudyRow[] {
  const { seeds, methods, reference } = study;
  const of = (method: string, seed: number): StudyResult | undefined =>
    results.find((result) => result.method === method && result.seed === seed);
  const figureOf = (result: StudyResult | undefined): number =>
    result?.answers[readOut]?.[question]?.[measure] ?? Number.NaN;
  const key = `${readOut}.${question}.${measure}`;

  const difference = (method: string): StudyDifference | undefined => {
    const shared = seeds.filter((seed) =>
      [method, reference].every((name) => Number.isFinite(figureOf(of(name, seed)))),
    );
    if (method === reference || shared.length === 0) return undefined;
    const over = pairedInterval(shared.map((seed) => figureOf(of(method, seed)) - figureOf(of(reference, seed))));
    const verdict = shared.length < 2 ? 'unknown' : over.low > 0 || over.high < 0 ? 'larger' : 'within';
    const [own, theirs] = [method, reference].map((name) => meanHits(shared.map((seed) => of(name, seed)?.hits[key])));
    const queries = own && theirs ? { overQueries: pairedBootstrap(own, theirs, { seed: 1 }) } : {};
    return { ...over, verdict, ...queries };
  };

  const rows = methods.flatMap(({ name }): StudyRow[] => {
    const values = seeds.map((seed) => figureOf(of(name, seed)));
    const known = values.filter(Number.isFinite);
    if (known.length === 0) return [];
    const against = difference(name);
    return [
      {
        name,
        kind: 'method',
        reference: name === reference,
        values,
        ...meanAndDeviation(known),
        ...(against ? { difference: against } : {}),
      },
    ];
  });
  const simple = baselines.flatMap(({ name, note, answers }): StudyRow[] => {
    const values = answers.map((answer) => answer[question]?.[measure] ?? Number.NaN).filter(Number.isFinite);
    if (values.length === 0) return [];
    return [{ name, kind: 'baseline', note, reference: false, values, ...meanAndDeviation(values) }];
  });
  return [...simple, ...rows];
}

/** For each query the share of runs that answered it rightly; none where a run has no record of it. */
function meanHits(strings: readonly (string | undefined)[]): Float64Array | undefined {
  const [first] = strings;
  if (first === undefined || first.length === 0) return undefined;
  if (strings.some((hits) => hits?.length !== first.length)) return undefined;
  const shares = new Float64Array(first.length);
  for (const hits of strings as readonly string[]) {
    for (let query = 0; query < shares.length; query++) {
      if (hits[query] === '1') shares[query]! += 1 / strings.length;
    }
  }
  return shares;
}
