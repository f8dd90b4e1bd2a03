import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { fingerprint } from '../../src/onnx/seal.js';
import { exportModel, type ModelExport, type Verification } from '../../src/onnx/write.js';
import { referenceMap, referenceReadout } from './reference.js';
import { refusal } from './refusal.js';
import { details, randomPictures, randomReadout, specimen } from './specimen.js';

const { graph, weights } = specimen('tiny-resnet');
const readout = randomReadout(graph, 1);
const pictures = randomPictures(2, 32);
const expected = Float32Array.from(
  [0, 1].flatMap((i) => {
    const picture = pictures.subarray(i * 3072, (i + 1) * 3072);
    return [...referenceReadout(referenceMap(graph, weights, picture, 32), readout)];
  }),
);

describe('exportModel', () => {
  let folder: string;
  let out: string;
  const request = (verify: Partial<Verification> = {}, change: Partial<ModelExport> = {}): ModelExport => {
    const verification = { pictures, expected, ...verify };
    return { graph, weights, size: 32, readout, card: details, out, verify: verification, ...change };
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nearmiss-export-'));
    out = join(folder, 'encoder.onnx');
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('writes the file once onnxruntime agrees, and nothing beside it', async () => {
    const result = await exportModel(request());
    expect(await readdir(folder)).toEqual(['encoder.onnx']);
    const file = await readFile(out);
    expect(result).toMatchObject({ path: out, bytes: file.length, fingerprint: fingerprint(file) });
    expect(result.card).toMatchObject({ name: 'specimen', encoder: 'tiny-resnet', dim: 128 });
    expect(result.largestDifference).toBeGreaterThan(0);
    expect(result.largestDifference).toBeLessThan(1e-6);
    const embedder = await createEmbedder(out);
    expect(await embedder.embed(pictures)).toHaveLength(2 * 128);
    await embedder.close();
  });

  it('writes an int8 model of the float32 one that agreed, unless that lost too much', async () => {
    const shares: number[] = [];
    const question = { task: 'pairs', ask: async () => ({ queries: 100, recallAt1: shares.shift()! }) };
    const quantise = { calibration: randomPictures(4, 32), heldOut: pictures, question };
    shares.push(0.9, 0.8);
    const error = await refusal(exportModel(request({}, { quantise })));
    expect(error.code).toBe('NM_QUANTISATION_LOSS');
    expect(error.message).toContain(`${out}: recall@1 of 100 pairs: float32 90.0, int8 80.0: found 10.0 points lost`);
    expect(await readdir(folder)).toEqual([]);
    shares.push(0.9, 0.89);
    const result = await exportModel(request({}, { quantise }));
    const file = await readFile(out);
    expect(result).toMatchObject({ bytes: file.length, fingerprint: fingerprint(file), card: { precision: 'int8' } });
    expect(result.largestDifference).toBeLessThan(1e-6);
    expect(result.float32Bytes / result.bytes).toBeGreaterThan(3.5);
    const wrong = expected.map((value) => value + 0.01);
    const disagreement = await refusal(exportModel(request({ expected: wrong }, { quantise })));
    expect(disagreement.code).toBe('NM_EXPORT_DISAGREES');
  });

  it('replaces an older file', async () => {
    await writeFile(out, 'old');
    const { bytes } = await exportModel(request());
    expect((await readFile(out)).length).toBe(bytes);
  });

  it('writes nothing and keeps the old file when the trainer computed something else', async () => {
    await writeFile(out, 'old');
    const wrong = expected.slice();
    wrong[128 + 9]! += 3e-4;
    const error = await refusal(exportModel(request({ expected: wrong })));
    expect(error.code).toBe('NM_EXPORT_DISAGREES');
    expect(error.message).toMatch(/differ by 0\.000(3|29).* in picture 1, number 9 .*allowed: 0\.0001/);
    expect(await readdir(folder)).toEqual(['encoder.onnx']);
    expect(await readFile(out, 'utf8')).toBe('old');
    expect((await exportModel(request({ expected: wrong, tolerance: 1e-3 }))).largestDifference).toBeGreaterThan(2e-4);
  });

  it('never takes NaN for agreement', async () => {
    const broken = expected.slice();
    broken[5] = Number.NaN;
    expect((await refusal(exportModel(request({ expected: broken })))).code).toBe('NM_EXPORT_DISAGREES');
    const nan = { shape: [32], data: new Float32Array(32).fill(Number.NaN) };
    const diverged = { ...weights, 'stem.norm.beta': nan };
    const error = await refusal(exportModel(request({}, { weights: diverged })));
    expect(error.code).toBe('NM_EXPORT_DISAGREES');
    expect(error.message).toContain('differ by NaN');
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses a verification that verifies nothing', async () => {
    for (const verify of [
      { pictures: new Uint8Array(0), expected: new Float32Array(0) },
      { expected: expected.subarray(1) },
      { pictures: pictures.subarray(1) },
    ]) {
      expect((await refusal(exportModel(request(verify)))).code).toBe('NM_SHAPE_MISMATCH');
    }
    const tolerance = Number.NaN;
    expect((await refusal(exportModel(request({ tolerance })))).code).toBe('NM_OPTION_INVALID');
    expect(await readdir(folder)).toEqual([]);
  });

  it('says that the path cannot be written', async () => {
    const error = await refusal(exportModel(request({}, { out: join(folder, 'none', 'encoder.onnx') })));
    expect(error.code).toBe('NM_OPTION_INVALID');
    expect(error.message).toMatch(/^out: .*encoder\.onnx cannot be written: ENOENT/);
  });
});
