import { NearmissError } from '../errors.js';
import type { Question } from '../evaluate/index.js';
import {
  type Fit,
  type LabelList,
  labelPictures,
  type Pictures,
  readEmoji,
  readLabelList,
  readPairs,
  readPictures,
} from '../images/index.js';
import { gatherPictures } from '../train/index.js';

/** Which pictures an encoder is asked about; the options of `nearmiss eval` and the `evaluate` of a study. */
export interface EvaluationSources {
  /** The queries: a source of pictures, or `emoji`. */
  readonly data: string;
  /** Pictures to find. */
  readonly gallery?: string;
  /** Labelled pictures to learn classes from. */
  readonly train?: string;
  /** CSV file with the classes of all three. */
  readonly labels?: string;
  readonly labelColumn?: string;
  readonly match?: 'name' | 'class';
  readonly fit?: Fit;
  /** Shares of the labels of `train` that are enough, in (0, 1]. */
  readonly fewLabels?: readonly number[];
}

export interface ReadingOptions {
  readonly size: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
  /** A line for the person watching: skipped files, and what counts as right. */
  readonly say: (line: string) => void;
}

/**
 * Reads the pictures and says what is asked of them:
 *
 * - `emoji`: Twemoji queries that training never sees, among the held-out Noto pictures (`heldOut`) and among all (`all`);
 * - `data` alone: pictures of the same class, each query against all others (`classes`);
 * - with a gallery: the picture of the same name (`names`) or pictures of the same class (`classes`);
 * - with `train`: the class, learnt from labelled pictures by neighbours and by a linear probe (`labels`).
 *
 * @throws `NM_OPTION_INVALID`, `NM_PAIRS_EMPTY`, `NM_LABELS_INVALID`; as `readPictures`
 */
export async function readQuestions(sources: EvaluationSources, options: ReadingOptions): Promise<readonly Question[]> {
  const { data, gallery, train, labels, labelColumn, fit } = sources;
  if (data === 'emoji') return emojiQuestions(sources, options);
  if (sources.fewLabels && train === undefined) {
    throw new NearmissError('NM_OPTION_INVALID', 'few labels: found without --train, whose labels they are a share of');
  }
  if (labelColumn !== undefined && labels === undefined) {
    throw new NearmissError('NM_OPTION_INVALID', '--label-column: found without --labels');
  }
  const { size, signal, onProgress, say } = options;
  const reading = { size, ...(fit && { fit }), ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const list = labels === undefined ? undefined : await readLabelList(labels, labelColumn);
  const read = async (source: string): Promise<Pictures> => {
    const pictures = await readPictures(source, reading);
    for (const { name, reason } of pictures.skipped) say(`skipped ${name}: ${reason}`);
    return list ? labelPictures(pictures, list) : pictures;
  };
  const queries = await read(data);
  const questions: Question[] = [];
  if (gallery !== undefined) {
    const found = await read(gallery);
    const match = sources.match ?? (sharedClasses(queries, found).length > 0 ? 'class' : 'name');
    say(`a picture is right when it has the query's ${match}`);
    if (match === 'name') {
      const { a, b } = await readPairs(data, gallery, reading);
      const place = new Map(found.names.map((name, row) => [name, row]));
      const targets = Int32Array.from(b.names, (name) => place.get(name)!);
      questions.push({ kind: 'targets', name: 'names', queries: a.data, gallery: found.data, targets });
    } else {
      const [queryLabels, galleryLabels] = sharedLabels(queries, data, found, gallery);
      const both = { queries: queries.data, queryLabels, gallery: found.data, galleryLabels };
      questions.push({ kind: 'classes', name: 'classes', ...both, leaveOneOut: false });
    }
  } else if (train === undefined) {
    const own = needLabels(queries, data, list);
    const both = { queries: queries.data, queryLabels: own, gallery: queries.data, galleryLabels: own };
    questions.push({ kind: 'classes', name: 'classes', ...both, leaveOneOut: true });
  }
  if (train !== undefined) {
    const known = await read(train);
    const [testLabels, trainLabels] = sharedLabels(queries, data, known, train);
    questions.push({
      kind: 'labels',
      name: 'labels',
      train: known.data,
      trainLabels,
      test: queries.data,
      testLabels,
      fewLabels: sources.fewLabels ?? [],
    });
  }
  return questions;
}

async function emojiQuestions(sources: EvaluationSources, options: ReadingOptions): Promise<readonly Question[]> {
  for (const option of ['gallery', 'train', 'labels', 'match', 'fit', 'fewLabels'] as const) {
    if (sources[option] === undefined) continue;
    const flag = option === 'fewLabels' ? 'few-labels' : option;
    throw new NearmissError('NM_OPTION_INVALID', `--${flag}: found with --data emoji, which has its own`);
  }
  const { size, signal, onProgress } = options;
  const { noto, twemoji, training, heldOut } = await readEmoji({
    size,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const queries = gatherPictures(twemoji, heldOut);
  const reference = gatherPictures(noto, training);
  const own = Int32Array.from(heldOut, (_, i) => i);
  return [
    { kind: 'targets', name: 'heldOut', queries, gallery: gatherPictures(noto, heldOut), targets: own, reference },
    { kind: 'targets', name: 'all', queries, gallery: noto.data, targets: heldOut, reference },
  ];
}

/** Classes that both sides have. */
function sharedClasses(a: Pictures, b: Pictures): readonly string[] {
  return (a.classes ?? []).filter((name) => b.classes?.includes(name));
}

function needLabels(pictures: Pictures, source: string, list: LabelList | undefined): Int32Array {
  if (pictures.labels) return pictures.labels;
  const allowed = list ? 'a class for each' : 'one folder a class, --labels, or --gallery';
  throw new NearmissError('NM_OPTION_INVALID', `${source}: found pictures without classes; allowed: ${allowed}`);
}

/** Labels of both sides by the names of their classes, numbered as in `b`; -1 for a class that `b` does not have. */
function sharedLabels(a: Pictures, sourceA: string, b: Pictures, sourceB: string): [Int32Array, Int32Array] {
  const labelsA = needLabels(a, sourceA, undefined);
  const labelsB = needLabels(b, sourceB, undefined);
  const numbers = new Map(b.classes!.map((name, label) => [name, label]));
  if (sharedClasses(a, b).length === 0) {
    throw new NearmissError('NM_PAIRS_EMPTY', `${sourceA} and ${sourceB} share no class`);
  }
  return [labelsA.map((label) => numbers.get(a.classes![label]!) ?? -1), labelsB];
}
