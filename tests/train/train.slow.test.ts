import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encoderByName, initialWeights } from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { randomStream } from '../../src/random.js';
import { checkEnough, loadTrainingData, type TrainingData } from '../../src/train/data.js';
import { allocateExchange } from '../../src/train/exchange.js';
import { Replica } from '../../src/train/replica.js';
import { readRun, runFiles } from '../../src/train/run.js';
import { resolveTrainSettings, type TrainSettings } from '../../src/train/settings.js';
import { Team } from '../../src/train/team.js';
import { train } from '../../src/train/train.js';
import { pictureFolder } from './pictures.js';

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const STEPS = 24;
let pictures = '';
let work = '';
let data: TrainingData;

function settings(changes: Partial<TrainSettings> = {}): TrainSettings {
  const given = { batch: 8, steps: STEPS, workers: 2, seed: 7, whiten: 16, checkpointEvery: 3, evaluateEvery: 1000 };
  return resolveTrainSettings({ data: { kind: 'pictures', path: pictures }, ...given, ...changes }, 40);
}

/** Hashes are compared: megabytes compared and printed number by number take minutes. */
const sha256 = (data: Uint8Array | Float32Array): string => createHash('sha256').update(data).digest('hex');
const checkpointHash = async (folder: string): Promise<string> => sha256(await readFile(runFiles(folder).checkpoint));

beforeAll(async () => {
  pictures = await pictureFolder(40);
  work = await mkdtemp(join(tmpdir(), 'nearmiss-train-'));
  data = await loadTrainingData({ kind: 'pictures', path: pictures }, 32);
  await train(settings(), data, { out: join(work, 'reference') });
});

afterAll(async () => {
  await rm(pictures, { recursive: true });
  await rm(work, { recursive: true });
});

describe('train', () => {
  it('gives the same weights to the bit for the same seed and worker count', async () => {
    await train(settings(), data, { out: join(work, 'again') });
    expect(await checkpointHash(join(work, 'again'))).toEqual(await checkpointHash(join(work, 'reference')));
  });

  it('gives other weights for another seed', async () => {
    await train(settings({ seed: 8, steps: 3 }), data, { out: join(work, 'other') });
    const other = await readRun(join(work, 'other'));
    const reference = await readRun(join(work, 'reference'));
    const kernel = (run: typeof other): string => sha256(run.checkpoint.state.weights['stem.kernel']!.data);
    expect(kernel(other)).not.toBe(kernel(reference));
  });

  it('stops at a step when asked and resumes to the same weights', async () => {
    const out = join(work, 'stopped');
    const interruption = new AbortController();
    const first = await train(settings(), data, {
      out,
      signal: interruption.signal,
      onProgress: (event) => event.type === 'step' && event.step === 7 && interruption.abort(),
    });
    expect(first.stopped).toBe(true);
    expect(first.run.checkpoint.step).toBeLessThan(STEPS);
    expect(first.run.checkpoint.readOut).toBeUndefined();
    const second = await train(settings(), data, { out, resume: true });
    expect(second.stopped).toBe(false);
    expect(await checkpointHash(out)).toEqual(await checkpointHash(join(work, 'reference')));
    const steps = second.run.history.filter((line) => line.type === 'step').map((line) => line.step);
    expect(steps).toEqual(Array.from({ length: STEPS }, (_, step) => step));
  });

  it('evaluates when due and never twice, however often it is stopped', async () => {
    const out = join(work, 'evaluated');
    const regular = settings({ evaluateEvery: 4, steps: 12 });
    for (const stopAt of [3, 7, undefined]) {
      const interruption = new AbortController();
      const started = stopAt !== 3;
      await train(regular, data, {
        out,
        resume: started,
        signal: interruption.signal,
        onProgress: (event) => event.type === 'step' && event.step === stopAt && interruption.abort(),
        evaluate: async () => ({ figure: 0.5 }),
      });
    }
    const { history } = await readRun(out);
    const evaluations = history.filter((line) => line.type === 'evaluation').map((line) => line.step);
    expect(evaluations).toEqual([0, 4, 8, 12]);
  });

  it('resumes to the same weights after kill -9 at random moments', async () => {
    const out = join(work, 'killed');
    const random = randomStream(Date.now() % 100000);
    const flags = ['--batch', '8', '--steps', `${STEPS}`, '--workers', '2', '--seed', '7', '--whiten', '16'];
    const first = [pictures, ...flags, '--checkpoint-every', '3', '--evaluate-every', '1000'];
    let kills = 0;
    for (let attempt = 0; attempt < 60; attempt++) {
      const started = await stat(runFiles(out).settings).then(
        () => true,
        () => false,
      );
      const args = ['train', ...(started ? ['--resume'] : first), '--out', out];
      const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.on('data', (text) => {
        said += text;
      });
      const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
      // The first attempts are killed wherever they are, from start-up to the read-out; the later ones may finish.
      const timer = attempt < 6 ? setTimeout(() => child.kill('SIGKILL'), 300 + random.integer(2500)) : undefined;
      const code = await ended;
      clearTimeout(timer);
      if (code === 0) break;
      expect(code, said).toBeNull();
      kills++;
    }
    expect(kills).toBeGreaterThan(0);
    expect(await checkpointHash(out)).toEqual(await checkpointHash(join(work, 'reference')));
  }, 180_000);

  it('refuses to resume with other settings, and to start where a run is', async () => {
    const out = join(work, 'reference');
    const code = async (promise: Promise<unknown>): Promise<unknown> =>
      promise.catch((error: unknown) => (error as NearmissError).code);
    expect(await code(train(settings({ seed: 1 }), data, { out, resume: true }))).toBe('NM_SETTINGS_CHANGED');
    expect(await code(train(settings(), data, { out }))).toBe('NM_RUN_EXISTS');
  });

  it('fits a run to a time budget and resumes it with the steps it came to', async () => {
    const out = join(work, 'timed');
    const outcome = await train(settings({ steps: 0, minutes: 0.02 }), data, { out });
    expect(outcome.run.settings.steps).toBeGreaterThan(0);
    expect(outcome.run.checkpoint.step).toBe(outcome.run.settings.steps);
  });

  it('needs pictures for two batches', () => {
    expect(() => checkEnough(data, 21)).toThrow(NearmissError);
    expect(() => checkEnough(data, 20)).not.toThrow();
  });
});

describe('replicas', () => {
  const team = async (workers: number, batch: number): Promise<Team> => {
    const graph = encoderByName('tiny-resnet');
    const { augment, objective } = settings();
    return Team.start({
      graph,
      weights: initialWeights(graph, 1),
      replica: 0,
      exchange: allocateExchange({
        replicas: workers,
        views: 2 * batch,
        dim: graph.head[2],
        values: Replica.exchangedValues(graph),
      }),
      sources: [data.sources[0], data.sources[1]],
      rows: data.rows,
      recipe: augment,
      method: 'simclr',
      methodOptions: {},
      objective,
      seed: 3,
      batch,
      learningRate: 1e-3,
      warmup: 0,
      weightDecay: 1e-6,
      updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
    });
  };

  it('stay equal to the bit', async () => {
    const replicas = await team(2, 8);
    try {
      await replicas.run({ from: 0, to: 5, steps: 10 }, () => undefined);
      const [a, b] = await replicas.states();
      for (const [name, weight] of Object.entries(a!.weights)) {
        expect(sha256(b!.weights[name]!.data), name).toBe(sha256(weight.data));
      }
      expect(sha256(b!.optimiser['m']!)).toBe(sha256(a!.optimiser['m']!));
      expect(sha256(b!.optimiser['v']!)).toBe(sha256(a!.optimiser['v']!));
    } finally {
      await replicas.close();
    }
  });

  it('keep tensors and the WASM heap flat over 1,000 steps', async () => {
    const replicas = await team(1, 2);
    try {
      await replicas.run({ from: 0, to: 50, steps: 1000 }, () => undefined);
      const [before] = await replicas.memory();
      await replicas.run({ from: 50, to: 1000, steps: 1000 }, () => undefined);
      const [after] = await replicas.memory();
      expect(after).toEqual(before);
    } finally {
      await replicas.close();
    }
  }, 240_000);
});
