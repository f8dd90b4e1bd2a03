import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { classRanks, knnAccuracy, type RetrievalQuality, retrievalQuality, retrievalRanks } from '../evaluate/index.js';
import { type Pictures, readEmoji, readPairs, readPictures } from '../images/index.js';
import type { Embedder } from '../onnx/index.js';
import { gatherPictures } from '../train/index.js';
import { command, decimal, oneOf, wholeNumber } from './command.js';
import { type Console, percent, table } from './console.js';
import { openEncoder } from './model.js';

interface EvalFlags {
  readonly data: string;
  readonly gallery?: string;
  readonly match?: 'name' | 'class';
  readonly k?: number;
  readonly temperature?: number;
}

/** Figures of one question put to the encoder. */
interface Evaluation extends RetrievalQuality {
  readonly gallery: number;
  /** Of a vote of neighbours, where there are classes. */
  readonly knnAccuracy?: number;
}

export function evalCommand(): Command {
  return command<EvalFlags>(
    'eval',
    [
      'nearmiss eval runs/photos --data labelled/',
      'nearmiss eval photos.onnx --data shop/ --gallery catalogue/',
      'nearmiss eval runs/emoji --data emoji',
    ],
    async ([path = ''], flags, console) => {
      const embedder = await openEncoder(path);
      try {
        const evaluations = await evaluate(embedder, flags, console);
        console.print(evaluationTable(evaluations));
        return { model: path, fingerprint: embedder.fingerprint, ...evaluations };
      } finally {
        await embedder.close();
      }
    },
  )
    .argument('<model>', 'folder of a run that has ended, or an .onnx file')
    .requiredOption(
      '--data <source>',
      'pictures with one folder a class; with --gallery the queries; or `emoji`: Twemoji queries, Noto gallery',
    )
    .option('--gallery <source>', 'pictures to find')
    .option(
      '--match <what>',
      'right is the same relative `name` or the same `class` (default: class where both sides share one)',
      oneOf(['name', 'class']),
    )
    .option('--k <number>', 'neighbours that vote for a class (default 200)', wholeNumber(1))
    .option('--temperature <tau>', 'a neighbour of cosine s votes with e^(s/τ) (default 0.5)', decimal(0, 100, true));
}

async function evaluate(
  embedder: Embedder,
  flags: EvalFlags,
  console: Console,
): Promise<Readonly<Record<string, Evaluation>>> {
  const reading = {
    size: embedder.size,
    signal: console.signal,
    onProgress: (done: number) => console.progress(`reading pictures: ${done}`),
  };
  const embed = (pictures: Uint8Array): Promise<Float32Array> => embedder.embed(pictures, { signal: console.signal });
  const width = embedder.dim;
  if (flags.data === 'emoji') {
    if (flags.gallery !== undefined) {
      throw new NearmissError('NM_OPTION_INVALID', '--gallery: found with --data emoji, which has its own');
    }
    const { noto, twemoji, heldOut } = await readEmoji(reading);
    const queries = await embed(gatherPictures(twemoji, heldOut));
    const gallery = await embed(noto.data);
    const held = gatherRows(gallery, heldOut, width);
    const own = Int32Array.from(heldOut, (_, i) => i);
    return {
      heldOut: { ...retrievalQuality(retrievalRanks(queries, held, width, own)), gallery: heldOut.length },
      all: { ...retrievalQuality(retrievalRanks(queries, gallery, width, heldOut)), gallery: noto.count },
    };
  }
  if (flags.gallery === undefined) {
    const pictures = await readPictures(flags.data, reading);
    announceSkipped(pictures, console);
    const labels = needLabels(pictures, flags.data);
    const rows = await embed(pictures.data);
    return { classes: byClass(rows, labels, rows, labels, width, flags, true) };
  }
  const gallery = await readPictures(flags.gallery, reading);
  announceSkipped(gallery, console);
  const queries = await readPictures(flags.data, reading);
  announceSkipped(queries, console);
  const match = flags.match ?? (sharedClasses(queries, gallery).length > 0 ? 'class' : 'name');
  console.log(`a picture is right when it has the query's ${match}`);
  if (match === 'name') {
    const { a, b } = await readPairs(flags.data, flags.gallery, reading);
    const place = new Map(gallery.names.map((name, row) => [name, row]));
    const targets = b.names.map((name) => place.get(name)!);
    const ranks = retrievalRanks(await embed(a.data), await embed(gallery.data), width, targets);
    return { names: { ...retrievalQuality(ranks), gallery: gallery.count } };
  }
  const [queryLabels, galleryLabels] = sharedLabels(queries, flags.data, gallery, flags.gallery);
  const [q, g] = [await embed(queries.data), await embed(gallery.data)];
  return { classes: byClass(q, queryLabels, g, galleryLabels, width, flags, false) };
}

/** Classes that both sides have a folder for. */
function sharedClasses(a: Pictures, b: Pictures): readonly string[] {
  return (a.classes ?? []).filter((name) => b.classes?.includes(name));
}

function byClass(
  queries: Float32Array,
  queryLabels: Int32Array,
  gallery: Float32Array,
  galleryLabels: Int32Array,
  width: number,
  flags: EvalFlags,
  leaveOneOut: boolean,
): Evaluation {
  const ranks = classRanks(queries, queryLabels, gallery, galleryLabels, width, { leaveOneOut });
  const votes = {
    leaveOneOut,
    ...(flags.k === undefined ? {} : { k: flags.k }),
    ...(flags.temperature === undefined ? {} : { temperature: flags.temperature }),
  };
  return {
    ...retrievalQuality(ranks),
    gallery: galleryLabels.length,
    knnAccuracy: knnAccuracy(queries, queryLabels, gallery, galleryLabels, width, votes),
  };
}

function needLabels(pictures: Pictures, source: string): Int32Array {
  if (pictures.labels) return pictures.labels;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `--data: ${source} has no folder a class; allowed: classes, or --gallery`,
  );
}

/** Labels of both sides by the names of their classes. */
function sharedLabels(a: Pictures, sourceA: string, b: Pictures, sourceB: string): [Int32Array, Int32Array] {
  const labelsA = needLabels(a, sourceA);
  const labelsB = needLabels(b, sourceB);
  const numbers = new Map(b.classes!.map((name, label) => [name, label]));
  if (sharedClasses(a, b).length === 0) {
    throw new NearmissError('NM_PAIRS_EMPTY', `${sourceA} and ${sourceB} share no class`);
  }
  return [labelsA.map((label) => numbers.get(a.classes![label]!) ?? -1), labelsB];
}

function gatherRows(rows: Float32Array, which: Int32Array, width: number): Float32Array {
  const result = new Float32Array(which.length * width);
  which.forEach((row, i) => {
    result.set(rows.subarray(row * width, (row + 1) * width), i * width);
  });
  return result;
}

function announceSkipped(pictures: Pictures, console: Console): void {
  for (const { name, reason } of pictures.skipped) console.log(`skipped ${name}: ${reason}`);
}

function evaluationTable(evaluations: Readonly<Record<string, Evaluation>>): string {
  const rows = Object.entries(evaluations).map(([name, e]) => [
    name,
    e.queries,
    e.gallery,
    percent(e.recallAt1),
    percent(e.recallAt5),
    percent(e.recallAt10),
    e.mrr.toFixed(3),
    e.knnAccuracy === undefined ? '' : percent(e.knnAccuracy),
  ]);
  return table(['', 'queries', 'gallery', 'recall@1', 'recall@5', 'recall@10', 'MRR', 'kNN'], rows);
}
