import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StudyRow } from '../../src/cli/study-summary.js';
import { classFolders } from './class-folders.js';
import { failure, MAIN, result, spawnNearmiss } from './nearmiss.js';

interface Outcome {
  readonly report: string;
  readonly table: string;
  readonly plot: string;
  readonly results: string;
  readonly compared: { readonly question: string; readonly measure: string };
  readonly rows: readonly StudyRow[];
  readonly findings: readonly string[];
}

let work = '';
let train = '';
let test = '';
let file = '';
let outcome: Outcome;
const at = (...path: string[]): string => join(work, ...path);

/** Ends the process with SIGKILL once stderr matches. */
async function killed(args: readonly string[], when: RegExp): Promise<void> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
    if (when.test(stderr)) child.kill('SIGKILL');
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (...ended) => resolve(ended));
  });
  expect([code, signal], stderr).toEqual([null, 'SIGKILL']);
}

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'nearmiss-study-'));
  train = await classFolders(3, 12, 1);
  test = await classFolders(3, 5, 2);
  file = at('study.json');
  await writeFile(
    file,
    JSON.stringify({
      title: 'A small study',
      data: { kind: 'pictures', path: train },
      settings: {
        encoder: 'tiny-mobile',
        batch: 8,
        workers: 1,
        whiten: 0,
        checkpointEvery: 4,
        augment: 'colour-matters',
      },
      budget: { steps: 12 },
      seeds: 2,
      methods: [
        { name: 'NT-Xent', settings: { objective: { temperature: 0.5 } } },
        { name: 'HCL β 1', settings: { objective: { temperature: 0.5, weight: { beta: 1 } } } },
      ],
      evaluate: { data: test, train, k: 5, fewLabels: [50] },
      readOuts: ['average'],
      compare: { measure: 'labels.knnAccuracy' },
    }),
  );
});

afterAll(async () => {
  for (const folder of [work, train, test]) await rm(folder, { recursive: true });
});

describe('nearmiss study', () => {
  it('killed at any moment goes on where it was', async () => {
    const args = ['study', file, '--out', at('out')];
    await killed(args, /run 1\/4 .*loss/);
    await killed(args, /run 2\/4 .*loss/);
    const before = await readdir(at('out', 'results'));
    const first = before.filter((name) => name.includes('seed'));
    expect(first).toHaveLength(1);
    const written = (await stat(at('out', 'results', first[0]!))).mtimeMs;
    // A table is there after each run, and says what is missing.
    expect(await readFile(at('out', 'table.md'), 'utf8')).toContain('3 of 4 runs are still to come');

    outcome = result<Outcome>(await spawnNearmiss([...args, '--json']));
    expect((await stat(at('out', 'results', first[0]!))).mtimeMs).toBe(written);
    expect(outcome.rows.filter(({ kind }) => kind === 'method')).toHaveLength(2);
  }, 240_000);

  it('comes to the same figures as a study that was not killed', async () => {
    const through = result<Outcome>(await spawnNearmiss(['study', file, '--out', at('through'), '--json']));
    expect(through.rows).toEqual(outcome.rows);
    const figures = (text: string): unknown =>
      (JSON.parse(text) as { results: Record<string, unknown>[] }).results.map(
        ({ seconds, imagesPerSecond, ...same }) => same,
      );
    expect(figures(await readFile(through.results, 'utf8'))).toEqual(figures(await readFile(outcome.results, 'utf8')));
  }, 240_000);

  it('has a row for each method and baseline, with a value a seed, the spread, and what may be said of it', () => {
    expect(outcome.compared).toMatchObject({ question: 'labels', measure: 'knnAccuracy' });
    expect(outcome.rows.map(({ name }) => name)).toEqual([
      'raw pixels',
      'colour histogram',
      'untrained encoder',
      'NT-Xent',
      'HCL β 1',
    ]);
    const [, , untrained, ntxent, hcl] = outcome.rows;
    expect(untrained!.values).toHaveLength(2);
    expect(ntxent).toMatchObject({ reference: true });
    expect(ntxent!.values).toHaveLength(2);
    const { difference } = hcl!;
    expect(difference!.mean).toBeCloseTo(hcl!.mean - ntxent!.mean, 12);
    expect(difference!.verdict).toBe(difference!.low > 0 || difference!.high < 0 ? 'larger' : 'within');
    expect(outcome.findings[0]).toMatch(/^HCL β 1: .* the spread of the seeds/);
  });

  it('writes a page and a drawing that need nothing else, and a table with every figure', async () => {
    const page = await readFile(outcome.report, 'utf8');
    expect(page).not.toMatch(/<(script|link|iframe)|src="(?!data:)/);
    expect(page).toContain('A small study');
    expect(page).toContain('colour histogram');
    expect(await readFile(outcome.plot, 'utf8')).toMatch(/^<svg xmlns/);
    const table = await readFile(outcome.table, 'utf8');
    expect(table).toContain('probe 50%');
    expect(table).toContain(`nearmiss study ${file}`);
    expect(table).not.toContain('still to come');
  });

  it('runs only what is new when a seed is added', async () => {
    const more = await spawnNearmiss(['study', file, '--out', at('out'), '--seeds', '3', '--json']);
    expect(more.stderr).toContain('4 of 6 runs are there already');
    expect(result<Outcome>(more).rows.at(-1)!.values).toHaveLength(3);
  }, 120_000);

  it('stops on Ctrl-C and says how to go on', async () => {
    const args = ['study', file, '--out', at('stopped'), '--seeds', '1', '--json'];
    const { code, hint } = failure(1, await spawnNearmiss(args, { interruptAt: /run 1\/2 .*loss/ }));
    expect(code).toBe('NM_INTERRUPTED');
    expect(hint).toBe(`Go on with \`nearmiss study ${file} --out ${at('stopped')} --seeds 1\`; what is done is kept.`);
  });
});
