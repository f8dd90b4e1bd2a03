import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encoderByName } from '../../src/encoders/index.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { runFiles } from '../../src/train/run.js';
import { pictureFolder } from './pictures.js';

/** V8's switch on x64: relaxed multiply-adds then round twice, as on a processor without FMA. */
const WITHOUT_FMA = '--no-enable-fma3';
/** Enough that workers, which stop at the next step or a few later, do not come to the end first. */
const STEPS = 60;

/** Trains in a process of its own, as V8's flags are of a whole process; prints what `train` said, or its error. */
const SCRIPT = `
import { loadTrainingData, resolveTrainSettings, train } from '${new URL('../../dist/train/index.js', import.meta.url)}';
const { pictures, out, resume, stopAfter } = JSON.parse(process.argv[2]);
const source = { kind: 'pictures', path: pictures };
const data = await loadTrainingData(source, 32);
const given = { encoder: 'tiny-mobile', batch: 4, steps: ${STEPS}, workers: 2, seed: 3, whiten: 0 };
const stop = new AbortController();
try {
  const { run } = await train(resolveTrainSettings({ data: source, ...given }, data.rows.length), data, {
    out,
    resume,
    signal: stop.signal,
    onProgress: (event) => event.type === 'step' && event.step + 1 === stopAfter && stop.abort(),
  });
  console.log(JSON.stringify({ step: run.checkpoint.step }));
} catch ({ code, message }) {
  console.log(JSON.stringify({ code, message }));
}
`;

let pictures = '';
let work = '';

async function trainApart(
  flags: readonly string[],
  run: string,
  options: { readonly resume?: boolean; readonly stopAfter?: number } = {},
): Promise<Record<string, unknown>> {
  const given = JSON.stringify({ pictures, out: join(work, run), ...options });
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, join(work, 'train.mjs'), given]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The run was stopped before its end. */
function expectPart({ step }: Record<string, unknown>): void {
  expect(step).toBeGreaterThanOrEqual(3);
  expect(step).toBeLessThan(STEPS);
}

const file = (run: string): string => runFiles(join(work, run)).checkpoint;
const hash = async (run: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file(run)))
    .digest('hex');
const fused = async (run: string): Promise<boolean | undefined> =>
  (await readCheckpoint(file(run), encoderByName('tiny-mobile'))).fusesMultiplyAdd;

beforeAll(async () => {
  pictures = await pictureFolder(12);
  work = await mkdtemp(join(tmpdir(), 'nearmiss-multiply-add-'));
  await writeFile(join(work, 'train.mjs'), SCRIPT);
});

afterAll(async () => {
  await rm(pictures, { recursive: true });
  await rm(work, { recursive: true });
});

// Other processors have no such switch; those of x64 that train fused are all since 2013.
describe.skipIf(process.arch !== 'x64')('a run that is resumed on another processor', { timeout: 180_000 }, () => {
  it('goes on to the same bits where it began without fused multiply-adds', async () => {
    expect(await trainApart([WITHOUT_FMA], 'whole')).toEqual({ step: STEPS });
    expect(await fused('whole')).toBe(false);
    expectPart(await trainApart([WITHOUT_FMA], 'moved', { stopAfter: 3 }));
    expect(await trainApart([], 'moved', { resume: true })).toEqual({ step: STEPS });
    expect(await hash('moved')).toBe(await hash('whole'));

    expect(await trainApart([], 'here')).toEqual({ step: STEPS });
    expect(await fused('here')).toBe(true);
    expect(await hash('here')).not.toBe(await hash('whole'));
  });

  it('is refused where it began with fused multiply-adds, and left as it was', async () => {
    expectPart(await trainApart([], 'fused', { stopAfter: 3 }));
    const before = await hash('fused');
    const { code, message } = await trainApart([WITHOUT_FMA], 'fused', { resume: true });
    expect(code).toBe('NM_SIMD_UNSUPPORTED');
    const found = `${file('fused')}: found weights trained with fused multiply-adds, allowed here: separate ones`;
    expect([`${found} (relaxed SIMD)`, `${found} (paired SIMD)`]).toContain(message);
    expect(await hash('fused')).toBe(before);
    expect(await trainApart([], 'fused', { resume: true })).toEqual({ step: STEPS });
  });
});
