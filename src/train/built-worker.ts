import { Worker } from 'node:worker_threads';

/** Options of `node` for a program given on the command line; a thread that has a file refuses them. */
const PROGRAM = /^(-e|--eval|-p|--print|-pe|--input-type(=.*)?)$/;

/** A thread that runs a built file of this folder, `worker.js` say: sources cannot be loaded into a thread. */
export function builtWorker(file: string, workerData: unknown): Worker {
  const url = new URL(`../../dist/train/${file}`, import.meta.url);
  const inline = process.execArgv.some((option) => PROGRAM.test(option));
  // Flags of V8 are the whole process's and hold all the same; a list that names one is refused.
  return new Worker(url, { workerData, ...(inline && { execArgv: [] }) });
}
