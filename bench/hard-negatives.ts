// Claim: what hard negatives bring on paired emoji, and what they do not. HCL against NT-Xent at the same temperature
// and at NT-Xent's best one, over several seeds; same encoder, data, augmentation, schedule and read-out.
//
//   npm run bench:hard-negatives -- [--steps 700] [--seeds 3] [--workers 2] [--out bench/results]
//
// Held-out emoji: for an unseen Twemoji picture, find the Noto one. h: average pooling; 2x2: the last map's grid;
// whitened: the grid whitened on the training pairs, as the demo exports it. Intervals: paired bootstrap over the
// queries, hits averaged over seeds (they do not cover drawing another split).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { applyReadOut, type ReadOut, unitLength } from '../src/encoders/index.js';
import { pairedBootstrap, recallAt, retrievalRanks } from '../src/evaluate/index.js';
import { hcl, ntxent, type Objective } from '../src/negatives/index.js';
import {
  gatherPictures,
  loadTrainingData,
  openTrainerEncoder,
  resolveTrainSettings,
  type TrainingData,
  train,
  trainedEncoder,
} from '../src/train/index.js';

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '700' },
    seeds: { type: 'string', default: '3' },
    workers: { type: 'string', default: '2' },
    out: { type: 'string', default: 'bench/results' },
  },
});
const [steps, seeds, workers] = [Number(options.steps), Number(options.seeds), Number(options.workers)];

const OBJECTIVES: Readonly<Record<string, Objective>> = {
  'NT-Xent τ .5': ntxent({ temperature: 0.5 }),
  'NT-Xent τ .1': ntxent({ temperature: 0.1 }),
  'HCL τ .5 β 2': hcl({ temperature: 0.5, beta: 2, tauPlus: 0 }),
};
const READ_OUTS = ['h', '2x2', 'whitened'] as const;

/** Ranks of the held-out queries, by read-out, among the held-out pictures and among all. */
type Ranks = Record<(typeof READ_OUTS)[number], { readonly held: Int32Array; readonly all: Int32Array }>;

interface Outcome {
  readonly loss: number;
  readonly seconds: number;
  readonly ranks: Ranks;
}

function ranksOf(gallery: Float32Array, queries: Float32Array, width: number, heldOut: Int32Array): Ranks['h'] {
  const held = new Float32Array(heldOut.length * width);
  heldOut.forEach((row, i) => {
    held.set(gallery.subarray(row * width, (row + 1) * width), i * width);
  });
  return {
    held: retrievalRanks(
      queries,
      held,
      width,
      heldOut.map((_, i) => i),
    ),
    all: retrievalRanks(queries, gallery, width, heldOut),
  };
}

/** The average over the 2x2 grid: average pooling, where the cells are equally large. */
function averaged(grid: Float32Array, channels: number): Float32Array {
  const result = new Float32Array(grid.length / 4);
  for (let i = 0; i < result.length; i++) {
    const at = Math.floor(i / channels) * 4 * channels + (i % channels);
    result[i] = (grid[at]! + grid[at + channels]! + grid[at + 2 * channels]! + grid[at + 3 * channels]!) / 4;
  }
  return result;
}

async function once(objective: Objective, seed: number, data: TrainingData, heldOut: Int32Array): Promise<Outcome> {
  const out = mkdtempSync(join(tmpdir(), 'nearmiss-bench-'));
  rmSync(out, { recursive: true });
  const started = performance.now();
  const settings = resolveTrainSettings({ data: { kind: 'emoji' }, objective, seed, steps, workers }, data.rows.length);
  const { run } = await train(settings, data, { out });
  const seconds = (performance.now() - started) / 1000;
  const { graph, weights, readOut, size } = trainedEncoder(run);
  const encoder = await openTrainerEncoder({ graph, weights, size, pool: 2 });
  const g = await encoder.features(data.sources[0].data);
  const q = await encoder.features(gatherPictures(data.sources[1], heldOut));
  await encoder.close();
  const channels = graph.featureChannels;
  const whitened = (rows: Float32Array, how: ReadOut): Float32Array => applyReadOut(rows, 4 * channels, how);
  const ranks: Ranks = {
    h: ranksOf(
      unitLength(averaged(g, channels), channels),
      unitLength(averaged(q, channels), channels),
      channels,
      heldOut,
    ),
    '2x2': ranksOf(unitLength(g.slice(), 4 * channels), unitLength(q.slice(), 4 * channels), 4 * channels, heldOut),
    whitened: ranksOf(whitened(g, readOut), whitened(q, readOut), readOut.whitening!.dimensions, heldOut),
  };
  const losses = run.history.flatMap((line) => (line.type === 'step' ? [line.loss] : []));
  const last = losses.slice(-20);
  rmSync(out, { recursive: true });
  return { loss: last.reduce((sum, loss) => sum + loss, 0) / last.length, seconds, ranks };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (values: readonly number[]): number =>
  values.length < 2 ? 0 : Math.sqrt(values.reduce((s, v) => s + (v - mean(values)) ** 2, 0) / (values.length - 1));
const percent = (values: readonly number[]): string =>
  `${(100 * mean(values)).toFixed(1)} ± ${(100 * spread(values)).toFixed(1)}`;

const data = await loadTrainingData({ kind: 'emoji' }, 32);
const heldOut = data.heldOut!;
const results = new Map<string, Outcome[]>(Object.keys(OBJECTIVES).map((name) => [name, []]));
for (let seed = 0; seed < seeds; seed++) {
  for (const [name, objective] of Object.entries(OBJECTIVES)) {
    const outcome = await once(objective, seed, data, heldOut);
    results.get(name)!.push(outcome);
    const recall = READ_OUTS.map((how) => `${how} ${(100 * recallAt(outcome.ranks[how].held, 1)).toFixed(1)}`);
    console.error(`seed ${seed} ${name}: loss ${outcome.loss.toFixed(3)}, ${outcome.seconds.toFixed(0)} s, ${recall}`);
  }
}

const lines = [
  `# Hard negatives on paired emoji, ${steps} steps, ${seeds} seeds`,
  '',
  `\`npm run bench:hard-negatives -- --steps ${steps} --seeds ${seeds} --workers ${workers}\`, Node ${process.version}, ${cpus()[0]?.model.trim()}, ${workers} workers.`,
  `${heldOut.length} unseen queries; mean ± standard deviation over seeds, percent; loss: mean of the last 20 steps.`,
  '',
  '| objective | read-out | held-out recall@1 | recall@5 | all recall@1 | loss |',
  '|---|---|---|---|---|---|',
];
for (const [name, outcomes] of results) {
  for (const how of READ_OUTS) {
    const of = (gallery: 'held' | 'all', k: number): string =>
      percent(outcomes.map(({ ranks }) => recallAt(ranks[how][gallery], k)));
    const loss = how === 'h' ? mean(outcomes.map((outcome) => outcome.loss)).toFixed(3) : '';
    lines.push(`| ${name} | ${how} | ${of('held', 1)} | ${of('held', 5)} | ${of('all', 1)} | ${loss} |`);
  }
}
lines.push('', 'Difference of HCL in held-out recall@1, points, with its 95% interval:', '');
lines.push('| against | h | 2x2 | whitened |', '|---|---|---|---|');
const hits = (name: string, how: (typeof READ_OUTS)[number]): Float64Array => {
  const outcomes = results.get(name)!;
  return Float64Array.from(heldOut, (_, query) =>
    mean(outcomes.map(({ ranks }) => (ranks[how].held[query] === 1 ? 1 : 0))),
  );
};
for (const rival of ['NT-Xent τ .5', 'NT-Xent τ .1']) {
  const cells = READ_OUTS.map((how) => {
    const { mean: difference, low, high } = pairedBootstrap(hits('HCL τ .5 β 2', how), hits(rival, how), { seed: 1 });
    const points = (value: number): string => `${value >= 0 ? '+' : ''}${(100 * value).toFixed(1)}`;
    return `${points(difference)} [${points(low)}, ${points(high)}]`;
  });
  lines.push(`| ${rival} | ${cells.join(' | ')} |`);
}
const text = `${lines.join('\n')}\n`;
mkdirSync(options.out, { recursive: true });
writeFileSync(join(options.out, `hard-negatives-${steps}.md`), text);
console.log(text);
