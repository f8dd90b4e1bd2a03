import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encoderByName, initialWeights } from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { METHODS } from '../../src/methods/index.js';
import { generated, instance, mochi, type Objective, ring } from '../../src/negatives/index.js';
import { loadTrainingData, type TrainingData } from '../../src/train/data.js';
import type { ReplicaState } from '../../src/train/replica.js';
import { runFiles } from '../../src/train/run.js';
import { resolveTrainSettings, type TrainSettings, type TrainSettingsInput } from '../../src/train/settings.js';
import { Team } from '../../src/train/team.js';
import { replicaOptions, train } from '../../src/train/train.js';
import { pictureFolder } from './pictures.js';

const ITEMS = 40;
const STEPS = 7;
let pictures = '';
let work = '';
let data: TrainingData;

/** What each method trains with here; one entry a kind of state. */
const cases: readonly (readonly [string, string, Objective | undefined])[] = [
  ['simclr', 'a generator', generated({ perAnchor: 4, warmup: 0.2 })],
  ['supervised', 'its own objective', undefined],
  ['moco', 'mixes', mochi({ capacity: 60, hardest: 7, warmup: 0 })],
  ['moco', 'a generator', generated({ perAnchor: 4, warmup: 0, capacity: 12 })],
  ['instance', 'a ring', ring({ draws: 20 })],
  ['instance', 'NCE', instance({ draws: 20, loss: { kind: 'nce' } })],
  ['cmc', 'NCE', instance({ draws: 20, loss: { kind: 'nce' } })],
];

function settings(method: string, objective?: Objective, changes: Partial<TrainSettingsInput> = {}): TrainSettings {
  return resolveTrainSettings(
    {
      data: { kind: 'pictures', path: pictures },
      method,
      ...(objective ? { objective } : {}),
      batch: 8,
      steps: STEPS,
      workers: 2,
      seed: 7,
      whiten: 16,
      checkpointEvery: 100,
      evaluateEvery: 100,
      ...changes,
    },
    ITEMS,
  );
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const hash = async (folder: string): Promise<string> => sha256(await readFile(runFiles(folder).checkpoint));

/** A hash of every array of a state. */
function digest({ weights, optimiser, method, adaptive }: ReplicaState): Record<string, string> {
  const arrays = [
    ...Object.entries(weights).map(([name, { data }]) => [name, data] as const),
    ...Object.entries(optimiser),
    ...Object.entries(method).map(([name, { data }]) => [`method ${name}`, data] as const),
  ];
  const hashes = arrays.map(([name, { buffer, byteOffset, byteLength }]): [string, string] => [
    name,
    sha256(new Uint8Array(buffer, byteOffset, byteLength)),
  ]);
  return { ...Object.fromEntries(hashes), adaptive: adaptive ?? '' };
}

beforeAll(async () => {
  pictures = await pictureFolder(ITEMS);
  work = await mkdtemp(join(tmpdir(), 'nearmiss-methods-'));
  const loaded = await loadTrainingData({ kind: 'pictures', path: pictures }, 32);
  const labels = Int32Array.from({ length: ITEMS }, (_, i) => i % 4);
  const [source] = loaded.sources;
  const labelled = { ...source, labels, classes: ['a', 'b', 'c', 'd'] };
  data = { ...loaded, sources: [labelled, labelled] };
});

afterAll(async () => {
  await rm(pictures, { recursive: true });
  await rm(work, { recursive: true });
});

describe('a run', () => {
  it('of every method is tested here', () => {
    expect(new Set(cases.map(([name]) => name))).toEqual(new Set(METHODS.map(({ name }) => name)));
  });

  it.each(cases)(
    'of %s with %s keeps its replicas equal and goes on from a state, to the bit',
    async (name, _, objective) => {
      const given = settings(name, objective);
      const team = await Team.start(replicaOptions(given, data, initialWeights(encoderByName(given.encoder), 1)));
      const losses: number[] = [];
      const run = (from: number, to: number): Promise<number> =>
        team.run({ from, to, steps: STEPS }, ({ loss }) => losses.push(loss));
      try {
        await run(0, 3);
        const middle = await team.state();
        await run(3, STEPS);
        const [end, other] = (await team.states()).map(digest);
        expect(other).toEqual(end);
        await team.restore(middle);
        await run(3, STEPS);
        expect((await team.states()).map(digest)).toEqual([end, end]);
        expect(losses.every(Number.isFinite)).toBe(true);
        expect(losses.slice(STEPS)).toEqual(losses.slice(3, STEPS));
      } finally {
        await team.close();
      }
    },
  );

  it('with a queue and a generator, stopped and resumed, ends as one that was not', async () => {
    const [whole, parts] = [join(work, 'whole'), join(work, 'parts')];
    const given = settings('moco', generated({ perAnchor: 4, warmup: 0, capacity: 12 }));
    await train(given, data, { out: whole });
    const interruption = new AbortController();
    const first = await train(given, data, {
      out: parts,
      signal: interruption.signal,
      onProgress: (event) => event.type === 'step' && event.step === 3 && interruption.abort(),
    });
    expect(first.stopped).toBe(true);
    await train(given, data, { out: parts, resume: true });
    expect(await hash(parts)).toBe(await hash(whole));
  });

  it('of one view of two sources learns from both', async () => {
    const given = settings('instance', instance({ draws: 20 }), { workers: 1 });
    const lossOf = async (a: TrainingData, b: TrainingData): Promise<number> => {
      const paired = { ...data, sources: [a.sources[0], b.sources[0]], paired: true } as TrainingData;
      const team = await Team.start(replicaOptions(given, paired, initialWeights(encoderByName(given.encoder), 1)));
      let found = Number.NaN;
      await team.run({ from: 0, to: 1, steps: STEPS }, ({ loss }) => {
        found = loss;
      });
      await team.close();
      return found;
    };
    const [source] = data.sources;
    const inverted = { ...source, data: Uint8Array.from(source.data, (byte) => 255 - byte) };
    const other = { ...data, sources: [inverted, inverted] } as unknown as TrainingData;
    const losses = [await lossOf(data, data), await lossOf(data, other), await lossOf(other, data)];
    expect(new Set(losses).size).toBe(3);
  });

  it('whose objective cannot have its negatives is refused before it starts', async () => {
    const refused = async (method: string, objective: Objective): Promise<string | undefined> => {
      const error = await train(settings(method, objective), data, { out: join(work, 'refused') }).catch(
        (reason: unknown) => reason,
      );
      return error instanceof NearmissError ? error.code : undefined;
    };
    // 14, 7 to 19, and 39 candidates; the mixes start when the queue holds 8.
    expect(await refused('simclr', ring({ outer: 0.05 }))).toBe('NM_NO_NEGATIVES');
    expect(await refused('moco', ring({ capacity: 20, outer: { schedule: 'linear', from: 1, to: 0.04 } }))).toBe(
      'NM_NO_NEGATIVES',
    );
    expect(await refused('instance', ring({ draws: 9, outer: 0.02 }))).toBe('NM_NO_NEGATIVES');
    expect(await refused('moco', mochi({ capacity: 20, hardest: 9, warmup: 0 }))).toBe('NM_TOO_FEW_CANDIDATES');
  });

  it('keeps the code of an error that is found in a worker', async () => {
    // Not through `train`, which would have refused it.
    const given = settings('simclr', ring({ outer: 0.05 }));
    const team = await Team.start(replicaOptions(given, data, initialWeights(encoderByName(given.encoder), 1)));
    const error = await team.run({ from: 0, to: 1, steps: STEPS }, () => undefined).catch((reason: unknown) => reason);
    await team.close();
    expect((error as NearmissError).code).toBe('NM_NO_NEGATIVES');
  });

  it('that needs labels is refused for pictures without', async () => {
    const [{ labels: _, classes: __, ...source }] = data.sources;
    const unlabelled = { ...data, sources: [source, source] } as TrainingData;
    const error = await train(settings('supervised'), unlabelled, { out: join(work, 'unlabelled') }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(NearmissError);
    expect((error as NearmissError).code).toBe('NM_LABELS_MISSING');
  });
});
