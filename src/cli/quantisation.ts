import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { classRanks, retrievalQuality, retrievalRanks } from '../evaluate/index.js';
import {
  augmentedPictures,
  type Fit,
  type Pictures,
  readEmoji,
  readPictures,
  SIMCLR_RECIPE,
  selectPictures,
} from '../images/index.js';
import { loadTrainingKernels, standaloneHeap } from '../kernels/index.js';
import type { Quantisation, QuantisationOptions, RecallQuestion } from '../onnx/index.js';
import { permutation, randomStream } from '../random.js';
import { decimal } from './command.js';
import { type Console, percent } from './console.js';

export interface QuantisationFlags {
  readonly int8?: boolean;
  readonly calibrate?: string;
  readonly maxLoss?: number;
  readonly reduceRange?: boolean;
  readonly s8s8?: boolean;
  readonly seed?: number;
}

/** Pictures that ranges are taken from, and pictures that models are compared on, at most. */
const CALIBRATION = 256;
const HELD_OUT = 512;
/** Pictures that are needed: a quarter of them is held out. */
const LEAST = 64;
/** Views are drawn until there are so many queries, so that one of them weighs little; at most so many a picture. */
const QUERIES = 1024;
const MOST_VIEWS = 16;
const PURPOSE_SPLIT = 0x714;
const PURPOSE_VIEWS = 0x715;

export function addQuantisationOptions(command: Command): Command {
  return command
    .option('--int8', 'write an int8 model: about three times as fast on one thread, a quarter of the size')
    .option('--calibrate <source>', 'pictures that --int8 takes the ranges of its integers from, and is checked on')
    .option(
      '--max-loss <points>',
      'refuse an int8 model that lost more recall@1 than this (default 2)',
      decimal(0, 100),
    )
    .option('--reduce-range', 'weights of 7 bits, for x86 CPUs without VNNI')
    .option('--s8s8', 'signed activations, for ARM');
}

/** Throws `NM_OPTION_INVALID` where options of --int8 are without it, without pictures, or do not go together. */
export function checkQuantisationFlags(flags: QuantisationFlags): void {
  const invalid = (message: string): NearmissError => new NearmissError('NM_OPTION_INVALID', message);
  if (flags.int8 && flags.calibrate === undefined) {
    throw invalid('--int8: found without --calibrate, allowed: with a source of pictures like those to be searched');
  }
  if (flags.reduceRange && flags.s8s8) throw invalid('--reduce-range: found with --s8s8, allowed: one of them');
  if (flags.int8) return;
  const given = { calibrate: flags.calibrate, 'max-loss': flags.maxLoss, 'reduce-range': flags.reduceRange };
  const [lonely] = Object.entries({ ...given, s8s8: flags.s8s8 }).find(([, value]) => value !== undefined) ?? [];
  if (lonely !== undefined) throw invalid(`--${lonely}: found without --int8`);
}

/** Reads the calibration pictures and makes a question of those that are kept out; undefined without --int8. */
export async function readQuantisation(
  flags: QuantisationFlags,
  { size, fit }: { readonly size: number; readonly fit?: Fit | undefined },
  console: Console,
): Promise<QuantisationOptions | undefined> {
  const { calibrate, maxLoss, seed = 0 } = flags;
  if (!flags.int8 || calibrate === undefined) return undefined;
  const reading = {
    size,
    signal: console.signal,
    onProgress: (done: number) => console.progress(`reading calibration pictures: ${done}`),
  };
  const parts =
    calibrate === 'emoji'
      ? await emojiParts(reading, seed)
      : await sourceParts(calibrate, { ...reading, ...(fit && { fit }) }, seed, console);
  return {
    ...parts,
    ...(flags.s8s8 && { format: 's8s8' }),
    ...(flags.reduceRange && { reduceRange: true }),
    ...(maxLoss !== undefined && { maxLoss }),
    signal: console.signal,
    onProgress: (done, count) => console.progress(`calibrating: ${Math.floor((100 * done) / count)}%`),
  };
}

type Parts = Pick<QuantisationOptions, 'calibration' | 'heldOut' | 'question'>;
type Reading = Parameters<typeof readPictures>[1];

/** Ranges from pictures of both vendors that training may see; compared on emoji that it never sees. */
async function emojiParts(reading: Reading, seed: number): Promise<Parts> {
  const { noto, twemoji, training, heldOut } = await readEmoji(reading);
  const order = permutation(training.length, randomStream(seed, PURPOSE_SPLIT));
  const drawn = Array.from(order.subarray(0, CALIBRATION / 2), (at) => training[at]!);
  const [a, b] = [noto, twemoji].map((pictures) => selectPictures(pictures, drawn).data) as [Uint8Array, Uint8Array];
  const calibration = new Uint8Array(a.length + b.length);
  calibration.set(a);
  calibration.set(b, a.length);
  const gallery = selectPictures(noto, heldOut).data;
  return { calibration, heldOut: gallery, question: pairQuestion(gallery, selectPictures(twemoji, heldOut).data) };
}

async function sourceParts(source: string, reading: Reading, seed: number, console: Console): Promise<Parts> {
  const pictures = await readPictures(source, reading);
  for (const { name, reason } of pictures.skipped) console.log(`skipped ${name}: ${reason}`);
  const { count } = pictures;
  if (count < LEAST) {
    const found = `found ${count} usable pictures (${pictures.skipped.length} files were skipped)`;
    throw new NearmissError('NM_DATA_TOO_SMALL', `--calibrate: ${source}: ${found}, allowed: ${LEAST} or more`, {
      hint: 'Name more pictures; they need no labels.',
    });
  }
  const order = permutation(count, randomStream(seed, PURPOSE_SPLIT));
  const kept = Math.min(HELD_OUT, Math.floor(count / 4));
  const heldOut = selectPictures(pictures, order.subarray(0, kept));
  const calibration = selectPictures(pictures, order.subarray(kept, kept + CALIBRATION)).data;
  return {
    calibration,
    heldOut: heldOut.data,
    question: classQuestion(heldOut) ?? (await viewQuestion(heldOut, seed)),
  };
}

/** Row i of the queries belongs to row i of the gallery. */
function pairQuestion(gallery: Uint8Array, queries: Uint8Array): RecallQuestion {
  return {
    task: 'pairs',
    ask: async (embed, dim) => {
      const rows = await embed(gallery);
      const own = Int32Array.from({ length: rows.length / dim }, (_, row) => row);
      return retrievalQuality(retrievalRanks(await embed(queries), rows, dim, own));
    },
  };
}

/** A picture of the same class among the others, where most pictures have one. */
function classQuestion({ data, labels, count }: Pictures): RecallQuestion | undefined {
  if (!labels) return undefined;
  const members = new Map<number, number>();
  for (const label of labels) members.set(label, (members.get(label) ?? 0) + 1);
  const askable = labels.filter((label) => members.get(label)! > 1).length;
  if (members.size < 2 || askable < count / 2) return undefined;
  return {
    task: 'classes',
    ask: async (embed, dim) => {
      const rows = await embed(data);
      return retrievalQuality(classRanks(rows, labels, rows, labels, dim, { leaveOneOut: true }));
    },
  };
}

/** The picture that a crop of it, mirrored and in other colours, was made of: what SimCLR trains. */
async function viewQuestion({ data, count, size }: Pictures, seed: number): Promise<RecallQuestion> {
  const kernels = await loadTrainingKernels(standaloneHeap());
  const views = Math.min(MOST_VIEWS, Math.ceil(QUERIES / count));
  const rows = Int32Array.from({ length: count * views }, (_, query) => query % count);
  const items = rows.map((_, query) => query);
  const draw = { recipe: SIMCLR_RECIPE, seed, purpose: PURPOSE_VIEWS, step: 0, view: 0 };
  const queries = augmentedPictures(kernels, { source: data, size, rows, items, ...draw });
  return {
    task: 'views',
    ask: async (embed, dim) => retrievalQuality(retrievalRanks(await embed(queries), await embed(data), dim, rows)),
  };
}

/** What quantisation cost, for people. */
export function quantisationText({ calibration, heldOut, recallAt1 }: Quantisation): string {
  const { task, queries, float32, int8 } = recallAt1;
  const cosine = `${heldOut.cosineMean.toFixed(5)} on average, ${heldOut.cosineMin.toFixed(5)} at least`;
  return [
    `int8: ranges of ${calibration.pictures} pictures (${calibration.method}); on ${heldOut.pictures} others`,
    `  cosine with float32 ${cosine}; ${percent(heldOut.neighbourOverlap)}% of neighbours kept`,
    `  recall@1 of ${queries} ${task}: float32 ${percent(float32)}, int8 ${percent(int8)}`,
  ].join('\n');
}
