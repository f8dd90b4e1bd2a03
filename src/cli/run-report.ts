import { availableParallelism, cpus } from 'node:os';
import { applyReadOut, initialWeights, type ReadOut, unitLength } from '../encoders/index.js';
import { nearestNeighbours } from '../evaluate/index.js';
import { type AugmentRecipe, augmentedPictures, type Pictures } from '../images/index.js';
import { loadTrainingKernels, standaloneHeap } from '../kernels/index.js';
import { rankNegatives, resolveObjective } from '../negatives/index.js';
import type {
  NearMiss,
  NegativeSimilarities,
  Neighbours,
  ReportData,
  ReportPicture,
  SearchedQuery,
  ViewedItem,
} from '../report/index.js';
import {
  gatherPictures,
  openTrainerEncoder,
  type Run,
  type TrainerEncoder,
  type TrainingData,
  trainedEncoder,
} from '../train/index.js';
import { embeddingMap } from './embedding-map.js';
import { findFalseNegatives } from './false-negatives.js';
import { objectiveName } from './results.js';
import { titleOf } from './titles.js';
import { version } from './version.js';

/** Pictures that are searched at most: beyond it an even sample. */
const GALLERY = 4000;
const QUERIES = 8;
const HITS = 5;
/** Training items among which near misses are looked for. */
const RANKED_ITEMS = 512;
const HISTOGRAM_ANCHORS = 64;
const NEAR_MISS_ANCHORS = 6;
const NEAR_MISSES = 5;
const VIEWED_ITEMS = 5;
/** Augmented views of an item, of all its sources together. */
const VIEWS = 4;
const PURPOSE_REPORT = 0x4e;

/** Report data of a run, without tables of results, which depend on what was asked. */
export async function runReport(run: Run, data: TrainingData): Promise<ReportData> {
  const { settings, graph, checkpoint, history } = run;
  const { weights, readOut, size } = trainedEncoder(run);
  const calibrate = gatherPictures(data.sources[0], data.rows.subarray(0, 256));
  const before = await openTrainerEncoder({
    graph,
    weights: initialWeights(graph, settings.seed),
    size,
    pool: readOut.pool,
    calibrate,
  });
  const after = await openTrainerEncoder({ graph, weights, size, pool: readOut.pool });
  try {
    const losses = history.filter((line) => line.type === 'step');
    const ranked = await rankedNegatives(run, data, after);
    const map = await embeddingMap(data, after, readOut, graph.featureChannels, settings.seed);
    return {
      title: `nearmiss: ${settings.encoder}, ${checkpoint.step} steps`,
      loss: losses.map(({ step, loss }) => [step, loss] as const),
      quality: qualityCurves(run),
      ...ranked,
      neighbours: await neighbours(data, before, after, readOut, graph.featureChannels),
      views: await views(run, data),
      ...(map ? { map } : {}),
      falseNegatives: (await findFalseNegatives(run, data, after)).section,
      settings: settingsTable(run, data),
      environment: {
        nearmiss: version,
        Node: process.version,
        platform: `${process.platform} ${process.arch}`,
        processor: cpus()[0]?.model.trim() ?? 'unknown',
        cores: availableParallelism(),
      },
      ...(settings.data.kind === 'emoji' ? { credits: EMOJI_CREDITS } : {}),
    };
  } finally {
    await before.close();
    await after.close();
  }
}

export const EMOJI_CREDITS: readonly string[] = [
  'Noto Emoji by Google, Apache License 2.0',
  'Twemoji by Twitter and contributors, CC-BY 4.0',
];

function picture(pictures: { readonly data: Uint8Array; readonly size: number }, row: number): ReportPicture {
  const bytes = pictures.size * pictures.size * 3;
  return { data: pictures.data.slice(row * bytes, (row + 1) * bytes), size: pictures.size };
}

/** `count` of them, evenly spaced: shown pictures are not picked by how well they do. */
function evenly<T>(values: ArrayLike<T>, count: number): T[] {
  const taken = Math.min(count, values.length);
  return Array.from({ length: taken }, (_, i) => values[Math.floor(((i + 0.5) * values.length) / taken)]!);
}

function qualityCurves(run: Run): NonNullable<ReportData['quality']> {
  const curves = new Map<string, (readonly [number, number])[]>();
  for (const line of run.history) {
    if (line.type !== 'evaluation') continue;
    for (const [name, value] of Object.entries(line.metrics)) {
      const label = name
        .replace(/^heldOut/, 'held-out ')
        .replace(/^class/, 'class ')
        .replace(/^trainingPairs/, 'training pairs ')
        .replace(/RecallAt(\d+)$/, 'recall@$1');
      if (!curves.has(label)) curves.set(label, []);
      curves.get(label)!.push([line.step, value]);
    }
  }
  return [...curves].map(([name, points]) => ({ name, points }));
}

/** What queries find before and after training: held-out items where there are any. */
async function neighbours(
  data: TrainingData,
  before: TrainerEncoder,
  after: TrainerEncoder,
  readOut: ReadOut,
  channels: number,
): Promise<Neighbours> {
  const [galleryPictures, queryPictures] = data.sources;
  const asked = evenly(data.heldOut ?? data.rows, QUERIES);
  const everything = Int32Array.from({ length: galleryPictures.count }, (_, row) => row);
  const sampled = evenly(everything, GALLERY);
  const gallery = Int32Array.from(new Set([...sampled, ...asked])).sort();
  const width = readOut.pool * readOut.pool * channels;
  const [g, q] = [gatherPictures(galleryPictures, gallery), gatherPictures(queryPictures, asked)];
  const dimensions = readOut.whitening?.dimensions ?? width;
  const found = [
    nearestNeighbours(
      unitLength(await before.features(q), width),
      unitLength(await before.features(g), width),
      width,
      gallery.length,
    ),
    nearestNeighbours(
      applyReadOut(await after.features(q), width, readOut),
      applyReadOut(await after.features(g), width, readOut),
      dimensions,
      gallery.length,
    ),
  ];
  const { labels } = galleryPictures;
  const right = (query: number, row: number): boolean | undefined =>
    data.paired ? row === query : labels && labels[row] === labels[query];
  const queries = asked.map(
    (query, place): SearchedQuery => ({
      picture: picture(queryPictures, query),
      name: titleOf(data, query),
      found: found.map((each) => {
        const { rows, scores } = each[place]!;
        // A single source finds its own picture first: not shown.
        const hits = Array.from(rows, (at, i) => ({ row: gallery[at]!, score: scores[i]! })).filter(
          ({ row }) => data.paired || row !== query,
        );
        const rank = hits.findIndex(({ row }) => right(query, row) === true) + 1;
        return {
          hits: hits.slice(0, HITS).map(({ row, score }) => {
            const answer = right(query, row);
            return {
              picture: picture(galleryPictures, row),
              name: titleOf(data, row),
              score,
              ...(answer === undefined ? {} : { right: answer }),
            };
          }),
          ...(rank > 0 ? { rank } : {}),
        };
      }),
    }),
  );
  const what = data.heldOut ? 'items that training never saw' : 'items of the training data';
  const rule = data.paired || !labels ? '' : ' A picture of the same class is right.';
  return {
    encoders: ['Before training', 'After training'],
    note: `${asked.length} ${what}, evenly spaced through the data, among ${gallery.length} pictures.${rule}`,
    queries,
  };
}

/** The negatives of some anchors as the loss sees them at the end of training. */
async function rankedNegatives(
  run: Run,
  data: TrainingData,
  encoder: TrainerEncoder,
): Promise<{ negatives: NegativeSimilarities; nearMisses: readonly NearMiss[] }> {
  const { settings } = run;
  const rows = Int32Array.from(evenly(data.rows, RANKED_ITEMS));
  const [first, second] = data.sources;
  const kernels = await loadTrainingKernels(standaloneHeap());
  const view = (pictures: Pictures, side: 0 | 1): Uint8Array =>
    data.paired
      ? gatherPictures(pictures, rows)
      : augmentedPictures(kernels, {
          source: pictures.data,
          size: pictures.size,
          rows,
          recipe: settings.augment,
          seed: settings.seed,
          purpose: PURPOSE_REPORT,
          step: 1,
          view: side,
        });
  const views = [view(first, 0), view(second, 1)] as const;
  const a = await encoder.projections(views[0]);
  const b = await encoder.projections(views[1]);
  const z = new Float32Array(a.length + b.length);
  z.set(a);
  z.set(b, a.length);
  const count = 2 * rows.length;
  const objective = resolveObjective(settings.objective, settings.steps - 1, settings.steps);
  const address = kernels.heap.malloc(z.byteLength);
  try {
    new Float32Array(kernels.heap.memory.buffer, address, z.length).set(z);
    const anchors = evenly(Array.from(rows.keys()), HISTOGRAM_ANCHORS);
    const dim = z.length / count;
    const ranked = rankNegatives(kernels, { rows: address, count, dim, anchors, objective });
    const shownView = (row: number): ReportPicture =>
      picture({ data: views[row < rows.length ? 0 : 1], size: settings.imageSize }, row % rows.length);
    const nearMisses = evenly(ranked, NEAR_MISS_ANCHORS).map(
      ({ anchor, positive, indices, similarities, selected }): NearMiss => ({
        picture: shownView(anchor),
        name: titleOf(data, rows[anchor % rows.length]!),
        positive: { picture: shownView(anchor + rows.length), similarity: positive },
        negatives: Array.from(indices.subarray(selected[0], selected[0] + NEAR_MISSES), (row, i) => ({
          picture: shownView(row),
          name: titleOf(data, rows[row % rows.length]!),
          similarity: similarities[selected[0] + i]!,
        })),
      }),
    );
    return {
      negatives: { anchors: ranked, beta: objective.beta, temperature: objective.temperature },
      nearMisses,
    };
  } finally {
    kernels.heap.free(address);
  }
}

/** Some training items and augmented views of both sources. */
async function views(run: Run, data: TrainingData): Promise<ViewedItem[]> {
  const { settings } = run;
  const kernels = await loadTrainingKernels(standaloneHeap());
  const sources = data.paired ? data.sources : [data.sources[0]];
  return evenly(data.rows, VIEWED_ITEMS).map((row) => ({
    name: titleOf(data, row),
    originals: sources.map((source) => picture(source, row)),
    views: sources.flatMap((source, side) =>
      Array.from({ length: VIEWS / sources.length }, (_, step) => ({
        size: source.size,
        data: augmentedPictures(kernels, {
          source: source.data,
          size: source.size,
          rows: [row],
          recipe: settings.augment,
          seed: settings.seed,
          purpose: PURPOSE_REPORT,
          step: 2 + step,
          view: side,
        }),
      })),
    ),
  }));
}

/** A recipe in words, without what it does not do. */
function augmentationText({ cropScale, flip, jitter, grayscale, blur }: AugmentRecipe): string {
  const parts = [`crop of ${cropScale[0]} to ${cropScale[1]} of the area`];
  if (flip > 0) parts.push(`flip ${flip}`);
  const { probability, brightness, contrast, saturation, hue } = jitter;
  if (probability > 0) {
    parts.push(
      `jitter ${probability} (brightness ${brightness}, contrast ${contrast}, saturation ${saturation}, hue ${hue})`,
    );
  }
  if (grayscale > 0) parts.push(`grayscale ${grayscale}`);
  if (blur.probability > 0) parts.push(`blur ${blur.probability}`);
  return parts.join(', ');
}

function settingsTable(run: Run, data: TrainingData): Record<string, string | number> {
  const { settings } = run;
  const { encoder, imageSize, method, objective, augment, batch, steps, learningRate, warmup, weightDecay } = settings;
  return {
    encoder,
    'picture size': `${imageSize}x${imageSize}`,
    method,
    objective: objectiveName(objective),
    augmentation: augmentationText(augment),
    'training items': data.rows.length,
    batch: `${batch} items, ${2 * batch} views`,
    steps,
    'learning rate': `${learningRate}, cosine${warmup > 0 ? ` after ${warmup} steps of warm-up` : ''}`,
    'weight decay': weightDecay,
    'read-out': `${settings.pool}x${settings.pool} grid${settings.whiten > 0 ? `, whitened to ${settings.whiten}` : ''}`,
    workers: settings.workers,
    seed: settings.seed,
  };
}
