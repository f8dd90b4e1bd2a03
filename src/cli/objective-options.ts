import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import type { Method } from '../methods/index.js';
import {
  debiased,
  generated,
  hcl,
  mochi,
  ntxent,
  type Objective,
  parseObjective,
  ring,
  type Setting,
  supcon,
} from '../negatives/index.js';
import { decimal, oneOf, wholeNumber } from './command.js';
import { parseMix, parseRing, setting, share } from './schedule-options.js';

export const OBJECTIVES = ['ntxent', 'debiased', 'hcl', 'ring', 'mochi', 'generated', 'supcon'] as const;
export type ObjectiveName = (typeof OBJECTIVES)[number];

/** How a number of an objective changes over the run, in short. */
export const ANNEALINGS = ['none', 'linear', 'step', 'exponential', 'cosine'] as const;
export type Annealing = (typeof ANNEALINGS)[number];

/** The objective's options as commander gives them; absent where the user said nothing. */
export interface ObjectiveFlags {
  readonly objective?: ObjectiveName;
  readonly temperature?: Setting;
  readonly beta?: Setting;
  readonly tauPlus?: Setting;
  readonly ring?: readonly [inner: Setting, outer: Setting];
  readonly anneal?: Annealing;
  readonly innerOf?: 'outer' | 'all';
  readonly neighbourViews?: boolean;
  readonly positiveOutside?: boolean;
  readonly queue?: number;
  readonly draws?: number;
  readonly criterion?: 'softmax' | 'nce';
  readonly zMomentum?: number;
  readonly mix?: readonly [hardest: Setting, pairs: Setting, queries: Setting];
  readonly generate?: number;
  readonly generateShare?: Setting;
  readonly synthesisWarmup?: number;
}

type ObjectiveOption = Exclude<keyof ObjectiveFlags, 'objective'>;

const EVERYWHERE = ['temperature', 'queue', 'draws', 'mix', 'generate', 'generateShare', 'synthesisWarmup'] as const;
const SOFTMAX_OR_NCE = ['criterion', 'zMomentum', 'positiveOutside'] as const;
const USED: Readonly<Record<ObjectiveName, readonly ObjectiveOption[]>> = {
  ntxent: [...EVERYWHERE, ...SOFTMAX_OR_NCE],
  debiased: [...EVERYWHERE, 'tauPlus'],
  hcl: [...EVERYWHERE, 'beta', 'tauPlus', 'anneal'],
  ring: [...EVERYWHERE, ...SOFTMAX_OR_NCE, 'ring', 'anneal', 'innerOf', 'neighbourViews', 'beta', 'tauPlus'],
  mochi: [...EVERYWHERE, 'beta', 'tauPlus'],
  generated: [...EVERYWHERE, 'beta', 'tauPlus'],
  supcon: ['temperature'],
};
export const OBJECTIVE_OPTIONS: readonly ObjectiveOption[] = [...new Set(Object.values(USED).flat())];

/** Adds the objective's options to a command. */
export function addObjectiveOptions(command: Command): Command {
  return command
    .option('--objective <name>', `${OBJECTIVES.join(', ')} (default: the method's)`, oneOf(OBJECTIVES))
    .option(
      '--temperature <tau>',
      "temperature (default: the objective's)",
      setting((v) => v > 0, 'above 0'),
    )
    .option(
      '--beta <number>',
      'concentration on hard negatives (default 2)',
      setting((v) => v >= 0, 'from 0'),
    )
    .option('--tau-plus <share>', 'chance that a negative is of the same class (default 0)', setting(share, '0 to 1'))
    .option('--ring <inner,outer>', 'keep negatives between these ranks, as shares (default 0.1,0.5)', parseRing)
    .option('--anneal <how>', `how β or the ring closes in: ${ANNEALINGS.join(', ')}`, oneOf(ANNEALINGS))
    .option('--inner-of <what>', "the ring's inner share is of its outer part or of all", oneOf(['outer', 'all']))
    .option('--neighbour-views', 'candidates ahead of the ring are further positives')
    .option('--positive-outside', 'leave the positive out of the sum that it is compared with')
    .option('--queue <rows>', 'earlier keys kept as negatives (moco; default 4096)', wholeNumber(1))
    .option('--draws <rows>', 'rows drawn from the bank for each anchor (instance, cmc; default 4096)', wholeNumber(1))
    .option('--criterion <name>', 'softmax, nce (default softmax; nce needs a bank)', oneOf(['softmax', 'nce']))
    .option('--z-momentum <share>', "how much NCE's normaliser keeps of itself (default 0.99; 1: fixed)", decimal(0, 1))
    .option('--mix <n,s,s2>', 'MoCHi: of the n hardest negatives mix s pairs, and s2 with the anchor', parseMix)
    .option('--generate <number>', 'negatives an anchor gets from an adversarial generator, even', wholeNumber(2))
    .option(
      '--generate-share <number>',
      'a generated negative counts so much (default 1)',
      setting((v) => v > 0, 'above 0'),
    )
    .option(
      '--synthesis-warmup <share>',
      'part of the run without mixes or generated ones (default 0.1)',
      decimal(0, 1),
    )
    .addHelpText(
      'after',
      '\nNumbers of an objective may change over the run: kind:from:to[:until], as linear:0:2:0.5 (β from 0 to 2 over the' +
        '\nfirst half); kinds: linear, cosine, step (:size=0.1), exponential (:decay=0.1); :steps=200 instead of until; and\nadaptive:from:to[:delta=0.01:window=10:metric=accuracy], which moves by how training goes.',
    );
}

/** The option as it is typed: `--tau-plus` of `tauPlus`. */
export function flagOf(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The objective's options that were given, `--objective` itself apart. */
export function givenObjectiveOptions(flags: ObjectiveFlags): ObjectiveOption[] {
  return OBJECTIVE_OPTIONS.filter((option) => flags[option] !== undefined);
}

/** The name whose options a method's own objective takes. */
function nameOf({ weight, positives }: Objective): ObjectiveName {
  if (positives === 'labels') return 'supcon';
  return weight?.beta === undefined ? 'ntxent' : 'hcl';
}

/**
 * The objective that --objective and its options describe; the method's own, changed by the options, without
 * --objective; nothing where neither was given. With negatives from a queue or a bank, NT-Xent, debiased and HCL take
 * the method's temperature, as 0.5 is for batches. `--anneal` moves the ring's outer limit from 1 down to its value, or β
 * from 0 up to its value, over the first half of the run.
 *
 * @throws NM_OPTION_INVALID for an option that the objective does not use
 */
export function objectiveOf(flags: ObjectiveFlags, method: Method): Objective | undefined {
  const given = givenObjectiveOptions(flags);
  if (flags.objective === undefined && given.length === 0) return undefined;
  const standard = method.objective();
  const name = flags.objective ?? nameOf(standard);
  const foreign = given.find((option) => !USED[name].includes(option));
  if (foreign !== undefined) {
    const which = flags.objective === undefined ? `the default objective, ${name}` : `--objective ${name}`;
    throw new NearmissError('NM_OPTION_INVALID', `${flagOf(foreign)}: found with ${which}, which does not use it`);
  }
  const start = flags.objective === undefined ? standard : preset(name, flags, method, standard);
  return parseObjective({
    ...start,
    ...(flags.temperature === undefined ? {} : { temperature: flags.temperature }),
    ...weightOf(start, name, flags),
    ...candidatesOf(flags),
    ...synthesisOf(start, flags),
    ...lossOf(flags),
  });
}

function preset(name: ObjectiveName, flags: ObjectiveFlags, method: Method, standard: Objective): Objective {
  const tau = method.candidates.kind === 'batch' ? {} : { temperature: standard.temperature };
  const capacity = method.candidates.kind === 'queue' ? { capacity: flags.queue ?? method.candidates.capacity } : {};
  switch (name) {
    case 'ntxent':
      return ntxent(tau);
    case 'debiased':
      return debiased(tau);
    case 'hcl':
      return hcl({ ...tau, beta: 2, tauPlus: 0 });
    case 'ring': {
      const [inner, outer] = flags.ring ?? [0.1, 0.5];
      return ring({
        inner,
        outer: typeof outer === 'number' ? annealed(flags.anneal ?? 'linear', 1, outer) : fixed(outer, flags.anneal),
        ...(flags.innerOf === undefined ? {} : { innerOfOuter: flags.innerOf === 'outer' }),
        ...(flags.neighbourViews ? { neighbourViews: true } : {}),
      });
    }
    case 'mochi':
      return mochi(capacity);
    case 'generated':
      return generated(capacity);
    case 'supcon':
      return supcon();
  }
}

/** A number that starts at `from` and reaches `to` halfway through the run. */
function annealed(kind: Annealing, from: number, to: number): Setting {
  return kind === 'none' ? to : { schedule: kind, from, to, until: 0.5 };
}

/** A setting with a schedule of its own. */
function fixed(value: Setting, anneal: Annealing | undefined): Setting {
  if (anneal === undefined) return value;
  throw new NearmissError('NM_OPTION_INVALID', '--anneal: found beside a schedule; allowed: one of the two');
}

function weightOf(
  { weight }: Objective,
  name: ObjectiveName,
  { beta, tauPlus, anneal }: ObjectiveFlags,
): Pick<Objective, 'weight'> {
  const annealsBeta = name === 'hcl' && anneal !== undefined;
  if (beta === undefined && tauPlus === undefined && !annealsBeta) return {};
  const target = beta ?? weight?.beta;
  const moving = annealsBeta && typeof target === 'number' ? annealed(anneal, 0, target) : target;
  if (annealsBeta && typeof target === 'object') fixed(target, anneal);
  const debiasing = tauPlus ?? weight?.tauPlus;
  return {
    weight: {
      ...(moving === undefined ? {} : { beta: moving }),
      ...(debiasing === undefined ? {} : { tauPlus: debiasing }),
    },
  };
}

function candidatesOf({ queue, draws }: ObjectiveFlags): Pick<Objective, 'candidates'> {
  if (queue !== undefined && draws !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', '--queue: found beside --draws; allowed: one of the two');
  }
  if (queue !== undefined) return { candidates: { kind: 'queue', capacity: queue } };
  return draws === undefined ? {} : { candidates: { kind: 'bank', draws } };
}

function synthesisOf({ synthesise }: Objective, flags: ObjectiveFlags): Pick<Objective, 'synthesise'> {
  const { mix, generate, generateShare, synthesisWarmup } = flags;
  if (mix && generate !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', '--mix: found beside --generate; allowed: one of the two');
  }
  const warmup = { warmup: synthesisWarmup ?? 0.1 };
  const share = generateShare === undefined ? {} : { share: generateShare };
  if (mix) {
    const [hardest, pairs, queries] = mix;
    return { synthesise: { kind: 'mix', hardest, pairs, queries, ...warmup } };
  }
  if (generate !== undefined) return { synthesise: { kind: 'generate', perAnchor: generate, ...share, ...warmup } };
  if (generateShare !== undefined && synthesise?.kind !== 'generate') {
    throw new NearmissError('NM_OPTION_INVALID', '--generate-share: found without --generate or --objective generated');
  }
  if (synthesise) return { synthesise: { ...synthesise, ...share, ...(synthesisWarmup === undefined ? {} : warmup) } };
  if (synthesisWarmup === undefined) return {};
  throw new NearmissError('NM_OPTION_INVALID', '--synthesis-warmup: found without --mix or --generate');
}

function lossOf({
  criterion,
  zMomentum,
  positiveOutside,
}: ObjectiveFlags): Pick<Objective, 'loss' | 'positiveInPartition'> {
  if (zMomentum !== undefined && criterion !== 'nce') {
    throw new NearmissError('NM_OPTION_INVALID', '--z-momentum: found without --criterion nce');
  }
  return {
    ...(criterion === 'nce' ? { loss: { kind: 'nce', ...(zMomentum === undefined ? {} : { zMomentum }) } } : {}),
    ...(positiveOutside ? { positiveInPartition: false } : {}),
  };
}
