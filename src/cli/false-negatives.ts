import { join } from 'node:path';
import { applyReadOut } from '../encoders/index.js';
import { type LookAlike, lookAlikes } from '../evaluate/index.js';
import { writeFileAtomic } from '../files.js';
import type { Pictures } from '../images/index.js';
import { methodByName } from '../methods/index.js';
import { type FalseNegatives, type SuspectPair, writeReport } from '../report/index.js';
import {
  gatherPictures,
  openTrainerEncoder,
  type Run,
  readRun,
  type TrainerEncoder,
  type TrainingData,
  trainedEncoder,
} from '../train/index.js';
import type { Console } from './console.js';
import { titleOf } from './titles.js';
import { load } from './train.js';

/** Views that are compared at most, an even sample beyond; the cost grows with their square. */
const MOST_VIEWS = 10_000;
const LISTED = 200;
/** Pairs that are looked at: a picture that is there n times makes n²/2 of them. */
const LOOKED_AT = 4000;
const SHOWN = 24;

/** How two pictures that count as each other's negatives relate. */
type Relation = 'same file' | 'same pixels' | 'same class' | 'different class' | 'unknown';

/** Two training items that the model holds similar although training treats them as different. */
interface ListedPair {
  readonly a: string;
  readonly b: string;
  /** Cosine of the embeddings. */
  readonly similarity: number;
  readonly relation: Relation;
  readonly classes?: readonly [string, string];
}

export interface FalseNegativesResult {
  readonly report: string;
  readonly json: string;
  /** Items that were compared, of so many. */
  readonly compared: number;
  readonly items: number;
  readonly pairs: readonly ListedPair[];
}

/**
 * Writes `false-negatives.html` and `.json` into a run's folder: the pairs of training items that its encoder holds most
 * similar although they count as negatives.
 */
export async function reportFalseNegatives(folder: string, console: Console): Promise<FalseNegativesResult> {
  const run = await readRun(folder);
  trainedEncoder(run);
  const data = await load(run.settings.data, run.settings.imageSize, console);
  console.log('comparing all training pictures with each other');
  const found = await findFalseNegatives(run, data);
  const { section, ...list } = found;
  const json = join(folder, 'false-negatives.json');
  const report = join(folder, 'false-negatives.html');
  await writeFileAtomic(json, `${JSON.stringify(list, null, 2)}\n`);
  const likely = list.pairs.filter(({ relation }) => IDENTICAL.includes(relation)).length;
  await writeReport(
    {
      title: 'Look-alikes that count as negatives',
      summary: `The ${list.pairs.length} pairs of training items that ${run.settings.encoder} of ${folder} holds most similar${likely > 0 ? `; ${likely} of them show the very same picture` : ''}.`,
      falseNegatives: section,
      reproduce: [`nearmiss eval ${folder} --false-negatives report`],
    },
    report,
  );
  return { report, json, ...list };
}

/** The pairs as JSON has them, and the most similar ones with their pictures. */
export async function findFalseNegatives(
  run: Run,
  data: TrainingData,
  opened?: TrainerEncoder,
): Promise<Omit<FalseNegativesResult, 'report' | 'json'> & { readonly section: FalseNegatives }> {
  const { graph, weights, readOut, size } = trainedEncoder(run);
  const sources = data.paired ? data.sources : [data.sources[0]];
  const rows = even(data.rows, Math.floor(MOST_VIEWS / sources.length));
  const encoder = opened ?? (await openTrainerEncoder({ graph, weights, size, pool: readOut.pool }));
  let embeddings: Float32Array;
  const width = readOut.pool * readOut.pool * graph.featureChannels;
  try {
    const parts: Float32Array[] = [];
    for (const source of sources) {
      parts.push(applyReadOut(await encoder.features(gatherPictures(source, rows)), width, readOut));
    }
    embeddings = joined(parts);
  } finally {
    if (!opened) await encoder.close();
  }
  const dim = readOut.whitening?.dimensions ?? width;
  const byLabel = methodByName(run.settings.method).positives === 'labels';
  const ids = itemIds(data, rows, sources.length, byLabel);
  const view = (at: number): { pictures: Pictures; row: number } => ({
    pictures: sources[Math.floor(at / rows.length)]!,
    row: rows[at % rows.length]!,
  });
  const found = lookAlikes(embeddings, ids, dim, LOOKED_AT).map((pair) => {
    const [a, b] = [view(pair.rows[0]), view(pair.rows[1])];
    return { pair, a, b, relation: relationOf(a, b) };
  });
  const pairs = withoutRepeats(found, LISTED).map(({ pair, a, b, relation }) => {
    const { labels, classes } = a.pictures;
    const listed: ListedPair = {
      a: a.pictures.names[a.row]!,
      b: b.pictures.names[b.row]!,
      similarity: Number(pair.similarity.toFixed(6)),
      relation,
      ...(labels && classes && { classes: [classes[labels[a.row]!]!, classes[b.pictures.labels![b.row]!]!] as const }),
    };
    const shown: SuspectPair = {
      similarity: pair.similarity,
      relation,
      pictures: [a, b].map(({ pictures, row }) => ({
        picture: { size, data: gatherPictures(pictures, [row]) },
        name: data.titles ? titleOf(data, row) : pictures.names[row]!,
      })) as unknown as SuspectPair['pictures'],
    };
    return { listed, shown };
  });
  return {
    compared: rows.length,
    items: data.rows.length,
    pairs: pairs.map(({ listed }) => listed),
    section: {
      pairs: shownPairs(pairs.map(({ shown }) => shown)),
      compared: rows.length,
      items: data.rows.length,
    },
  };
}

/** The most similar ones, at most half of them identical pictures, if others are there. */
function shownPairs(pairs: readonly SuspectPair[]): SuspectPair[] {
  const identical = pairs.filter(({ relation }) => IDENTICAL.includes(relation as Relation));
  const alike = pairs.filter(({ relation }) => !IDENTICAL.includes(relation as Relation));
  const first = identical.slice(0, Math.max(SHOWN / 2, SHOWN - alike.length));
  return [...first, ...alike.slice(0, SHOWN - first.length)];
}

/** What each view's positives share: its item, or its label where positives are labels. */
function itemIds(data: TrainingData, rows: Int32Array, sources: number, byLabel: boolean): Int32Array {
  const labels = byLabel ? data.sources[0].labels : undefined;
  const own = labels ? rows.map((row) => labels[row]!) : rows;
  return Int32Array.from({ length: sources * rows.length }, (_, at) => own[at % rows.length]!);
}

const IDENTICAL: readonly Relation[] = ['same file', 'same pixels'];

/** Of pictures that are there many times only as many pairs as connect them all, so that other pairs are seen too. */
function withoutRepeats<Found extends { readonly pair: LookAlike; readonly relation: Relation }>(
  found: readonly Found[],
  most: number,
): Found[] {
  const leader = new Map<number, number>();
  const leaderOf = (item: number): number => {
    const next = leader.get(item);
    return next === undefined ? item : leaderOf(next);
  };
  const kept: Found[] = [];
  for (const one of found) {
    if (kept.length === most) break;
    if (IDENTICAL.includes(one.relation)) {
      const [a, b] = [leaderOf(one.pair.a), leaderOf(one.pair.b)];
      if (a === b) continue;
      leader.set(a, b);
    }
    kept.push(one);
  }
  return kept;
}

interface View {
  readonly pictures: Pictures;
  readonly row: number;
}

function relationOf(a: View, b: View): Relation {
  if (a.pictures.hashes[a.row] === b.pictures.hashes[b.row]) return 'same file';
  const [x, y] = [gatherPictures(a.pictures, [a.row]), gatherPictures(b.pictures, [b.row])];
  if (x.every((value, i) => value === y[i])) return 'same pixels';
  const [p, q] = [className(a), className(b)];
  if (p === undefined || q === undefined) return 'unknown';
  return p === q ? 'same class' : 'different class';
}

function className({ pictures, row }: View): string | undefined {
  return pictures.labels && pictures.classes?.[pictures.labels[row]!];
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function even(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows;
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]!);
}
