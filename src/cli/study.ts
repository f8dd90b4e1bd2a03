import { basename, extname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { fewLabelsMeasure, type Question } from '../evaluate/index.js';
import type { TrainingData } from '../train/index.js';
import { command, wholeNumber } from './command.js';
import { type Console, duration, table } from './console.js';
import { readQuestions } from './evaluation-sources.js';
import { measureText } from './evaluation-text.js';
import { readJson } from './settings.js';
import { studyBaselines } from './study-baselines.js';
import { type StudyOutcome, type StudyState, writeStudy } from './study-report.js';
import { runTask, type StudyResult, type StudyTask, slug, storedResult, studyTasks } from './study-run.js';
import { parseStudy, type Study } from './study-settings.js';
import type { BaselineResult } from './study-summary.js';
import { differenceText, intervalText, spreadText, studyMeasureTitle } from './study-text.js';
import { load } from './train.js';

interface StudyFlags {
  readonly out?: string;
  readonly seeds?: number;
  readonly steps?: number;
}

const EXAMPLES = [
  'nearmiss study study.json --out studies/mine',
  'nearmiss study study.json --out studies/quick --seeds 1 --steps 20   # does everything work?',
];

export function studyCommand(): Command {
  return command<StudyFlags>('study', EXAMPLES, run)
    .argument('<study>', 'JSON file: data, methods, seeds, budget and questions; docs/studies.md has the format')
    .option('--out <folder>', 'folder of results and runs; run again, it goes on (default: the name of the study)')
    .option('--seeds <number>', "so many seeds, 0 and up, instead of the study's", wholeNumber(1, 1000))
    .option('--steps <number>', "so many steps a run, instead of the study's budget", wholeNumber(1));
}

async function run(
  [file = '']: readonly string[],
  flags: StudyFlags,
  console: Console,
): Promise<Record<string, unknown>> {
  const asked = parseStudy(await readJson(file), file);
  const study: Study = {
    ...asked,
    ...(flags.seeds === undefined ? {} : { seeds: Array.from({ length: flags.seeds }, (_, i) => i) }),
    ...(flags.steps === undefined ? {} : { budget: { steps: flags.steps } }),
  };
  const out = flags.out ?? join('studies', slug(basename(file, extname(file))));
  // Wrong settings are refused before the pictures are read.
  const [{ settings }] = studyTasks(study, 1, file) as [StudyTask];
  const data = await load(study.data, settings.imageSize, console);
  const tasks = studyTasks(study, data.rows.length, file);
  const questions = await readQuestions(study.evaluate, {
    size: settings.imageSize,
    signal: console.signal,
    onProgress: (done) => console.progress(`reading pictures to evaluate on: ${done}`),
    say: (line) => console.log(line),
  });
  const reference = tasks.find(({ method }) => method === study.compare.reference)!;
  const baselines = await studyBaselines({ study, settings: reference.settings, questions, out, console });
  checkMeasure(study, file, baselines);
  const again = [
    `nearmiss study ${file} --out ${out}`,
    flags.seeds === undefined ? '' : ` --seeds ${flags.seeds}`,
    flags.steps === undefined ? '' : ` --steps ${flags.steps}`,
  ].join('');
  const results = await runTasks({ study, file, out, again, tasks, data, questions, baselines }, console);
  const state: StudyState = { study, again, out, results, baselines, tasks: tasks.length };
  const outcome = await writeStudy(state);
  if (!outcome) throw new Error(`no result has the measure '${study.compare.measure}'`);
  printOutcome(study, outcome, out, console);
  return {
    study: file,
    out: resolve(out),
    report: resolve(out, 'report.html'),
    table: resolve(out, 'table.md'),
    results: resolve(out, 'results.json'),
    plot: resolve(out, 'plot.svg'),
    ...outcome,
  };
}

interface Work {
  readonly study: Study;
  readonly file: string;
  readonly out: string;
  /** The command that goes on. */
  readonly again: string;
  readonly tasks: readonly StudyTask[];
  readonly data: TrainingData;
  readonly questions: readonly Question[];
  readonly baselines: readonly BaselineResult[];
}

/** Runs what has no result yet; the tables on the disk are as of the last run that ended. */
async function runTasks(work: Work, console: Console): Promise<StudyResult[]> {
  const { study, out, again, tasks, data, questions, baselines } = work;
  const results: StudyResult[] = [];
  const stored = await Promise.all(tasks.map((task) => storedResult(out, task)));
  for (const result of stored) if (result) results.push(result);
  if (results.length > 0) {
    console.log(`${results.length} of ${tasks.length} runs are there already`);
    // A kill may have come between a run's result and the tables.
    await writeStudy({ study, again, out, results, baselines, tasks: tasks.length });
  }
  for (const [number, task] of tasks.entries()) {
    if (stored[number]) continue;
    const started = performance.now();
    const title = `run ${number + 1}/${tasks.length}  ${task.method}, seed ${task.seed}`;
    const waiting = tasks.filter((_, i) => i > number && !stored[i]);
    const result = await runTask(task, {
      out,
      study,
      data,
      questions,
      console,
      onProgress: (doing, share) => {
        const spent = (performance.now() - started) / 1000;
        const left = secondsLeft(waiting, results, share > 0 ? spent / share : undefined, spent);
        console.progress(`${title}: ${doing}${left === undefined ? '' : `  ·  study: ${duration(left)} left`}`);
      },
    }).catch((error: unknown) => {
      if (!console.signal.aborted) throw error;
      throw new NearmissError('NM_INTERRUPTED', `stopped in run ${number + 1} of ${tasks.length}, ${task.method}`, {
        hint: `Go on with \`${again}\`; what is done is kept.`,
        cause: error,
      });
    });
    results.push(result);
    console.log(`${title}: ${headline(study, result)}, ${duration(result.seconds)}`);
    await writeStudy({ study, again, out, results, baselines, tasks: tasks.length });
  }
  return results;
}

/** Seconds that this run and all later ones take, each as long as runs of its method, or all, took so far. */
function secondsLeft(
  waiting: readonly StudyTask[],
  results: readonly StudyResult[],
  thisRun: number | undefined,
  spent: number,
): number | undefined {
  const mean = (of: readonly StudyResult[]): number | undefined =>
    of.length === 0 ? undefined : of.reduce((sum, { seconds }) => sum + seconds, 0) / of.length;
  const usual = mean(results) ?? thisRun;
  if (usual === undefined) return undefined;
  const later = waiting.reduce(
    (sum, { method }) => sum + (mean(results.filter((result) => result.method === method)) ?? usual),
    0,
  );
  return Math.max(0, (thisRun ?? usual) - spent) + later;
}

/** The compared figure of one run, for the line that says that it ended. */
function headline({ readOuts, compare }: Study, { answers, loss }: StudyResult): string {
  const first = answers[readOuts[0]!] ?? {};
  const [question, measure] = compare.measure?.split('.') ?? [Object.keys(first)[0], undefined];
  const measures = first[question ?? ''] ?? {};
  const name = measure ?? Object.keys(measures)[0] ?? '';
  const value = measures[name];
  return `${value === undefined ? '' : `${question}.${name} ${measureText(name, value)}, `}loss ${loss.toFixed(3)}`;
}

/**
 * Throws `NM_OPTION_INVALID` for a measure to compare that no question has: before anything is trained, as the baselines
 * have the same ones.
 */
function checkMeasure({ compare, evaluate }: Study, file: string, baselines: readonly BaselineResult[]): void {
  const { measure } = compare;
  if (measure === undefined) return;
  const answers = baselines[0]?.answers[0] ?? {};
  const allowed = Object.entries(answers).flatMap(([question, measures]) =>
    Object.keys(measures).map((name) => `${question}.${name}`),
  );
  const tuned = evaluate.fineTune ? (evaluate.fewLabels ?? []) : [];
  allowed.push(...tuned.map((share) => `labels.${fewLabelsMeasure('fineTuned', share)}`));
  if (allowed.includes(measure)) return;
  throw new NearmissError(
    'NM_OPTION_INVALID',
    `${file}: compare.measure: found '${measure}', allowed: ${allowed.join(', ')}`,
  );
}

function printOutcome(study: Study, { compared, rows, findings }: StudyOutcome, out: string, console: Console): void {
  const { measure } = compared;
  console.print(`${study.title}: ${studyMeasureTitle(compared, study.readOuts.length)}`);
  console.print(
    table(
      [
        '',
        study.seeds.length > 1 ? 'mean ± sd' : 'one seed',
        'by seed',
        `against ${study.compare.reference}`,
        '95% over seeds',
        '',
      ],
      rows.map((row) => {
        const { difference } = row;
        return [
          row.name,
          spreadText(measure, row),
          row.values.map((value) => (Number.isFinite(value) ? measureText(measure, value) : '–')).join(' '),
          difference ? differenceText(measure, difference.mean) : row.reference ? 'reference' : '',
          difference && difference.verdict !== 'unknown' ? intervalText(measure, difference) : '',
          difference?.verdict === 'larger'
            ? 'larger than the spread'
            : difference?.verdict === 'within'
              ? 'within the spread'
              : '',
        ];
      }),
    ),
  );
  for (const line of findings) console.print(line);
  console.print(`table   ${join(out, 'table.md')}`);
  console.print(`report  ${join(out, 'report.html')}  ← open this`);
}
