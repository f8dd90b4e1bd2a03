import { encoderByName, initialWeights } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import { methodByName, requireNegatives } from '../methods/index.js';
import { type Checkpoint, writeCheckpoint } from './checkpoint.js';
import { checkEnough, checkLabels, type TrainingData, trainingLabels } from './data.js';
import { allocateExchange } from './exchange.js';
import { appendHistory, type HistoryLine, rewindHistory } from './history.js';
import { fitReadOut } from './read-out.js';
import { Replica, type ReplicaOptions, type StepFigures } from './replica.js';
import { createRun, type Run, readRun, readRunSettings, runFiles, writeRunSettings } from './run.js';
import { sameSettings, type TrainSettings, updateSettings } from './settings.js';
import { Team } from './team.js';

/** Pooled features float32 [count, width] of uint8 pictures [count, size, size, 3], by the encoder as it now is. */
export type FeatureFunction = (pictures: Uint8Array) => Promise<Float32Array>;

export interface TrainOptions {
  /** Folder of the run. */
  readonly out: string;
  /** Go on from the folder's checkpoint. */
  readonly resume?: boolean;
  /** Abort to stop after the step under way; a checkpoint is written first. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: TrainProgress) => void;
  /** Called every `settings.evaluateEvery` steps and at the end; its figures go into the history. */
  readonly evaluate?: (features: FeatureFunction, step: number) => Promise<Readonly<Record<string, number>>>;
}

export type TrainProgress =
  | ({
      readonly type: 'step';
      readonly steps: number;
      readonly epoch: number;
      readonly imagesPerSecond: number;
      readonly secondsLeft: number;
    } & StepFigures)
  | { readonly type: 'evaluation'; readonly step: number; readonly metrics: Readonly<Record<string, number>> }
  | { readonly type: 'checkpoint'; readonly step: number; readonly path: string }
  | { readonly type: 'phase'; readonly name: 'start' | 'read-out'; readonly detail: string };

/** The end of `train`: the run, and whether it was stopped before its last step. */
export interface TrainOutcome {
  readonly run: Run;
  readonly stopped: boolean;
  /** Views (augmented pictures) a second while stepping. */
  readonly imagesPerSecond: number;
  /** Share of the step time spent augmenting. */
  readonly augmentShare: number;
}

/** Steps that measure the speed for a time budget. */
const PROBE_STEPS = 8;

/**
 * Trains an encoder on the CPU and leaves a run folder: settings, a checkpoint that a killed run resumes from to the
 * bit, and the history. Works in `settings.workers` threads. Errors: `NM_DATA_TOO_SMALL`,
 * `NM_LABELS_MISSING`, `NM_NO_NEGATIVES`, `NM_TOO_FEW_CANDIDATES`, `NM_RUN_EXISTS`, `NM_RUN_MISSING`, `NM_SETTINGS_CHANGED`,
 * `NM_SIMD_UNSUPPORTED`, `NM_WORKER_FAILED`.
 */
export async function train(settings: TrainSettings, data: TrainingData, options: TrainOptions): Promise<TrainOutcome> {
  const { batch } = settings;
  checkEnough(data, batch);
  checkLabels(data, settings);
  requireNegatives(settings.objective, { batch, items: data.rows.length, steps: settings.steps });
  const files = runFiles(options.out);
  let resolved = settings;
  let start: Checkpoint | undefined;
  const evaluated = new Set<number>();
  if (options.resume) {
    resolved = await readRunSettings(options.out);
    if (!sameSettings(resolved, settings)) {
      const where = `${options.out}/settings.json`;
      throw new NearmissError('NM_SETTINGS_CHANGED', `--resume: found settings other than those of ${where}`);
    }
    const run = await readRun(options.out).catch((error: unknown) => {
      // Killed before the first checkpoint: the same run from the start.
      if (error instanceof NearmissError && error.code === 'NM_RUN_MISSING') return undefined;
      throw error;
    });
    start = run?.checkpoint;
    const kept = await rewindHistory(files.history, start?.step ?? 0);
    for (const line of kept) if (line.type === 'evaluation') evaluated.add(line.step);
  } else {
    await createRun(options.out);
  }

  const graph = encoderByName(resolved.encoder);
  const weights = initialWeights(graph, resolved.seed);
  // Plain SIMD never fuses, on any machine: a run that began without goes on without.
  const tier = start?.fusesMultiplyAdd === false ? 'plain' : undefined;
  const team = await Team.start(replicaOptions(resolved, data, weights), tier);
  try {
    checkMultiplyAdd(start, team, files.checkpoint);
    options.onProgress?.({
      type: 'phase',
      name: 'start',
      detail: `${resolved.workers} workers, ${team.tier} SIMD`,
    });
    if (resolved.steps === 0) resolved = await fitToTime(resolved, team);
    if (!start) await writeRunSettings(options.out, resolved);
    else await team.restore(start.state);
    return await new Trainer(resolved, data, options, team, start?.step ?? 0, evaluated).run();
  } finally {
    await team.close();
  }
}

/** A resumed run equals an uninterrupted one to the bit, or is refused: weights of fused kernels need such kernels. */
function checkMultiplyAdd(start: Checkpoint | undefined, team: Team, path: string): void {
  if (!start?.fusesMultiplyAdd || team.fusesMultiplyAdd) return;
  throw new NearmissError(
    'NM_SIMD_UNSUPPORTED',
    `${path}: found weights trained with fused multiply-adds, allowed here: separate ones (${team.tier} SIMD)`,
    { hint: 'Resume on a processor with FMA, in Node 20.19 or newer, or start a new run here.' },
  );
}

/** What every replica of a run is started with. */
export function replicaOptions(
  settings: TrainSettings,
  data: TrainingData,
  weights: ReplicaOptions['weights'],
): ReplicaOptions {
  const graph = encoderByName(settings.encoder);
  return {
    graph,
    weights,
    replica: 0,
    exchange: allocateExchange({
      replicas: settings.workers,
      views: 2 * settings.batch,
      dim: graph.head[2],
      values: Replica.exchangedValues(graph),
    }),
    sources: [
      { size: settings.imageSize, data: data.sources[0].data },
      { size: settings.imageSize, data: data.sources[1].data },
    ],
    rows: data.rows,
    labels: trainingLabels(data),
    recipe: settings.augment,
    method: settings.method,
    methodOptions: settings.methodOptions,
    objective: settings.objective,
    seed: settings.seed,
    batch: settings.batch,
    learningRate: settings.learningRate,
    warmup: settings.warmup,
    weightDecay: settings.weightDecay,
    syncBatchNorm: settings.syncBatchNorm,
    updates: updateSettings(settings),
  };
}

/** One run's loop over chunks of steps, each ending in a checkpoint, an evaluation, or both. */
class Trainer {
  private readonly settings: TrainSettings;
  private readonly data: TrainingData;
  private readonly options: TrainOptions;
  private readonly team: Team;
  private step: number;
  private readonly first: number;
  /** Steps after which the history has an evaluation. */
  private readonly evaluated: Set<number>;
  private pending: HistoryLine[] = [];
  private milliseconds = 0;
  private augmentMilliseconds = 0;

  constructor(
    settings: TrainSettings,
    data: TrainingData,
    options: TrainOptions,
    team: Team,
    first: number,
    evaluated: Set<number>,
  ) {
    this.settings = settings;
    this.data = data;
    this.options = options;
    this.team = team;
    this.first = first;
    this.evaluated = evaluated;
    this.step = first;
  }

  async run(): Promise<TrainOutcome> {
    const { settings, options, team } = this;
    const { signal } = options;
    await this.evaluateWhenDue();
    while (this.step < settings.steps && !signal?.aborted) {
      const next = Math.min(
        settings.steps,
        nextMultiple(this.step, settings.evaluateEvery),
        nextMultiple(this.step, settings.checkpointEvery),
      );
      this.step = await team.run(
        { from: this.step, to: next, steps: settings.steps },
        (figures) => this.onStep(figures),
        signal,
      );
      if (signal?.aborted) break;
      await this.evaluateWhenDue();
      if (this.step < settings.steps) await this.checkpoint();
    }
    const stopped = this.step < settings.steps;
    await this.checkpoint(!stopped);
    return {
      run: await readRun(options.out),
      stopped,
      imagesPerSecond: this.imagesPerSecond(),
      augmentShare: this.milliseconds > 0 ? this.augmentMilliseconds / this.milliseconds : 0,
    };
  }

  private imagesPerSecond(): number {
    const taken = this.step - this.first;
    return this.milliseconds > 0
      ? (methodByName(this.settings.method).views * this.settings.batch * taken * 1000) / this.milliseconds
      : 0;
  }

  private onStep(figures: StepFigures): void {
    const { settings } = this;
    const { step, loss, positiveSimilarity, learningRate } = figures;
    this.pending.push({ type: 'step', step, loss, positiveSimilarity, learningRate });
    this.step = step + 1;
    this.milliseconds += figures.milliseconds;
    this.augmentMilliseconds += figures.augmentMilliseconds;
    const perStep = this.milliseconds / (this.step - this.first);
    this.options.onProgress?.({
      type: 'step',
      ...figures,
      steps: settings.steps,
      epoch: Math.floor((step * settings.batch) / this.data.rows.length),
      imagesPerSecond: this.imagesPerSecond(),
      secondsLeft: ((settings.steps - this.step) * perStep) / 1000,
    });
  }

  /** Every so many steps and at the end, unless the resumed run's history has it. */
  private async evaluateWhenDue(): Promise<void> {
    const { options, settings, team } = this;
    const due = this.step % settings.evaluateEvery === 0 || this.step === settings.steps;
    if (!options.evaluate || !due || this.evaluated.has(this.step)) return;
    this.evaluated.add(this.step);
    const features: FeatureFunction = (pictures) => team.features(pictures, settings.imageSize, settings.pool);
    const metrics = await options.evaluate(features, this.step);
    this.pending.push({ type: 'evaluation', step: this.step, metrics });
    options.onProgress?.({ type: 'evaluation', step: this.step, metrics });
  }

  /** History first, then the checkpoint: a crash between the two leaves lines that `rewindHistory` drops. */
  private async checkpoint(last = false): Promise<void> {
    const { options, settings, team, data } = this;
    const files = runFiles(options.out);
    await appendHistory(files.history, this.pending);
    this.pending = [];
    const state = await team.state();
    let readOut: Awaited<ReturnType<typeof fitReadOut>> | undefined;
    if (last) {
      const detail = settings.whiten > 0 ? `whitening to ${settings.whiten} dimensions` : `pool ${settings.pool}`;
      options.onProgress?.({ type: 'phase', name: 'read-out', detail });
      readOut = await fitReadOut(settings, data, (pictures) =>
        team.features(pictures, settings.imageSize, settings.pool),
      );
    }
    await writeCheckpoint(files.checkpoint, encoderByName(settings.encoder), {
      step: this.step,
      state,
      fusesMultiplyAdd: team.fusesMultiplyAdd,
      ...(readOut ? { readOut } : {}),
    });
    options.onProgress?.({ type: 'checkpoint', step: this.step, path: files.checkpoint });
  }
}

function nextMultiple(step: number, every: number): number {
  return (Math.floor(step / every) + 1) * every;
}

/** Measures a few steps, undoes them, and sets the number of steps that the time budget allows. */
async function fitToTime(settings: TrainSettings, team: Team): Promise<TrainSettings> {
  const before = await team.state();
  const times: number[] = [];
  await team.run({ from: 0, to: PROBE_STEPS, steps: PROBE_STEPS }, (figures) => times.push(figures.milliseconds));
  await team.restore(before);
  const median = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 1;
  // A tenth is kept for evaluations, checkpoints and the read-out.
  const steps = Math.max(1, Math.floor((0.9 * settings.minutes * 60_000) / median));
  return { ...settings, steps };
}
