import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, vi } from 'vitest';
import { run } from '../../src/cli/program.js';

/** The built command line: tests run what users run. */
export const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** How a process ended and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `nearmiss ...args` in this process, as main.ts runs it. */
export async function nearmiss(args: readonly string[]): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stdout += text;
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += text;
      return true;
    }),
  ];
  try {
    return { code: await run(args), stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** `nearmiss ...args` as a process of its own, from the built files; SIGINT is sent once stderr matches. */
export function spawnNearmiss(
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly interruptAt?: RegExp;
    /** Called with all of stderr so far, whenever more has come. */
    readonly onText?: (stderr: string) => void;
  } = {},
): Promise<Ended> {
  const { cwd, interruptAt, onText } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    let stdout = '';
    let stderr = '';
    let interrupted = false;
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
      onText?.(stderr);
      if (!interrupted && interruptAt?.test(stderr)) {
        interrupted = true;
        child.kill('SIGINT');
      }
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Gives the object of a command that ran with --json and had to succeed. */
export function result<Result>(ended: Ended): Result {
  expect(ended.code, ended.stderr).toBe(0);
  return onlyJson(ended) as Result;
}

/** Runs a command with --json that must succeed, and gives its object. */
export async function succeed<Result = Record<string, unknown>>(args: readonly string[]): Promise<Result> {
  return result(await nearmiss([...args, '--json']));
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly stderr: string;
}

/** Gives the error of a command that ran with --json and had to end with `exit`. */
export function failure(exit: 1 | 2, ended: Ended): Failure {
  expect(ended.code, `${ended.stdout}${ended.stderr}`).toBe(exit);
  const object = onlyJson(ended) as { readonly error: Omit<Failure, 'stderr'> };
  expect(Object.keys(object)).toEqual(['error']);
  expect(Object.keys(object.error)).toEqual(['code', 'message', 'hint']);
  expect(object.error.hint).not.toBe('');
  // People read it on stderr, and never a stack.
  expect(ended.stderr).not.toBe('');
  expect(ended.stderr).not.toMatch(/^\s+at /m);
  return { ...object.error, stderr: ended.stderr };
}

/** Runs a command with --json that must end with `exit`, and gives the error of its object. */
export async function fail(exit: 1 | 2, args: readonly string[]): Promise<Failure> {
  return failure(exit, await nearmiss([...args, '--json']));
}

/** The one JSON object on stdout, with nothing beside it. */
function onlyJson({ stdout, stderr }: Ended): unknown {
  const lines = stdout.split('\n');
  expect(lines, `stdout: ${stdout}\nstderr: ${stderr}`).toHaveLength(2);
  expect(lines[1]).toBe('');
  return JSON.parse(lines[0]!);
}
