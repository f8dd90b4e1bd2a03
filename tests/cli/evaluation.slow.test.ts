import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classFolders } from './class-folders.js';
import { fail, nearmiss, result, spawnNearmiss, succeed } from './nearmiss.js';

type Measures = Readonly<Record<string, number>>;
interface Evaluation {
  readonly classes: Measures;
  readonly labels: Measures;
  readonly baselines: Readonly<Record<string, Readonly<Record<string, Measures>>>>;
  readonly notBeaten: readonly { readonly question: string; readonly measure: string; readonly baseline: string }[];
}

let work = '';
let train = '';
let test = '';
let run = '';

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'nearmiss-evaluation-'));
  train = await classFolders(3, 10, 1);
  test = await classFolders(3, 4, 2);
  // The same file twice, and once more under the name of another class.
  await cp(join(train, 'class-0', '3.png'), join(train, 'class-0', 'copy.png'));
  await cp(join(train, 'class-0', '3.png'), join(train, 'class-1', 'copy.png'));
  run = join(work, 'run');
  const settings = ['--steps', '8', '--batch', '8', '--workers', '1', '--whiten', '0', '--encoder', 'tiny-mobile'];
  result(await spawnNearmiss(['train', train, '--out', run, ...settings, '--augment', 'colour-matters', '--json']));
}, 120_000);

afterAll(async () => {
  for (const folder of [work, train, test]) await rm(folder, { recursive: true });
});

describe('nearmiss eval', () => {
  it('asks the baselines what it asks the model, and says which are not beaten', async () => {
    const { classes, baselines, notBeaten } = await succeed<Evaluation>(['eval', run, '--data', test, '--k', '3']);
    expect(Object.keys(baselines['classes']!)).toEqual(['rawPixels', 'colourHistogram', 'untrained']);
    // Colour is the class here.
    expect(baselines['classes']!['colourHistogram']).toMatchObject({ recallAt1: 1, knnAccuracy: 1 });
    expect(classes).toMatchObject({ queries: 12, gallery: 12 });
    const lost = notBeaten.filter(({ baseline }) => baseline === 'colourHistogram').map(({ measure }) => measure);
    // 100% cannot be beaten.
    expect(lost).toEqual(expect.arrayContaining(['recallAt1', 'knnAccuracy']));
    const { stdout } = await nearmiss(['eval', run, '--data', test, '--k', '3']);
    expect(stdout).toContain('The model does NOT beat the colour histogram: recall@1');
  });

  it('probes and fine-tunes on all labels and on few', async () => {
    const args = ['eval', run, '--data', test, '--train', train, '--few-labels', '20', '--fine-tune', '--k', '3'];
    const { labels } = await succeed<Evaluation>(args);
    expect(Object.keys(labels)).toEqual([
      'queries',
      'gallery',
      'knn1Accuracy',
      'knnAccuracy',
      'probeAccuracy',
      'probeAccuracyAt20Percent',
      'fineTunedAccuracyAt20Percent',
    ]);
    // Three plain classes: a network that is trained on two pictures of each tells them apart.
    expect(labels['fineTunedAccuracyAt20Percent']).toBeGreaterThan(0.9);
    expect((await succeed<Evaluation>(args)).labels).toEqual(labels);
  }, 240_000);

  it('takes classes from a list', async () => {
    const list = join(work, 'labels.csv');
    await writeFile(list, 'folder,own,both\nclass-0,a,x\nclass-1,b,y\nclass-2,c,y\n');
    const args = ['eval', run, '--data', test, '--labels', list, '--k', '3'];
    const fine = await succeed<Evaluation>(args);
    const coarse = await succeed<Evaluation>([...args, '--label-column', 'both']);
    expect(coarse.classes['knnAccuracy']).toBeGreaterThanOrEqual(fine.classes['knnAccuracy']!);
    expect(coarse.classes['mapAtR']).not.toBe(fine.classes['mapAtR']);
  });

  it('lists copies first among the pairs that count as negatives, and each of them once', async () => {
    const { falseNegatives } = await succeed<{
      falseNegatives: {
        readonly report: string;
        readonly json: string;
        readonly items: number;
        readonly pairs: readonly { a: string; b: string; similarity: number; relation: string; classes: string[] }[];
      };
    }>(['eval', run, '--false-negatives', 'report']);
    const { pairs, items, report, json } = falseNegatives;
    expect(items).toBe(32);
    const copies = pairs.filter(({ relation }) => relation === 'same file');
    // Three copies are connected by two pairs.
    expect(copies).toHaveLength(2);
    expect(pairs.slice(0, 2)).toEqual(copies);
    for (const { a, b, similarity } of copies) {
      for (const name of [a, b]) expect(name).toMatch(/^class-[01]\/(3|copy)\.png$/);
      expect(similarity).toBeCloseTo(1, 5);
    }
    expect(pairs[2]!.relation).toMatch(/^(same|different) class$/);
    expect(JSON.parse(await readFile(json, 'utf8'))).toMatchObject({ items: 32, pairs });
    const page = await readFile(report, 'utf8');
    expect(page).toContain('same file');
    expect(page).not.toMatch(/<(script|link|iframe)|src="(?!data:)/);
  });

  it('draws a map and the look-alikes into the report of the run', async () => {
    const { report } = await succeed<{ report: string }>(['report', run]);
    const page = await readFile(report, 'utf8');
    expect(page).toContain('Map of the embeddings');
    expect(page).toContain('Look-alikes that count as negatives');
    expect(page.match(/<image href="data:image\/png/g)!.length).toBeGreaterThan(5);
  });

  it('refuses options that do not go together', async () => {
    const cases: readonly [readonly string[], string][] = [
      [[], '--data: found none'],
      [['--data', test, '--few-labels', '1'], 'few labels: found without --train'],
      [['--data', test, '--train', train, '--fine-tune'], '--fine-tune: found without --few-labels'],
      [['--data', test, '--label-column', 'x'], '--label-column: found without --labels'],
      [['--data', 'emoji', '--train', train], '--train: found with --data emoji'],
    ];
    for (const [args, said] of cases) {
      const { code, message } = await fail(2, ['eval', run, ...args]);
      expect([code, message]).toEqual(['NM_OPTION_INVALID', expect.stringContaining(said)]);
    }
  });
});
