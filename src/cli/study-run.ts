import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyReadOut } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import { type Answer, answerQuestion, type Question, type Representation } from '../evaluate/index.js';
import { writeFileAtomic } from '../files.js';
import {
  openTrainerEncoder,
  type Run,
  resolveTrainSettings,
  runFiles,
  type TrainingData,
  type TrainSettings,
  train,
  trainedEncoder,
} from '../train/index.js';
import { type Console, duration } from './console.js';
import { fineTuneOn } from './fine-tuning.js';
import type { ReadOutName, Study, StudyMethod } from './study-settings.js';

/** One method with one seed. */
export interface StudyTask {
  /** Name of its files: the method, the seed, and a hash of all that its result depends on. */
  readonly id: string;
  readonly method: string;
  readonly seed: number;
  readonly settings: TrainSettings;
}

/** Figures of a read-out: by question, by measure. */
export type Answers = Readonly<Record<string, Answer['measures']>>;

/** What a task came to; kept as JSON, so that a study that is run again goes on where it was. */
export interface StudyResult {
  readonly id: string;
  readonly method: string;
  readonly seed: number;
  readonly steps: number;
  /** Of training and evaluation. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Mean training loss of the last 20 steps. */
  readonly loss: number;
  /** By read-out. */
  readonly answers: Readonly<Record<string, Answers>>;
  /** By `readOut.question.measure`: `1` for each query that was answered rightly, else `0`. */
  readonly hits: Readonly<Record<string, string>>;
}

const LAST_STEPS = 20;

/** All tasks of a study, seed by seed: what is there early compares all methods. */
export function studyTasks(study: Study, items: number, file: string): StudyTask[] {
  return study.seeds.flatMap((seed) => study.methods.map((method) => studyTask(study, method, seed, items, file)));
}

function studyTask(study: Study, method: StudyMethod, seed: number, items: number, file: string): StudyTask {
  const where = `${file}: method '${method.name}'`;
  const input = { ...study.settings, ...method.settings, ...study.budget, data: study.data, seed };
  const settings = resolveTrainSettings(input, items, where);
  // Nothing is evaluated on the way.
  const quiet = { ...settings, evaluateEvery: Number.MAX_SAFE_INTEGER };
  const depends = JSON.stringify([quiet, study.evaluate, study.readOuts]);
  const hash = createHash('sha256').update(depends).digest('hex').slice(0, 10);
  return { id: `${slug(method.name)}-seed-${seed}-${hash}`, method: method.name, seed, settings: quiet };
}

/** A file name of a method's name. */
export function slug(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll('τ', 't')
    .replaceAll('β', 'b')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .toLowerCase();
  return plain || 'method';
}

/** The stored result of a task, or none where there is none yet. */
export async function storedResult(out: string, task: StudyTask): Promise<StudyResult | undefined> {
  try {
    const stored = JSON.parse(await readFile(resultFile(out, task), 'utf8')) as StudyResult;
    // The names are the study's now; what was measured is the hash's.
    return { ...stored, method: task.method };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function resultFile(out: string, { id }: StudyTask): string {
  return join(out, 'results', `${id}.json`);
}

export interface TaskOptions {
  readonly out: string;
  readonly study: Study;
  readonly data: TrainingData;
  readonly questions: readonly Question[];
  readonly console: Console;
  /** What the task is doing, and the share of it that is done, in [0, 1]. */
  readonly onProgress: (doing: string, share: number) => void;
}

/** Share of a task's time that training is taken to be, for progress only. */
const TRAINING_SHARE = 0.9;

/**
 * Trains and evaluates one task, and stores its result. A run that was stopped or killed goes on from its checkpoint.
 * `NM_INTERRUPTED` when the console's signal stops it.
 */
export async function runTask(task: StudyTask, options: TaskOptions): Promise<StudyResult> {
  const { out, study, data, questions, console, onProgress } = options;
  const started = performance.now();
  const folder = join(out, 'runs', task.id);
  const outcome = await train(task.settings, data, {
    out: folder,
    resume: existsSync(runFiles(folder).settings),
    signal: console.signal,
    onProgress: (event) => {
      if (event.type !== 'step') return;
      const { step, steps, loss, secondsLeft } = event;
      const done = (step + 1) / steps;
      onProgress(
        `step ${step + 1}/${steps}  loss ${loss.toFixed(3)}  ${duration(secondsLeft)} left`,
        TRAINING_SHARE * done,
      );
    },
  });
  if (outcome.stopped) {
    throw new NearmissError('NM_INTERRUPTED', `stopped after step ${outcome.run.checkpoint.step} of ${task.method}`);
  }
  const answers: Record<string, Record<string, Answer['measures']>> = {};
  const hits: Record<string, string> = {};
  for (const readOut of study.readOuts) {
    onProgress(`evaluating, read-out ${readOut}`, TRAINING_SHARE);
    answers[readOut] = {};
    await withReadOut(outcome.run, readOut, async (representation) => {
      for (const question of questions) {
        console.signal.throwIfAborted();
        const answer = await answerQuestion(question, representation, { ...study.evaluate, seed: task.seed });
        answers[readOut]![question.name] = answer.measures;
        for (const [measure, found] of Object.entries(answer.hits)) {
          hits[`${readOut}.${question.name}.${measure}`] = found.join('');
        }
      }
    });
  }
  if (study.evaluate.fineTune) await addFineTuned(outcome.run, task, options, answers);
  const losses = outcome.run.history.flatMap((line) => (line.type === 'step' ? [line.loss] : [])).slice(-LAST_STEPS);
  const result: StudyResult = {
    id: task.id,
    method: task.method,
    seed: task.seed,
    steps: outcome.run.checkpoint.step,
    seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
    imagesPerSecond: Math.round(outcome.imagesPerSecond),
    loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    answers,
    hits,
  };
  await mkdir(join(out, 'results'), { recursive: true });
  await writeFileAtomic(resultFile(out, task), `${JSON.stringify(result, null, 1)}\n`);
  return result;
}

/** Fine-tuning starts from the weights, whatever the read-out: its figures stand with the first one. */
async function addFineTuned(
  run: Run,
  task: StudyTask,
  { study, questions, console }: TaskOptions,
  answers: Record<string, Record<string, Answer['measures']>>,
): Promise<void> {
  for (const question of questions) {
    if (question.kind !== 'labels') continue;
    const tuned = await fineTuneOn(run, question, { seed: task.seed, console });
    const first = answers[study.readOuts[0]!]!;
    first[question.name] = { ...first[question.name], ...tuned };
  }
}

/** Runs `work` with the encoder of a run, read out in one way. */
async function withReadOut(
  run: Run,
  name: ReadOutName,
  work: (representation: Representation) => Promise<void>,
): Promise<void> {
  const { graph, weights, readOut, size } = trainedEncoder(run);
  const pool = name === 'average' ? 1 : name === 'grid' ? 2 : readOut.pool;
  const whitening = name === 'run' ? readOut.whitening : undefined;
  const encoder = await openTrainerEncoder({ graph, weights, size, pool });
  const width = pool * pool * graph.featureChannels;
  try {
    await work({
      name,
      note: '',
      width: whitening?.dimensions ?? width,
      embed: async (pictures) => {
        const features = await encoder.features(pictures);
        return whitening ? applyReadOut(features, width, readOut) : features;
      },
    });
  } finally {
    await encoder.close();
  }
}
