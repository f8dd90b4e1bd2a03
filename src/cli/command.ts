import { Command, InvalidArgumentError } from 'commander';
import { NearmissError } from '../errors.js';
import { type Console, openConsole } from './console.js';

/** Work of a command: returns the object that --json prints. Text for people goes through `console.print`. */
export type Action<Options> = (
  args: readonly string[],
  options: Options,
  console: Console,
) => Promise<Readonly<Record<string, unknown>>>;

/** A command with the options that all have, its examples under --help, and one way to end. program.ts describes it. */
export function command<Options>(name: string, examples: readonly string[], action: Action<Options>): Command {
  return new Command(name)
    .option('--json', 'print one JSON object on stdout and nothing else there')
    .option('--seed <integer>', 'seed of everything random', wholeNumber(0, 4294967295))
    .showHelpAfterError('(add --help for the options and examples)')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`)
    .action(async (...parts: unknown[]) => {
      const self = parts.at(-1) as Command;
      await finish(self.args, self.opts<Options & { json?: boolean }>(), action);
    });
}

/** Runs the action and prints its result; the first Ctrl-C asks it to stop, the second ends the process. */
async function finish<Options>(
  args: readonly string[],
  options: Options & { readonly json?: boolean },
  action: Action<Options>,
): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => {
    if (interruption.signal.aborted) process.exit(1);
    process.stderr.write(`\n${signal}: finishing what is under way; once more to stop at once\n`);
    interruption.abort(new NearmissError('NM_INTERRUPTED', 'stopped on request'));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const console = openConsole(options.json === true, interruption.signal);
  try {
    const result = await action(args, options, console);
    if (console.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    console.clear();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** A parser of whole numbers within a range, for commander. */
export function wholeNumber(from: number, to: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < from || value > to) {
      throw new InvalidArgumentError(`Found '${text}', allowed: a whole number from ${from} to ${to}.`);
    }
    return value;
  };
}

/** A parser of numbers within a range, for commander; `from` itself is allowed unless `above` is set. */
export function decimal(from: number, to: number = Number.MAX_VALUE, above: boolean = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < from || value > to || (above && value === from)) {
      const range = `${above ? 'above' : 'from'} ${from}${to === Number.MAX_VALUE ? '' : ` to ${to}`}`;
      throw new InvalidArgumentError(`Found '${text}', allowed: a number ${range}.`);
    }
    return value;
  };
}

/** A parser of one of some words, for commander. */
export function oneOf<const Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new InvalidArgumentError(`Found '${text}', allowed: ${words.join(', ')}.`);
    return word;
  };
}

/** A parser of one of some numbers, for commander. */
export function oneOfNumbers<const Value extends number>(values: readonly Value[]): (text: string) => Value {
  return (text) => {
    const value = text.trim() === '' ? undefined : values.find((candidate) => candidate === Number(text));
    if (value === undefined) throw new InvalidArgumentError(`Found '${text}', allowed: ${values.join(', ')}.`);
    return value;
  };
}
