import { Command, CommanderError } from 'commander';
import { codedError, exitCode, failureJson, failureText } from './failure.js';
import { version } from './version.js';

/** A command as the overview shows it; its module is loaded only when it is asked for, which keeps the others quick. */
interface Entry {
  readonly name: string;
  readonly description: string;
  readonly load: () => Promise<Command>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: 'train',
    description: 'train an encoder on pictures, without labels',
    load: async () => (await import('./train.js')).trainCommand(),
  },
  {
    name: 'eval',
    description: 'measure how well an encoder finds what belongs together',
    load: async () => (await import('./eval.js')).evalCommand(),
  },
  {
    name: 'study',
    description:
      'compare methods over seeds: train all, evaluate all, and say which differences are larger than the spread',
    load: async () => (await import('./study.js')).studyCommand(),
  },
  {
    name: 'export',
    description: "write a run's encoder as an ONNX file, float32 or int8, checked against the trainer",
    load: async () => (await import('./export.js')).exportCommand(),
  },
  {
    name: 'index',
    description: 'embed pictures and store them for search; pictures that are stored already are not embedded again',
    load: async () => (await import('./index-command.js')).indexCommand(),
  },
  {
    name: 'search',
    description: 'find the stored items nearest to pictures, to an item or to a vector (exact)',
    load: async () => (await import('./search.js')).searchCommand(),
  },
  {
    name: 'delete',
    description: 'remove items from a store by their ids',
    load: async () => (await import('./store-commands.js')).deleteCommand(),
  },
  {
    name: 'stats',
    description: 'show how large a store is, and which encoder filled it',
    load: async () => (await import('./store-commands.js')).statsCommand(),
  },
  {
    name: 'compact',
    description: 'give back the space of removed items',
    load: async () => (await import('./store-commands.js')).compactCommand(),
  },
  {
    name: 'import',
    description: 'put items of a JSON lines, .npy or safetensors file into a store',
    load: async () => (await import('./store-commands.js')).importCommand(),
  },
  {
    name: 'export-items',
    description: 'write all items of a store as JSON lines, .npy or safetensors',
    load: async () => (await import('./store-commands.js')).exportItemsCommand(),
  },
  {
    name: 'export-index',
    description: 'write a store as an index file, which devices and browsers search',
    load: async () => (await import('./store-commands.js')).exportIndexCommand(),
  },
  {
    name: 'bundle',
    description: 'write a store as a folder that searches in a browser, offline, on any web server',
    load: async () => (await import('./bundle.js')).bundleCommand(),
  },
  {
    name: 'open',
    description: 'serve such a folder on this machine',
    load: async () => (await import('./open.js')).openCommand(),
  },
  {
    name: 'serve',
    description: 'embeddings, search and items of a store over HTTP, with a search page',
    load: async () => (await import('./serve.js')).serveCommand(),
  },
  {
    name: 'report',
    description: 'draw a run: curves, similarities, neighbours and near misses, in one HTML file that needs no network',
    load: async () => (await import('./report.js')).reportCommand(),
  },
  {
    name: 'demo',
    description: 'the main job in one go: train on emoji, export, index, search, and draw a report',
    load: async () => (await import('./demo.js')).demoCommand(),
  },
  {
    name: 'doctor',
    description: 'look at what this machine has, and say what to do where something is missing',
    load: async () => (await import('./doctor.js')).doctorCommand(),
  },
];

/**
 * Runs `nearmiss ...args` to its end and gives the exit code: 0 done, 1 failed, 2 wrong usage. What goes wrong is
 * printed, not thrown.
 */
export async function run(args: readonly string[]): Promise<0 | 1 | 2> {
  const program = new Command('nearmiss')
    .description('Train small encoders with hard negatives on a CPU, export them to ONNX, search their embeddings.')
    .version(version)
    .showHelpAfterError('(add --help for the commands)')
    .exitOverride();
  try {
    // The program's own options take no values, so the first word that is no option names the command.
    const [first, second] = args.filter((arg) => !arg.startsWith('-'));
    const asked = first === 'help' ? second : first;
    for (const { name, description, load } of COMMANDS) {
      const command = name === asked ? await load() : new Command(name);
      program.addCommand(command.description(description).exitOverride());
    }
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // Help and version end commander's way, and are no failures.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const coded = codedError(error);
    // Commander has described on stderr what it found itself.
    if (!(error instanceof CommanderError)) process.stderr.write(failureText(coded));
    if (args.includes('--json')) process.stdout.write(failureJson(coded));
    return exitCode(coded);
  }
}
