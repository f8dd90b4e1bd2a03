import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { writeBundle } from '../device/bundle.js';
import { NearmissError } from '../errors.js';
import { ntxent } from '../negatives/index.js';
import { checkRuntime, createEmbedder } from '../onnx/index.js';
import { writeReport } from '../report/index.js';
import { openStore } from '../retrieve/index.js';
import {
  gatherPictures,
  readRunSettings,
  resolveTrainSettings,
  type TrainingData,
  type TrainOutcome,
  type TrainSettings,
  type TrainSettingsInput,
} from '../train/index.js';
import { command } from './command.js';
import { type PairedQuality, type PairedQuestion, pairedQuestion } from './comparison.js';
import { type Console, duration, percent } from './console.js';
import { exportRun, quantiseFile, type Written } from './export.js';
import { indexSource } from './index-source.js';
import { quantisationText } from './quantisation.js';
import { askEncoder, compareWithBaselines, resultTables, resultText } from './results.js';
import { runReport } from './run-report.js';
import { titleOf } from './titles.js';
import { load, refuseRun, runTraining } from './train.js';

interface DemoFlags {
  readonly out?: string;
  readonly seed?: number;
  readonly full?: boolean;
  readonly short?: boolean;
}

/** Steps of the demo: about two minutes on two cores. */
const STEPS = 700;
/** Steps of the short form: seconds, for checking that everything works. */
const SHORT_STEPS = 60;
const SEARCHED = 5;

export function demoCommand(): Command {
  return command<DemoFlags>('demo', ['nearmiss demo', 'nearmiss demo --full', 'nearmiss demo --json > demo.json'], demo)
    .option('--out <folder>', 'where everything is written (default: a new folder nearmiss-demo)')
    .option('--full', 'also train NT-Xent, to see what hard negatives add; twice the time')
    .option('--short', `only ${SHORT_STEPS} steps, to see that it works`);
}

async function demo(_args: readonly string[], flags: DemoFlags, console: Console): Promise<Record<string, unknown>> {
  const started = performance.now();
  if (flags.full && flags.short) {
    throw new NearmissError('NM_OPTION_INVALID', '--full: found with --short, allowed: one of them');
  }
  if (flags.out !== undefined && existsSync(join(flags.out, 'encoder.onnx'))) refuseRun(flags.out);
  const input: TrainSettingsInput = {
    data: { kind: 'emoji' },
    steps: flags.short ? SHORT_STEPS : STEPS,
    evaluateEvery: flags.short ? 30 : 100,
    seed: flags.seed ?? 0,
  };
  await checkRuntime();
  console.log('The task: for a Twemoji picture that training never saw, find the Noto picture of the same emoji.');
  const data = await load(input.data, 32, console);
  const question = pairedQuestion(data);
  if (!question) throw new Error('the emoji data has no held-out part');
  const settings = resolveTrainSettings(input, data.rows.length);
  const { out, resume } = await demoFolder(flags.out, settings);

  console.log(
    `1. training on ${data.rows.length} pairs, no labels: ${settings.steps} steps, ${settings.workers} workers`,
  );
  const outcome = await finished(runTraining(settings, data, { out, resume }, console), out);
  const reference = flags.full ? await trainReference(settings, data, question, out, console) : undefined;

  console.log('2. exporting to ONNX');
  const model = join(out, 'encoder.onnx');
  const comparison = await compareWithBaselines(outcome.run, data, question, reference);
  const { heldOut, all, baselines } = comparison;
  const metrics = {
    'heldOut.recallAt1': heldOut.recallAt1,
    'heldOut.recallAt5': heldOut.recallAt5,
    'all.recallAt1': all.recallAt1,
  };
  const exported = await exportRun(outcome.run, data, model, console, { metrics });

  console.log('3. indexing the Noto pictures and searching for unseen Twemoji ones');
  const found = await indexAndSearch(model, question, data, out, console);

  console.log('4. drawing the report');
  const report = join(out, 'report.html');
  const drawn = await runReport(outcome.run, data);
  await writeReport(
    {
      ...drawn,
      summary: `Trained on ${data.rows.length} pairs of Noto and Twemoji pictures, without labels. Of ${heldOut.queries} Twemoji pictures that it never saw, ${percent(heldOut.recallAt1)}% find their Noto picture first.`,
      ...resultTables(comparison, question),
      reproduce: [`nearmiss demo${flags.full ? ' --full' : ''}`],
    },
    report,
  );

  console.log('5. making the encoder int8, and bundling a page that searches in a browser');
  const site = join(out, 'site');
  const small = await bundleDemo(model, out, site, console);

  const seconds = (performance.now() - started) / 1000;
  console.print(`\n${resultText(comparison, question)}\n`);
  console.print('Twemoji query, and the Noto pictures that the store finds for it:');
  for (const { title, hits } of found) console.print(`  ${title} → ${hits.map((hit) => hit.title).join(', ')}`);
  console.print(`\n${duration(seconds)} in all; ${outcome.imagesPerSecond.toFixed(0)} images/s while training`);
  console.print(`model   ${model} (${(exported.bytes / 1e6).toFixed(2)} MB)`);
  console.print(`        ${small.path} (${(small.bytes / 1e6).toFixed(2)} MB, the page's)`);
  console.print(`store   ${join(out, 'store.db')}`);
  console.print(`report  ${report}  ← open this`);
  console.print(`page    ${site}  ← nearmiss open ${site}`);
  return {
    heldOut,
    all,
    baselines,
    ...(reference ? { ntxent: reference } : {}),
    imagesPerSecond: Math.round(outcome.imagesPerSecond),
    augmentShare: Number(outcome.augmentShare.toFixed(4)),
    seconds: Number(seconds.toFixed(1)),
    steps: settings.steps,
    workers: settings.workers,
    searches: found,
    model: resolve(model),
    store: resolve(out, 'store.db'),
    report: resolve(report),
    site: resolve(site),
  };
}

/** Points of recall@1 that the page's encoder may lose: the short form's are worth little, and the demo should end. */
const MAX_LOSS = 5;

/** Quantises the encoder, indexes with it and writes the page; those of an earlier, stopped demo are replaced. */
async function bundleDemo(model: string, out: string, site: string, console: Console): Promise<Written> {
  const path = join(out, 'encoder.int8.onnx');
  const written = await quantiseFile(model, { int8: true, calibrate: 'emoji', maxLoss: MAX_LOSS, out: path }, console);
  console.log(quantisationText(written.card.quantisation!));
  const embedder = await createEmbedder(path);
  const filled = join(out, 'store.int8.db');
  try {
    await indexSource({ embedder, model: path, source: 'emoji', out: filled, prune: false }, console);
  } finally {
    await embedder.close();
  }
  const store = await openStore(filled, { readOnly: true });
  try {
    await writeBundle(store, site, {
      title: 'Emoji',
      vectors: 'int8',
      signal: console.signal,
      onProgress: (line) => console.progress(line),
    });
  } finally {
    await store.close();
  }
  return written;
}

/** A run that ended, or `NM_INTERRUPTED` with how to go on. */
async function finished(training: Promise<TrainOutcome>, out: string): Promise<TrainOutcome> {
  const outcome = await training;
  if (!outcome.stopped) return outcome;
  const { checkpoint, settings } = outcome.run;
  throw new NearmissError('NM_INTERRUPTED', `stopped after step ${checkpoint.step} of ${settings.steps}`, {
    hint: `Go on with \`nearmiss demo --out ${out}\`.`,
  });
}

/**
 * Where to write: the folder asked for, or the first free `nearmiss-demo`, `nearmiss-demo-2`, …. A demo of the same
 * settings that was stopped there is gone on with.
 */
async function demoFolder(
  asked: string | undefined,
  settings: TrainSettings,
): Promise<{ out: string; resume: boolean }> {
  for (let number = 1; ; number++) {
    const out = asked ?? (number === 1 ? 'nearmiss-demo' : `nearmiss-demo-${number}`);
    if (!existsSync(out)) return { out, resume: false };
    const unfinished = existsSync(join(out, 'settings.json')) && !existsSync(join(out, 'encoder.onnx'));
    const same = unfinished && JSON.stringify(await readRunSettings(out)) === JSON.stringify(settings);
    if (same) return { out, resume: true };
    // A folder that was named must be free or hold this run: training says so.
    if (asked !== undefined) return { out, resume: false };
  }
}

/** NT-Xent with the same temperature, settings and read-out. */
async function trainReference(
  settings: TrainSettings,
  data: TrainingData,
  question: PairedQuestion,
  out: string,
  console: Console,
): Promise<PairedQuality> {
  console.log('1b. the same with NT-Xent, for comparison');
  const { objective } = settings;
  const plain = { ...settings, objective: ntxent({ temperature: objective.temperature }) };
  const folder = join(out, 'ntxent');
  const { resume } = await demoFolder(folder, plain);
  const outcome = await finished(runTraining(plain, data, { out: folder, resume }, console), out);
  await exportRun(outcome.run, data, join(folder, 'encoder.onnx'), console);
  const embedder = await createEmbedder(join(folder, 'encoder.onnx'));
  try {
    return await askEncoder(embedder, question);
  } finally {
    await embedder.close();
  }
}

/** A query of the demo and what the store found for it. */
interface Search {
  readonly query: string;
  readonly title: string;
  readonly hits: readonly { readonly id: string; readonly title: string; readonly score: number }[];
}

/** Indexes the gallery into a store and looks some unseen queries up in it. */
async function indexAndSearch(
  model: string,
  question: PairedQuestion,
  data: TrainingData,
  out: string,
  console: Console,
): Promise<Search[]> {
  const embedder = await createEmbedder(model);
  const path = join(out, 'store.db');
  try {
    await indexSource({ embedder, model, source: 'emoji', out: path, prune: false }, console);
    const { heldOut, queries } = question;
    const asked = Int32Array.from(
      { length: SEARCHED },
      (_, i) => heldOut[Math.floor((i * heldOut.length) / SEARCHED)]!,
    );
    const vectors = await embedder.embed(gatherPictures(queries, asked));
    const store = await openStore(path, { readOnly: true });
    try {
      const each = Array.from(asked, (_, i) => vectors.slice(i * embedder.dim, (i + 1) * embedder.dim));
      const hits = await store.search(each, { k: 3, fingerprint: embedder.fingerprint });
      const rowOf = new Map(question.gallery.names.map((name, row) => [name, row]));
      return Array.from(asked, (row, i) => ({
        query: queries.names[row]!,
        title: titleOf(data, row),
        hits: hits[i]!.map(({ id, score }) => ({
          id,
          title: titleOf(data, rowOf.get(id)!),
          score: Number(score.toFixed(4)),
        })),
      }));
    } finally {
      await store.close();
    }
  } finally {
    await embedder.close();
  }
}
