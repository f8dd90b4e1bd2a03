import { Worker } from 'node:worker_threads';

/** Options of `node` that hold for a program given on the command line; a thread with a file refuses them. */
const PROGRAM = new Set(['-e', '--eval', '-p', '--print', '-pe']);

function withoutProgram(execArgv: readonly string[]): string[] {
  return execArgv.filter(
    (option, i) => !(PROGRAM.has(option) || PROGRAM.has(execArgv[i - 1] ?? '') || option.startsWith('--input-type')),
  );
}

/** A thread that runs a built file of this folder, `worker.js` say: sources cannot be loaded into a thread. */
export function builtWorker(file: string, workerData: unknown): Worker {
  const url = new URL(`../../dist/train/${file}`, import.meta.url);
  return new Worker(url, { workerData, execArgv: withoutProgram(process.execArgv) });
}
