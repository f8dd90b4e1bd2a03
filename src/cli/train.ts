import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { ENCODER_NAMES } from '../encoders/index.js';
import { NearmissError } from '../errors.js';
import { FITS, RECIPE_GUIDANCE } from '../images/index.js';
import { METHOD_NAMES, METHODS } from '../methods/index.js';
import {
  IMAGE_SIZES,
  loadTrainingData,
  readRunSettings,
  resolveTrainSettings,
  runFiles,
  type TrainingData,
  type TrainOutcome,
  type TrainProgress,
  type TrainSettings,
  train,
} from '../train/index.js';
import { command, decimal, oneOf, oneOfNumbers, wholeNumber } from './command.js';
import { type Console, duration } from './console.js';
import { onlineEvaluation } from './evaluation.js';
import { addObjectiveOptions } from './objective-options.js';
import { type TrainFlags, trainInput } from './settings.js';
import { addUpdateOptions } from './update-options.js';

const EXAMPLES = [
  'nearmiss train emoji --out runs/emoji --steps 300',
  'nearmiss train photos/ --out runs/photos --image-size 48 --minutes 10',
  'nearmiss train --pair catalogue/ shop/ --out runs/shop --objective hcl --beta 2',
  'nearmiss train photos/ --out runs/moco --method moco --objective ring --ring 0.1,cosine:1:0.3 --queue 8192',
  'nearmiss train --out runs/photos --resume',
];

export function trainCommand(): Command {
  return addObjectiveOptions(addUpdateOptions(dataAndRunOptions(command<TrainFlags>('train', EXAMPLES, run))));
}

function dataAndRunOptions(command: Command): Command {
  return command
    .argument('[data...]', 'folder, .tar, .zip or CIFAR batches of pictures, or `emoji`; two folders with --pair')
    .requiredOption('--out <folder>', 'folder of the run')
    .option('--pair', 'DATA is DIR_A DIR_B: pictures of the same relative name are two views of one item')
    .option('--unpaired', 'with `emoji`: train on two augmentations of the Noto pictures, without Twemoji')
    .option('--fit <how>', 'pictures that are not square: `pad` with white (default) or `crop` the middle', oneOf(FITS))
    .option(
      '--config <file>',
      'JSON file of the same settings; the command line overrides it; paths are relative to it',
    )
    .option('--resume', 'go on from the last checkpoint of the run in --out')
    .option('--image-size <pixels>', `input size: ${IMAGE_SIZES.join(', ')} (default 32)`, oneOfNumbers(IMAGE_SIZES))
    .option('--encoder <name>', `${ENCODER_NAMES.join(', ')} (default tiny-resnet)`, oneOf(ENCODER_NAMES))
    .option('--method <name>', `${METHOD_NAMES.join(', ')} (default ${METHOD_NAMES[0]})`, oneOf(METHOD_NAMES))
    .option('--method-option <name=value...>', `numbers of the method: ${METHOD_OPTIONS}`, parseMethodOption)
    .option('--augment <recipe>', `${AUGMENT_CHOICES}; or a .json file`)
    .option('--batch <items>', 'items a step; each gives two views (default 128)', wholeNumber(2))
    .option('--epochs <number>', 'passes over the data (default 40)', decimal(0, 1e9, true))
    .option('--minutes <number>', 'train for about so long', decimal(0, 1e6, true))
    .option('--steps <number>', 'train for so many steps', wholeNumber(1))
    .option('--learning-rate <number>', 'peak of the cosine schedule (default 0.002)', decimal(0, 100, true))
    .option('--warmup <steps>', 'steps of linear warm-up (default 0)', wholeNumber(0))
    .option(
      '--weight-decay <number>',
      'L2 added to the gradient; adamw takes it off the weights (default 1e-6)',
      decimal(0, 1),
    )
    .option('--workers <number>', 'threads (default: one a core)', wholeNumber(1, 64))
    .option('--sync-batch-norm', "batch norms over the whole batch, not over each thread's share of it")
    .option('--pool <grid>', 'read-out: the last map averaged over a 1x1 or 2x2 grid (default 2)', oneOfNumbers([1, 2]))
    .option('--whiten <dimensions>', 'read-out: whitened to so many dimensions; 0 for none', wholeNumber(0))
    .option('--evaluate-every <steps>', 'steps between online evaluations', wholeNumber(1))
    .option('--checkpoint-every <steps>', 'steps between checkpoints', wholeNumber(1));
}

/** Every recipe's name with what it is for. */
const AUGMENT_CHOICES = Object.entries(RECIPE_GUIDANCE)
  .map(([name, guidance]) => `${name} (${guidance})`)
  .join('; ');

/** `momentum (moco, instance, cmc)` */
const METHOD_OPTIONS = [...new Set(METHODS.flatMap(({ options }) => Object.keys(options)))]
  .map(
    (name) =>
      `${name} (${METHODS.filter(({ options }) => name in options)
        .map((method) => method.name)
        .join(', ')})`,
  )
  .join(', ');

function parseMethodOption(text: string, earlier: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [, name, value] = /^([A-Za-z]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || !Number.isFinite(Number(value))) {
    throw new InvalidArgumentError(`Found '${text}', allowed: name=number, as momentum=0.99.`);
  }
  return { ...earlier, [name]: Number(value) };
}

async function run(args: readonly string[], flags: TrainFlags, console: Console): Promise<Record<string, unknown>> {
  const { settings, data } = flags.resume ? await resumed(args, flags, console) : await fresh(args, flags, console);
  const outcome = await runTraining(settings, data, { out: flags.out, resume: flags.resume === true }, console);
  const { checkpoint } = outcome.run;
  if (outcome.stopped) {
    throw new NearmissError(
      'NM_INTERRUPTED',
      `stopped after step ${checkpoint.step} of ${outcome.run.settings.steps}`,
      {
        hint: `Go on with \`nearmiss train --out ${flags.out} --resume\`.`,
      },
    );
  }
  console.print(`trained ${checkpoint.step} steps into ${flags.out}`);
  console.print(`next: nearmiss export ${flags.out} --out model.onnx, or nearmiss report ${flags.out}`);
  const last = outcome.run.history.findLast((line) => line.type === 'evaluation');
  return {
    run: resolve(flags.out),
    steps: checkpoint.step,
    imagesPerSecond: Math.round(outcome.imagesPerSecond),
    augmentShare: Number(outcome.augmentShare.toFixed(4)),
    skipped: data.skipped,
    ...(last?.type === 'evaluation' ? { metrics: last.metrics } : {}),
  };
}

async function fresh(
  args: readonly string[],
  flags: TrainFlags,
  console: Console,
): Promise<{ settings: TrainSettings; data: TrainingData }> {
  const input = await trainInput(args, flags);
  refuseRun(flags.out);
  // Wrong settings are refused before the pictures are read: the number of items only sets the number of steps.
  const where = flags.config ?? 'options';
  const { imageSize } = resolveTrainSettings(input, 1, where);
  const data = await load(input.data, imageSize, console);
  return { settings: resolveTrainSettings(input, data.rows.length, where), data };
}

/** Throws `NM_RUN_EXISTS` where a folder holds a run: before its pictures are read, which may take long. */
export function refuseRun(folder: string): void {
  if (!existsSync(runFiles(folder).settings)) return;
  throw new NearmissError('NM_RUN_EXISTS', `${folder}: found a run, allowed: a new or empty folder`);
}

async function resumed(
  args: readonly string[],
  flags: TrainFlags,
  console: Console,
): Promise<{ settings: TrainSettings; data: TrainingData }> {
  const others = Object.entries(flags).filter(
    ([name, value]) => !['out', 'resume', 'json'].includes(name) && value !== undefined,
  );
  if (args.length > 0 || others.length > 0) {
    const found = [...args, ...others.map(([name]) => `--${name}`)].join(' ');
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `--resume: found ${found}, allowed: --out alone; data and settings are the run's`,
    );
  }
  const settings = await readRunSettings(flags.out);
  return { settings, data: await load(settings.data, settings.imageSize, console) };
}

/** Reads the pictures with progress, and names what was skipped. */
export async function load(data: TrainSettings['data'], imageSize: number, console: Console): Promise<TrainingData> {
  const loaded = await loadTrainingData(data, imageSize, {
    signal: console.signal,
    onProgress: (done, total) => console.progress(`reading pictures: ${done}${total ? ` of ${total}` : ''}`),
  });
  for (const { name, reason } of loaded.skipped) console.log(`skipped ${name}: ${reason}`);
  const what = loaded.paired ? 'pairs' : 'pictures';
  console.log(`read ${loaded.rows.length} ${what} for training, ${loaded.skipped.length} files skipped`);
  return loaded;
}

/** Trains with live progress; shared with the demo. */
export async function runTraining(
  settings: TrainSettings,
  data: TrainingData,
  options: { readonly out: string; readonly resume: boolean },
  console: Console,
): Promise<TrainOutcome> {
  const evaluate = onlineEvaluation(data);
  return train(settings, data, {
    ...options,
    signal: console.signal,
    onProgress: (event) => showProgress(event, console),
    ...(evaluate ? { evaluate } : {}),
  });
}

function showProgress(event: TrainProgress, console: Console): void {
  if (event.type === 'step') {
    const { epoch, step, steps, imagesPerSecond, loss, secondsLeft } = event;
    console.progress(
      `epoch ${epoch}  step ${step + 1}/${steps}  ${imagesPerSecond.toFixed(0)} images/s  loss ${loss.toFixed(3)}  ${duration(secondsLeft)} left`,
    );
  } else if (event.type === 'evaluation') {
    const figures = Object.entries(event.metrics).map(([name, value]) => `${name} ${(100 * value).toFixed(1)}`);
    console.log(`step ${event.step}: ${figures.join(', ')}`);
  } else if (event.type === 'phase') {
    console.log(`${event.name}: ${event.detail}`);
  }
}
