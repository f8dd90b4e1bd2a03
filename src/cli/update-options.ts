import type { Command } from 'commander';
import { NearmissError } from '../errors.js';
import { OPTIMISER_KINDS, type OptimiserSettings, type TrainSettingsInput } from '../train/index.js';
import { decimal, oneOf, wholeNumber } from './command.js';

/** Options of how gradients become updates; absent where the user said nothing. */
export interface UpdateFlags {
  readonly optimiser?: OptimiserSettings['kind'];
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly clip?: number;
  readonly accumulate?: number;
  readonly ema?: number;
}

/** Those of these options that are not settings themselves. */
export const UPDATE_OPTIONS: readonly (keyof UpdateFlags)[] = ['optimiser', 'momentum', 'nesterov'];

export function addUpdateOptions(command: Command): Command {
  return command
    .option('--optimiser <name>', `${OPTIMISER_KINDS.join(', ')} (default adam)`, oneOf(OPTIMISER_KINDS))
    .option('--momentum <number>', 'momentum of sgd and lars (default 0.9)', decimal(0, 0.9999))
    .option('--nesterov', "Nesterov's momentum, with sgd and lars")
    .option('--clip <norm>', 'largest norm of all gradients together; 0 for any (default 0)', decimal(0))
    .option('--accumulate <steps>', 'steps whose mean gradient makes one update (default 1)', wholeNumber(1))
    .option('--ema <decay>', 'train to the moving average of the weights, as 0.99; 0 for none', decimal(0, 0.999999));
}

/** The setting that these options make; the optimiser of a config file is replaced only where one is named. */
export function updateInput(flags: UpdateFlags): Partial<TrainSettingsInput> {
  const { optimiser, momentum, nesterov } = flags;
  const withMomentum = optimiser === 'sgd' || optimiser === 'lars';
  for (const [option, value] of Object.entries({ momentum, nesterov })) {
    if (value === undefined || withMomentum) continue;
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `--${option}: found with ${optimiser ? `--optimiser ${optimiser}` : 'no --optimiser'}, allowed: with sgd or lars`,
    );
  }
  if (optimiser === undefined) return {};
  const numbers = { ...(momentum === undefined ? {} : { momentum }), ...(nesterov ? { nesterov } : {}) };
  return { optimiser: { kind: optimiser, ...numbers } as OptimiserSettings };
}
