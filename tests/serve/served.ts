import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { encoderToOnnx, fingerprint } from '../../src/onnx/index.js';
import type { ServerOptions } from '../../src/serve/index.js';
import { details, randomReadout, specimen } from '../onnx/specimen.js';

// `npm run build` has run before; the child imports what it made.
const DIST = new URL('../../dist/serve/index.js', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./server-child.mjs', import.meta.url));

/** Side of the pictures and numbers of the embeddings of `writeServedModel`'s encoder. */
export const SIZE = 32;
export const DIM = 64;

/** Writes a small encoder with random weights, and gives its fingerprint. */
export async function writeServedModel(path: string): Promise<string> {
  const { graph, weights } = specimen('tiny-mobile');
  const readout = randomReadout(graph, 1, DIM);
  const bytes = encoderToOnnx({ graph, weights, size: SIZE, readout, card: details });
  await writeFile(path, bytes);
  return fingerprint(bytes);
}

/** A server in a process of its own, from the built files. */
export interface Served {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** What it has logged so far, JSON lines. */
  log(): string;
  /** What Node has said on stderr: warnings, traces of stacks. */
  complaints(): string;
  /** Resolves once the process is gone. */
  readonly gone: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Starts a server and waits until it says where it listens. */
export async function serve(options: ServerOptions, preload?: URL): Promise<Served> {
  const args = [...(preload ? ['--import', preload.href] : []), CHILD, DIST, JSON.stringify(options)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let log = '';
  let complaints = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const gone = new Promise<Awaited<Served['gone']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve(String(message)));
    child.on('error', reject);
    void gone.then(({ code, signal }) =>
      reject(new Error(`the server ended with ${code ?? signal}:\n${log}${complaints}`)),
    );
  });
  return { url, port: Number(new URL(url).port), child, log: () => log, complaints: () => complaints, gone };
}

/** What a process takes: resident memory in bytes, open files, threads (Linux). */
export interface Resources {
  readonly rss: number;
  readonly files: number;
  readonly threads: number;
}

export function resources({ child }: Served): Resources {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return {
    rss: field('VmRSS') * 1024,
    files: readdirSync(`/proc/${child.pid}/fd`).length,
    threads: field('Threads'),
  };
}
