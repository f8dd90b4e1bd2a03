import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Quantisation } from '../../src/onnx/index.js';
import { openStore, readDeviceIndex } from '../../src/retrieve/index.js';
import { readRun } from '../../src/train/index.js';
import { pictureFolder } from '../train/pictures.js';
import { failure, result, spawnNearmiss, succeed } from './nearmiss.js';

interface Quality {
  readonly queries: number;
  readonly recallAt1: number;
  readonly recallAt5: number;
  readonly mrr: number;
}
type Hits = readonly { readonly id: string; readonly score: number }[];

let work = '';
let pictures = '';
const at = (...path: string[]): string => join(work, ...path);

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'nearmiss-end-to-end-'));
  pictures = await pictureFolder(40);
});

afterAll(async () => {
  await rm(work, { recursive: true });
  await rm(pictures, { recursive: true });
});

describe('the main job on real emoji', () => {
  interface Demo {
    readonly heldOut: Quality;
    readonly all: Quality;
    readonly baselines: Record<
      'rawPixels' | 'linear' | 'untrained',
      { readonly heldOut: Quality; readonly all: Quality }
    >;
    readonly searches: readonly { readonly query: string; readonly hits: Hits }[];
    readonly imagesPerSecond: number;
    readonly seconds: number;
    readonly model: string;
    readonly store: string;
    readonly report: string;
    readonly site: string;
  }
  const noto = dirname(createRequire(import.meta.url).resolve('emoji-datasource-google/package.json'));
  let demo: Demo;

  beforeAll(async () => {
    demo = result<Demo>(await spawnNearmiss(['demo', '--short', '--out', at('demo'), '--json']));
  }, 240_000);

  it('finds clearly more unseen emoji than the untrained encoder, after seconds of training', () => {
    const { untrained, rawPixels } = demo.baselines;
    expect(demo.heldOut.queries).toBe(417);
    // A 60-step encoder; three standard errors of recall over 417 queries are 7 points.
    expect(demo.heldOut.recallAt1).toBeGreaterThan(untrained.heldOut.recallAt1 + 0.1);
    expect(demo.all.recallAt1).toBeGreaterThan(untrained.all.recallAt1 + 0.05);
    expect(demo.heldOut.recallAt5).toBeGreaterThan(demo.heldOut.recallAt1);
    // What needs no training has the figures of the table.
    expect(rawPixels.heldOut.recallAt1).toBeCloseTo(0.453, 2);
    expect(demo.baselines.linear.heldOut.recallAt1).toBeCloseTo(0.547, 1);
    expect(demo.imagesPerSecond).toBeGreaterThan(0);
  });

  it('measures the same by `eval` of the exported model', async () => {
    const model = await succeed<{ heldOut: Quality; all: Quality }>(['eval', demo.model, '--data', 'emoji']);
    expect(model.heldOut).toMatchObject(demo.heldOut);
    expect(model.all).toMatchObject(demo.all);
  });

  it('exports as int8 what finds nearly the same emoji', async () => {
    const int8 = at('int8.onnx');
    const exported = await succeed<{ bytes: number; float32Bytes: number; quantisation: Quantisation }>([
      ...['export', demo.model, '--int8', '--calibrate', 'emoji', '--out', int8],
    ]);
    expect(exported.float32Bytes / exported.bytes).toBeGreaterThan(3.5);
    const { heldOut, recallAt1 } = exported.quantisation;
    expect(heldOut.cosineMean).toBeGreaterThan(0.995);
    expect(heldOut.neighbourOverlap).toBeGreaterThan(0.9);
    expect(recallAt1).toMatchObject({ task: 'pairs', queries: 417 });
    expect(recallAt1.float32).toBeCloseTo(demo.heldOut.recallAt1, 9);
    expect(recallAt1.int8).toBeGreaterThan(recallAt1.float32 - 0.02);
    const measured = await succeed<{ heldOut: Quality }>(['eval', int8, '--data', 'emoji']);
    expect(measured.heldOut.recallAt1).toBeCloseTo(recallAt1.int8, 9);
  });

  it('indexes nothing twice', async () => {
    const again = await succeed(['index', demo.model, 'emoji', '--out', demo.store]);
    expect(again).toMatchObject({ added: 0, updated: 0, unchanged: 1911, removed: 0, skipped: 0, items: 1911 });
  });

  it('finds the very picture that was indexed first, with a cosine of 1', async () => {
    const ids = ['1f600.png', '1f408.png', '2693.png'];
    const files = ids.map((id) => join(noto, 'img/google/64', id));
    const { results } = await succeed<{ results: { picture: string; hits: Hits }[] }>([
      ...['search', demo.store, ...files, '-k', '4'],
    ]);
    expect(results.map(({ picture }) => picture)).toEqual(files);
    results.forEach(({ hits }, i) => {
      expect(hits).toHaveLength(4);
      expect(hits[0]!.id).toContain(ids[i]);
      expect(hits[0]!.score).toBeCloseTo(1, 4);
      for (let k = 1; k < 4; k++) expect(hits[k]!.score).toBeLessThanOrEqual(hits[k - 1]!.score);
    });
  });

  it('answers the searches of the demo from its store', () => {
    expect(demo.searches).toHaveLength(5);
    for (const { hits } of demo.searches) expect(hits).toHaveLength(3);
  });

  it('ends with a page of its store', async () => {
    const config = JSON.parse(await readFile(join(demo.site, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ backend: 'device', title: 'Emoji' });
    const index = await readDeviceIndex(await readFile(join(demo.site, 'index.nmi')));
    expect([index.count, index.get('1f352.png')!.metadata]).toEqual([1911, { title: 'cherries', path: '1f352.png' }]);
  });

  it('draws a report in one file that asks for nothing else', async () => {
    const html = await readFile(demo.report, 'utf8');
    expect(html.startsWith('<!')).toBe(true);
    expect(html).not.toMatch(/<(script|link|img|iframe)[^>]*\s(src|href)="(?!data:)/);
    expect(html).not.toMatch(/@import|url\((?!["']?data:)/);
    expect(html).toContain('raw pixels');
    expect(html).toContain('<svg');
  });

  it('leaves no temporary files', async () => {
    expect((await readdir(at('demo'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('stops indexing on Ctrl-C with a store that a second run completes', async () => {
    const store = at('stopped.db');
    const args = ['index', demo.model, 'emoji', '--out', store, '--json'];
    const { code, hint, stderr } = failure(1, await spawnNearmiss(args, { interruptAt: /indexed \d+ pictures/ }));
    expect(code).toBe('NM_INTERRUPTED');
    expect(hint).toContain('finished work is kept');
    expect(stderr).toContain('SIGINT: finishing what is under way');
    const kept = await openStore(store, { readOnly: true });
    const stored = await kept.count();
    await kept.close();
    expect(stored).toBeGreaterThan(0);
    expect(stored).toBeLessThan(1911);
    const second = await succeed(args.slice(0, -1));
    expect(second).toMatchObject({ added: 1911 - stored, unchanged: stored, items: 1911 });
  });
});

describe('a run that is stopped', () => {
  it('keeps a whole checkpoint on Ctrl-C, says how to go on, and is completed by --resume', async () => {
    const out = at('stopped');
    const settings = ['--steps', '120', '--batch', '8', '--workers', '2', '--whiten', '0', '--seed', '3'];
    const train = ['train', pictures, ...settings, '--checkpoint-every', '1000', '--evaluate-every', '1000', '--json'];
    const stopped = failure(1, await spawnNearmiss([...train, '--out', out], { interruptAt: /step \d+\/120/ }));
    expect(stopped.code).toBe('NM_INTERRUPTED');
    expect(stopped.hint).toBe(`Go on with \`nearmiss train --out ${out} --resume\`.`);
    const { checkpoint, history } = await readRun(out);
    expect(stopped.message).toBe(`stopped after step ${checkpoint.step} of 120`);
    expect(checkpoint.step).toBeGreaterThan(0);
    expect(checkpoint.step).toBeLessThan(120);
    expect(history.filter((line) => line.type === 'step')).toHaveLength(checkpoint.step);

    const resumed = await succeed(['train', '--resume', '--out', out]);
    expect(resumed).toMatchObject({ steps: 120, run: out });
    await succeed([...train.slice(0, -1), '--out', at('through')]);
    const hash = async (run: string): Promise<string> =>
      createHash('sha256')
        .update(await readFile(at(run, 'checkpoint.safetensors')))
        .digest('hex');
    expect(await hash('stopped')).toBe(await hash('through'));

    // A run that has ended has nothing left to do.
    expect(await succeed(['train', '--resume', '--out', out])).toMatchObject({ steps: 120 });
    expect(await hash('stopped')).toBe(await hash('through'));
  });
});

describe('other data', () => {
  const quick = ['--steps', '20', '--batch', '8', '--workers', '1', '--evaluate-every', '10'];

  it('in one folder a class shows recall of classes while training, and kNN accuracy by eval', async () => {
    const classes = at('classes');
    // A class is one picture with its brightness changed: any encoder that looks at the picture tells them apart.
    for (let label = 0; label < 4; label++) {
      const folder = join(classes, `class-${label}`);
      await mkdir(folder, { recursive: true });
      for (let i = 0; i < 6; i++) {
        const source = sharp(join(pictures, `00${label}.png`));
        await source.modulate({ brightness: 0.8 + 0.07 * i }).toFile(join(folder, `${i}.png`));
      }
    }
    const out = at('labelled');
    const { metrics, skipped } = await succeed<{ metrics: Record<string, number>; skipped: unknown[] }>([
      ...[
        'train',
        classes,
        '--out',
        out,
        ...quick,
        '--objective',
        'ring',
        '--ring',
        '0,0.6',
        '--encoder',
        'tiny-mobile',
      ],
    ]);
    expect(Object.keys(metrics)).toEqual(['classRecallAt1', 'classRecallAt5']);
    expect(metrics['classRecallAt1']).toBeGreaterThan(0.5);
    expect(skipped).toEqual([]);
    const evaluations = (await readRun(out)).history.filter((line) => line.type === 'evaluation');
    expect(evaluations.map(({ step }) => step)).toEqual([0, 10, 20]);

    const model = at('labelled.onnx');
    const exported = await succeed<{ largestDifference: number; path: string; bytes: number }>([
      ...['export', out, '--out', model],
    ]);
    expect(exported).toMatchObject({ path: model, imageSize: 32 });
    expect(exported.largestDifference).toBeLessThanOrEqual(1e-4);
    expect(exported.bytes).toBe((await readFile(model)).length);

    const { classes: quality } = await succeed<{ classes: Quality & { knnAccuracy: number; gallery: number } }>([
      ...['eval', out, '--data', classes, '--k', '5'],
    ]);
    expect(quality).toMatchObject({ queries: 24, gallery: 24 });
    expect(quality.knnAccuracy).toBeGreaterThan(0.5);
    expect(quality.recallAt1).toBeGreaterThan(0.5);
    const itself = await succeed<{ names: Quality }>([
      ...['eval', model, '--data', classes, '--gallery', classes, '--match', 'name'],
    ]);
    const byClass = await succeed<{ classes: Quality }>(['eval', model, '--data', classes, '--gallery', classes]);
    expect(byClass.classes.recallAt1).toBe(1);
    expect(itself.names).toMatchObject({ queries: 24, recallAt1: 1, mrr: 1 });

    const report = await succeed(['report', out]);
    expect(report).toEqual({ report: join(out, 'report.html') });
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('class recall@1');
  });

  it('of two folders of the same names is trained on as pairs', async () => {
    const [catalogue, shop] = [at('catalogue'), at('shop')];
    await cp(pictures, catalogue, { recursive: true });
    await mkdir(shop);
    for (const name of await readdir(catalogue)) {
      const photo = sharp(join(catalogue, name)).rotate(4, { background: '#fff' }).blur(0.8);
      await photo.jpeg({ quality: 70 }).toFile(join(shop, name.replace('.png', '.jpg')));
    }
    const { metrics } = await succeed<{ metrics: Record<string, number> }>([
      ...['train', '--pair', catalogue, shop, '--out', at('paired'), ...quick],
    ]);
    expect(Object.keys(metrics)).toEqual(['trainingPairsRecallAt1', 'trainingPairsRecallAt5']);
    expect((await readRun(at('paired'))).settings.data).toEqual({ kind: 'pairs', a: catalogue, b: shop });
  });
});
