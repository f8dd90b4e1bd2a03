import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { NearmissError } from '../errors.js';
import { type Answer, answerQuestion, type Question, questionSize } from '../evaluate/index.js';
import { FITS, type Fit } from '../images/index.js';
import type { Embedder } from '../onnx/index.js';
import { readRun } from '../train/index.js';
import { command, decimal, oneOf, wholeNumber } from './command.js';
import type { Console } from './console.js';
import { type EvaluationSources, readQuestions } from './evaluation-sources.js';
import { type EvaluatedQuestion, evaluationText, notBeaten, questionTitle } from './evaluation-text.js';
import { type FalseNegativesResult, reportFalseNegatives } from './false-negatives.js';
import { fineTuneOn } from './fine-tuning.js';
import { openEncoder } from './model.js';
import { type BaselineName, embedderRepresentation, typicalPictures, withBaselines } from './representations.js';

interface EvalFlags {
  readonly data?: string;
  readonly gallery?: string;
  readonly train?: string;
  readonly labels?: string;
  readonly labelColumn?: string;
  readonly match?: 'name' | 'class';
  readonly fit?: Fit;
  readonly fewLabels?: readonly number[];
  readonly fineTune?: boolean;
  readonly k?: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly falseNegatives?: 'report';
}

const EXAMPLES = [
  'nearmiss eval runs/photos --data labelled/',
  'nearmiss eval photos.onnx --data shop/ --gallery catalogue/',
  'nearmiss eval runs/photos --data test/ --train train/ --few-labels 1,10',
  'nearmiss eval runs/emoji --data emoji',
  'nearmiss eval runs/photos --false-negatives report',
];

export function evalCommand(): Command {
  return command<EvalFlags>('eval', EXAMPLES, run)
    .argument('<model>', 'folder of a run that has ended, or an .onnx file')
    .option(
      '--data <source>',
      'the queries: pictures with one folder a class, or with --gallery any; or `emoji`: Twemoji queries, Noto gallery',
    )
    .option('--gallery <source>', 'pictures to find')
    .option('--train <source>', 'labelled pictures to learn classes from: kNN and linear probe, tested on --data')
    .option('--labels <file>', 'CSV with the class of each picture or folder, where folders are not the classes')
    .option('--label-column <name>', "the class's column in --labels (default: the second)")
    .option(
      '--match <what>',
      'right is the same relative `name` or the same `class` (default: class where both sides share one)',
      oneOf(['name', 'class']),
    )
    .option('--fit <how>', 'pictures that are not square: pad or crop (default: as in training)', oneOf(FITS))
    .option('--few-labels <percents>', 'also probe with so many percent of the labels of --train, as 1,10', percents)
    .option('--fine-tune', 'with --few-labels: also fine-tune the whole encoder on them')
    .option('--k <number>', 'neighbours that vote for a class (default 200)', wholeNumber(1))
    .option('--temperature <tau>', 'a neighbour of cosine s votes with e^(s/τ) (default 0.5)', decimal(0, 100, true))
    .option(
      '--false-negatives <what>',
      '`report`: list the pairs of training pictures that the model holds most similar though they count as negatives',
      oneOf(['report']),
    );
}

/** `1,10` as shares. */
function percents(text: string): readonly number[] {
  const shares = text.split(',').map((part) => Number(part) / 100);
  if (text.trim() === '' || !shares.every((share) => share > 0 && share <= 1)) {
    throw new InvalidArgumentError(`Found '${text}', allowed: percents above 0, up to 100, as 1,10.`);
  }
  return shares;
}

async function run(
  [path = '']: readonly string[],
  flags: EvalFlags,
  console: Console,
): Promise<Record<string, unknown>> {
  const folder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (flags.data === undefined && flags.falseNegatives === undefined) {
    throw new NearmissError('NM_OPTION_INVALID', '--data: found none, allowed: a source of pictures or `emoji`');
  }
  for (const option of ['fineTune', 'falseNegatives'] as const) {
    if (flags[option] === undefined || folder) continue;
    const name = option === 'fineTune' ? '--fine-tune' : '--false-negatives';
    throw new NearmissError('NM_OPTION_INVALID', `${name}: found with ${path}, allowed: with the folder of a run`);
  }
  if (flags.fineTune && flags.fewLabels === undefined) {
    throw new NearmissError('NM_OPTION_INVALID', '--fine-tune: found without --few-labels');
  }
  const embedder = await openEncoder(path);
  try {
    const evaluation = flags.data === undefined ? {} : await evaluate(path, embedder, flags, flags.data, console);
    const pairs = flags.falseNegatives ? await falseNegatives(path, console) : undefined;
    return {
      model: path,
      fingerprint: embedder.fingerprint,
      ...evaluation,
      ...(pairs ? { falseNegatives: pairs } : {}),
    };
  } finally {
    await embedder.close();
  }
}

async function evaluate(
  path: string,
  embedder: Embedder,
  flags: EvalFlags,
  data: string,
  console: Console,
): Promise<Record<string, unknown>> {
  const { card, size } = embedder;
  const { gallery, train, labels, labelColumn, match, fewLabels } = flags;
  const fit = flags.fit ?? (data === 'emoji' ? undefined : card.fit);
  const sources: EvaluationSources = {
    data,
    ...(gallery !== undefined && { gallery }),
    ...(train !== undefined && { train }),
    ...(labels !== undefined && { labels }),
    ...(labelColumn !== undefined && { labelColumn }),
    ...(match && { match }),
    ...(fit && { fit }),
    ...(fewLabels && { fewLabels }),
  };
  const questions = await readQuestions(sources, {
    size,
    signal: console.signal,
    onProgress: (done) => console.progress(`reading pictures: ${done}`),
    say: (line) => console.log(line),
  });
  const trainedSeed = card.training.settings['seed'];
  const untrained = {
    size,
    encoder: card.encoder,
    seed: typeof trainedSeed === 'number' ? trainedSeed : 0,
    calibrate: typicalPictures(questions[0]!),
  };
  const { k, temperature, seed } = flags;
  const voting = {
    ...(k !== undefined && { k }),
    ...(temperature !== undefined && { temperature }),
    ...(seed !== undefined && { seed }),
  };
  const model = embedderRepresentation(embedder, `${card.encoder}, ${card.dim} dimensions`, console.signal);
  const evaluated = await withBaselines(untrained, async (baselines) => {
    const all: EvaluatedQuestion[] = [];
    for (const question of questions) {
      const answers: Partial<Record<BaselineName, Answer>> = {};
      for (const [name, representation] of Object.entries(baselines)) {
        console.signal.throwIfAborted();
        console.progress(`${questionTitle(question.name)}: asking the ${representation.name}`);
        answers[name as BaselineName] = await answerQuestion(question, representation, voting);
      }
      console.progress(`${questionTitle(question.name)}: asking the model`);
      const own = await answerQuestion(question, model, voting);
      const tuned = flags.fineTune ? await fineTuned(path, question, flags, console) : {};
      all.push({
        name: question.name,
        ...questionSize(question, size),
        model: { ...own.measures, ...tuned },
        note: model.note,
        baselines: Object.entries(baselines).map(([name, { name: title, note }]) => ({
          name,
          title,
          note,
          measures: answers[name as BaselineName]!.measures,
        })),
      });
    }
    return all;
  });
  console.print(evaluationText(evaluated, k ?? 200));
  return {
    ...Object.fromEntries(
      evaluated.map(({ name, queries, gallery: found, model: measures }) => [
        name,
        { queries, gallery: found, ...measures },
      ]),
    ),
    baselines: Object.fromEntries(
      evaluated.map(({ name, baselines }) => [
        name,
        Object.fromEntries(baselines.map((baseline) => [baseline.name, baseline.measures])),
      ]),
    ),
    notBeaten: evaluated.flatMap((question) => notBeaten(question)),
  };
}

/** Accuracy of the encoder fine-tuned on few labels, by measure; nothing for questions without labels to learn from. */
async function fineTuned(
  path: string,
  question: Question,
  flags: EvalFlags,
  console: Console,
): Promise<Readonly<Record<string, number>>> {
  if (question.kind !== 'labels') return {};
  return fineTuneOn(await readRun(path), question, { seed: flags.seed ?? 0, console });
}

async function falseNegatives(path: string, console: Console): Promise<FalseNegativesResult> {
  const result = await reportFalseNegatives(path, console);
  console.print(`wrote ${join(path, 'false-negatives.html')}  ← open this`);
  return { ...result, report: resolve(result.report), json: resolve(result.json) };
}
