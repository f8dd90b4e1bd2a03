import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmbedder, fingerprint, type Quantisation, readCard } from '../../src/onnx/index.js';
import { pictureFolder } from '../train/pictures.js';
import { type Fixtures, writeFixtures } from './fixtures.js';
import { fail, nearmiss, succeed } from './nearmiss.js';

interface Exported {
  readonly path: string;
  readonly bytes: number;
  readonly float32Bytes?: number;
  readonly fingerprint: string;
  readonly largestDifference?: number;
  readonly precision: string;
  readonly quantisation?: Quantisation;
}

let folder = '';
let pictures = '';
let fixtures: Fixtures;
let int8: Exported;
const at = (...path: string[]): string => join(folder, ...path);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-export-'));
  fixtures = await writeFixtures(folder);
  pictures = await pictureFolder(80);
  int8 = await succeed(['export', fixtures.finished, '--int8', '--calibrate', pictures, '--out', at('int8.onnx')]);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(pictures, { recursive: true });
  await rm(fixtures.pictures, { recursive: true });
});

describe('export --int8', () => {
  it('writes a small model that still agrees with the trainer in float32', async () => {
    expect(int8).toMatchObject({ path: at('int8.onnx'), precision: 'int8', imageSize: 32 });
    expect(int8.largestDifference).toBeLessThan(1e-4);
    const file = await readFile(at('int8.onnx'));
    expect(int8.bytes).toBe(file.length);
    expect(int8.fingerprint).toBe(fingerprint(file));
    expect(int8.float32Bytes! / int8.bytes).toBeGreaterThan(2.5);
    expect(readCard(file).quantisation).toEqual(int8.quantisation);
    expect(int8.quantisation).toMatchObject({
      format: 'u8s8',
      reduceRange: false,
      calibration: { pictures: 60 },
      heldOut: { pictures: 20 },
      recallAt1: { task: 'views', queries: 320 },
    });
    expect(int8.quantisation!.heldOut.cosineMean).toBeGreaterThan(0.999);
    const embedder = await createEmbedder(at('int8.onnx'));
    expect(await embedder.embed(new Uint8Array(3072))).toHaveLength(embedder.dim);
    await embedder.close();
  });

  it('makes the same file of the float32 model that was exported before', async () => {
    const float32 = await succeed<Exported>(['export', fixtures.finished, '--out', at('float32.onnx')]);
    expect(float32).toMatchObject({ precision: 'float32', bytes: int8.float32Bytes });
    expect(float32.quantisation).toBeUndefined();
    const again = await succeed<Exported>([
      ...['export', at('float32.onnx'), '--int8', '--calibrate', pictures, '--out', at('again.onnx')],
    ]);
    expect(again.fingerprint).toBe(int8.fingerprint);
    expect(again.quantisation!.float32).toBe(float32.fingerprint);
    expect(again.largestDifference).toBeUndefined();
  });

  it('takes options for other CPUs, and draws other pictures with another seed', async () => {
    const make = (name: string, ...flags: string[]): Promise<Exported> =>
      succeed(['export', fixtures.model, '--int8', '--calibrate', pictures, '--out', at(name), ...flags]);
    const narrow = await make('narrow.onnx', '--reduce-range', '--max-loss', '10');
    expect(narrow.quantisation).toMatchObject({ format: 'u8s8', reduceRange: true });
    const signed = await make('signed.onnx', '--s8s8', '--max-loss', '10');
    expect(signed.quantisation).toMatchObject({ format: 's8s8', reduceRange: false });
    const other = await make('other.onnx', '--seed', '7', '--max-loss', '10');
    expect(new Set([int8, narrow, signed, other].map((one) => one.fingerprint)).size).toBe(4);
  });

  it('asks for classes where the pictures are in folders of classes', async () => {
    const classes = at('classes');
    const names = await readdir(pictures);
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => mkdir(join(classes, name), { recursive: true })));
    await Promise.all(names.map((name, i) => cp(join(pictures, name), join(classes, 'abcd'[i % 4]!, name))));
    const { quantisation } = await succeed<Exported>([
      ...['export', fixtures.model, '--int8', '--calibrate', classes, '--out', at('classes.onnx'), '--max-loss', '50'],
    ]);
    expect(quantisation!.recallAt1).toMatchObject({ task: 'classes', queries: 20 });
  });

  it('says for people what it cost', async () => {
    const { code, stdout, stderr } = await nearmiss([
      ...['export', fixtures.model, '--int8', '--calibrate', pictures, '--out', at('text.onnx')],
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /^wrote .*text\.onnx: 864 dimensions, int8, 0\.\d+ MB \(\d\.\d times smaller than float32\)\n/,
    );
    expect(stdout).toMatch(/\nint8: ranges of 60 pictures \((min-max|percentile)\); on 20 others\n/);
    expect(stdout).toMatch(/cosine with float32 0\.99\d+ on average, 0\.\d+ at least; \d+\.\d% of neighbours kept\n/);
    expect(stdout).toMatch(/recall@1 of 320 views: float32 \d+\.\d, int8 \d+\.\d\n/);
  });

  it('refuses too few pictures, an int8 model, and a model it cannot read', async () => {
    const out = at('refused.onnx');
    const few = await fail(1, ['export', fixtures.model, '--int8', '--calibrate', fixtures.pictures, '--out', out]);
    expect(few.code).toBe('NM_DATA_TOO_SMALL');
    expect(few.message).toContain('found 24 usable pictures (0 files were skipped), allowed: 64 or more');
    const twice = await fail(1, ['export', at('int8.onnx'), '--int8', '--calibrate', pictures, '--out', out]);
    expect(twice.code).toBe('NM_QUANTISATION_UNSUPPORTED');
    expect(twice.message).toContain('int8.onnx: found a model with integers already');
    const text = await fail(1, ['export', join(pictures, '000.png'), '--int8', '--calibrate', pictures, '--out', out]);
    expect(text.code).toMatch(/^NM_MODEL_C/);
    const plain = await fail(2, ['export', fixtures.model, '--out', out]);
    expect(plain.message).toMatch(/^source: found the file .*model\.onnx, allowed: a run's folder, or --int8/);
    expect(existsSync(out)).toBe(false);
  });
});
