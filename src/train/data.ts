import { NearmissError } from '../errors.js';
import { type Pictures, readEmoji, readPairs, readPictures } from '../images/index.js';
import { methodByName } from '../methods/index.js';
import { type DataSettings, isPaired, type TrainSettings } from './settings.js';

/** What a run trains on: two aligned sources, or one that stands for both. */
export interface TrainingData {
  /** The first and the second view's source, rows aligned; the same object when there is one source. */
  readonly sources: readonly [Pictures, Pictures];
  /** Rows of the sources that are trained on. */
  readonly rows: Int32Array;
  /** Rows kept out of training on purpose (emoji). */
  readonly heldOut?: Int32Array;
  /** What people call each row, where the source says. */
  readonly titles?: readonly string[];
  /** Two sources rather than two augmentations of one picture. */
  readonly paired: boolean;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export interface LoadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number | undefined) => void;
}

/** Reads the pictures that the settings name, at `size` x `size`. */
export async function loadTrainingData(
  data: DataSettings,
  size: number,
  options: LoadOptions = {},
): Promise<TrainingData> {
  const fit = data.kind !== 'emoji' && data.fit !== undefined ? { fit: data.fit } : {};
  const reading = { size, ...fit, ...options };
  if (data.kind === 'emoji') {
    const emoji = await readEmoji(reading);
    const { noto, twemoji, training, heldOut, shortNames } = emoji;
    const titles = shortNames.map((name) => name.replaceAll(/[_-]/g, ' '));
    const paired = isPaired(data);
    return { sources: [noto, paired ? twemoji : noto], rows: training, heldOut, titles, paired, skipped: [] };
  }
  if (data.kind === 'pairs') {
    const { a, b } = await readPairs(data.a, data.b, reading);
    return { sources: [a, b], rows: allRows(a.count), paired: true, skipped: [...a.skipped, ...b.skipped] };
  }
  const pictures = await readPictures(data.path, reading);
  return { sources: [pictures, pictures], rows: allRows(pictures.count), paired: false, skipped: pictures.skipped };
}

function allRows(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => row);
}

/** Throws `NM_DATA_TOO_SMALL` unless there are pictures for two batches. */
export function checkEnough(data: TrainingData, batch: number): void {
  const found = data.rows.length;
  if (found >= 2 * batch) return;
  const skipped = data.skipped.length > 0 ? ` (${data.skipped.length} files were skipped)` : '';
  throw new NearmissError(
    'NM_DATA_TOO_SMALL',
    `found ${found} usable ${data.paired ? 'pairs' : 'pictures'}${skipped}, allowed: at least two batches, ${2 * batch}`,
  );
}

/** The pictures of `rows`, copied together: uint8 [rows, size, size, 3]. */
export function gatherPictures(pictures: Pictures, rows: ArrayLike<number>): Uint8Array {
  const bytes = pictures.size * pictures.size * 3;
  const result = new Uint8Array(rows.length * bytes);
  for (let i = 0; i < rows.length; i++) {
    result.set(pictures.data.subarray(rows[i]! * bytes, (rows[i]! + 1) * bytes), i * bytes);
  }
  return result;
}

/** Label of each training row (folder names, CIFAR's classes), where the first source has them. */
export function trainingLabels(data: TrainingData): Int32Array | undefined {
  const { labels } = data.sources[0];
  return labels && data.rows.map((row) => labels[row]!);
}

/** Throws `NM_LABELS_MISSING` where a method takes its positives from labels and the pictures have none. */
export function checkLabels(data: TrainingData, settings: Pick<TrainSettings, 'method'>): void {
  if (methodByName(settings.method).positives !== 'labels' || data.sources[0].labels) return;
  throw new NearmissError(
    'NM_LABELS_MISSING',
    `method ${settings.method}: found pictures without labels, allowed: one folder a class, or CIFAR batches`,
  );
}
