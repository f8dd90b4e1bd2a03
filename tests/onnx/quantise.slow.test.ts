import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnx } from 'onnx-proto';
import { InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { agreement } from '../../src/onnx/agreement.js';
import { readCard } from '../../src/onnx/card.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { decodeModel } from '../../src/onnx/model.js';
import { type QuantisationOptions, quantiseModel } from '../../src/onnx/quantise.js';
import { planQuantisation, quantiseGraph } from '../../src/onnx/quantise-graph.js';
import { CALIBRATION_METHODS, calibrate } from '../../src/onnx/quantise-ranges.js';
import { encodeSealedModel, fingerprint } from '../../src/onnx/seal.js';
import { emojiPictures } from './emoji-pictures.js';
import { runGraph } from './integer-reference.js';
import { refusal } from './refusal.js';
import { details, randomReadout, specimen } from './specimen.js';

const SIZE = 32;
const picture = SIZE * SIZE * 3;
const CALIBRATION = 48;
const HELD_OUT = 32;
let calibration: Uint8Array;
let heldOut: Uint8Array;

function float32(name: string, pool: 1 | 2 = 2, whitenedTo?: number): Uint8Array<ArrayBuffer> {
  const { graph, weights } = specimen(name);
  return encoderToOnnx({ graph, weights, size: SIZE, readout: randomReadout(graph, pool, whitenedTo), card: details });
}

async function embed(bytes: Uint8Array, pictures: Uint8Array): Promise<Float32Array> {
  const embedder = await createEmbedder(bytes);
  try {
    return await embedder.embed(pictures);
  } finally {
    await embedder.close();
  }
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    lengthA += a[i]! ** 2;
    lengthB += b[i]! ** 2;
  }
  return product / Math.sqrt(lengthA * lengthB);
}

/** Finds each held-out picture by itself; the float32 model always can. */
const itself: QuantisationOptions['question'] = {
  task: 'themselves',
  ask: async (embedOf, dim) => {
    const rows = await embedOf(heldOut);
    const count = rows.length / dim;
    const row = (i: number): Float32Array => rows.subarray(i * dim, (i + 1) * dim);
    let right = 0;
    for (let i = 0; i < count; i++) {
      const others = Array.from({ length: count }, (_, j) => j).filter((j) => j !== i);
      if (others.every((j) => cosine(row(i), row(j)) < 1 - 1e-12)) right++;
    }
    return { queries: count, recallAt1: right / count };
  },
};

/** A question that the float32 model answers with the first share and the int8 model with the second. */
function scripted(...shares: readonly [number, number]): QuantisationOptions['question'] {
  let asked = 0;
  return { task: 'pairs', ask: async () => ({ queries: 200, recallAt1: shares[asked++ % 2]! }) };
}

function options(change: Partial<QuantisationOptions> = {}): QuantisationOptions {
  return { calibration, heldOut, question: itself, ...change };
}

beforeAll(async () => {
  const pictures = await emojiPictures(CALIBRATION + HELD_OUT, SIZE);
  // Both parts are spread over the list, whose neighbours look alike.
  const rows = Array.from({ length: CALIBRATION + HELD_OUT }, (_, i) => i);
  const take = (kept: (row: number) => boolean): Uint8Array =>
    Buffer.concat(rows.filter(kept).map((row) => pictures.subarray(row * picture, (row + 1) * picture)));
  heldOut = take((row) => row % 5 < 2);
  calibration = take((row) => row % 5 >= 2);
});

describe.each([
  ['tiny-resnet', 'u8s8', false],
  ['tiny-resnet', 'u8s8', true],
  ['tiny-resnet', 's8s8', false],
  ['tiny-mobile', 'u8s8', false],
  ['tiny-mobile', 's8s8', false],
  ['tiny-resnet-lab', 'u8s8', false],
] as const)('int8 %s, %s, weights of 7 bits: %s', (name, format, reduceRange) => {
  const bytes = float32(name);
  let int8: Uint8Array;
  beforeAll(async () => {
    int8 = await quantiseModel(bytes, options({ format, reduceRange }));
  });

  it('computes in onnxruntime what its integers mean by the definitions of ONNX', async () => {
    const two = heldOut.subarray(0, 2 * picture);
    const found = await embed(int8, two);
    const expected = runGraph(int8, two, SIZE).get('embedding')!.data;
    const dim = expected.length / 2;
    expect(found.length).toBe(expected.length);
    for (const row of [0, 1]) {
      const range = [row * dim, (row + 1) * dim] as const;
      // An integer now and then is rounded the other way, as onnxruntime scales in float32.
      expect(cosine(found.subarray(...range), expected.subarray(...range))).toBeGreaterThan(0.99999);
    }
    // Two pictures are much further apart than the two ways to compute one.
    expect(cosine(expected.subarray(0, dim), expected.subarray(dim))).toBeLessThan(0.9995);
  });

  it('agrees with float32 on pictures that calibration did not see, and says so in its card', async () => {
    const [a, b] = [await embed(bytes, heldOut), await embed(int8, heldOut)];
    const dim = a.length / HELD_OUT;
    const cosines = Array.from({ length: HELD_OUT }, (_, i) =>
      cosine(a.subarray(i * dim, (i + 1) * dim), b.subarray(i * dim, (i + 1) * dim)),
    );
    const mean = cosines.reduce((sum, value) => sum + value, 0) / HELD_OUT;
    expect(mean).toBeGreaterThan(0.999);
    const { precision, quantisation } = readCard(int8);
    expect(precision).toBe('int8');
    expect(quantisation).toMatchObject({
      format,
      reduceRange,
      calibration: { pictures: CALIBRATION },
      heldOut: { pictures: HELD_OUT },
      recallAt1: { task: 'themselves', queries: HELD_OUT, float32: 1, int8: 1 },
      float32: fingerprint(bytes),
    });
    expect(quantisation!.heldOut.cosineMean).toBeCloseTo(mean, 6);
    expect(quantisation!.heldOut.cosineMin).toBeCloseTo(Math.min(...cosines), 6);
    expect(quantisation!.heldOut.neighbourOverlap).toBeGreaterThan(0.9);
  });

  it('has int8 weights within half a step of the float32 ones, each channel by itself', () => {
    const initialisers = (file: Uint8Array): Map<string, onnx.ITensorProto> =>
      new Map(onnx.ModelProto.decode(file).graph!.initializer!.map((one) => [one.name!, one]));
    const [before, after] = [initialisers(bytes), initialisers(int8)];
    const aligned = (tensor: onnx.ITensorProto): ArrayBuffer => new Uint8Array(tensor.rawData!).buffer;
    let convolutions = 0;
    for (const [weight, tensor] of before) {
      const integers = after.get(`${weight}.quantised`);
      if (!integers || !weight.endsWith('.weight')) continue;
      convolutions++;
      expect(integers.dataType).toBe(3);
      expect(integers.dims!.map(Number)).toEqual(tensor.dims!.map(Number));
      const w = new Float32Array(aligned(tensor));
      const q = new Int8Array(aligned(integers));
      const scale = new Float32Array(aligned(after.get(`${weight}.scale`)!));
      const per = w.length / scale.length;
      let worst = 0;
      let largest = 0;
      q.forEach((integer, i) => {
        const step = scale[Math.floor(i / per)]!;
        worst = Math.max(worst, Math.abs(w[i]! - integer * step) / step);
        largest = Math.max(largest, Math.abs(integer));
      });
      expect(worst).toBeLessThan(0.5001);
      expect(largest).toBe(reduceRange ? 63 : 127);
      expect(after.has(weight)).toBe(false);
    }
    expect(convolutions).toBe(specimen(name).graph.nodes.filter(({ op }) => op === 'conv').length);
  });
});

describe('an int8 model', () => {
  it('is at least 3.5 times smaller', async () => {
    const bytes = float32('tiny-resnet', 1);
    expect(bytes.length / (await quantiseModel(bytes, options())).length).toBeGreaterThan(3.5);
  });

  it('is the same file for the same input', async () => {
    const bytes = float32('tiny-mobile');
    expect(Buffer.compare(await quantiseModel(bytes, options()), await quantiseModel(bytes, options()))).toBe(0);
  });

  it('keeps the rest of the card', async () => {
    const bytes = float32('tiny-mobile');
    const { precision: _, quantisation: __, ...rest } = readCard(await quantiseModel(bytes, options()));
    expect(rest).toEqual(readCard(bytes));
  });

  it('stores a whitening as integers and computes it in float32', async () => {
    const bytes = float32('tiny-resnet', 2, 256);
    const int8 = await quantiseModel(bytes, options());
    expect(bytes.length / int8.length).toBeGreaterThan(3.5);
    const { cosineMean, cosineMin } = readCard(int8).quantisation!.heldOut;
    expect(cosineMean).toBeGreaterThan(0.999);
    expect(cosineMin).toBeGreaterThan(0.99);
    const two = heldOut.subarray(0, 2 * picture);
    const expected = runGraph(int8, two, SIZE).get('embedding')!.data;
    expect(cosine(await embed(int8, two), expected)).toBeGreaterThan(0.99999);
  });

  it.runIf(process.arch === 'x64')('runs as integers from the pixels to the pooling', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nearmiss-int8-'));
    try {
      for (const [name, convolutions, additions] of [
        ['tiny-resnet', 9, 3],
        ['tiny-mobile', 13, 3],
      ] as const) {
        const optimizedModelFilePath = join(folder, `${name}.onnx`);
        const settings = { graphOptimizationLevel: 'all', optimizedModelFilePath, logSeverityLevel: 3 } as const;
        const int8 = await quantiseModel(float32(name, 2, 64), options());
        await (await InferenceSession.create(int8, settings)).release();
        const fused = onnx.ModelProto.decode(await readFile(optimizedModelFilePath)).graph!.node!;
        const count = (op: string): number => fused.filter(({ opType }) => opType === op).length;
        const [integer, added] = [count('QLinearConv'), count('QLinearAdd')];
        expect([name, integer, added, count('Conv'), count('QuantizeLinear')]).toEqual([
          name,
          convolutions,
          additions,
          0,
          0,
        ]);
        // The last map; the whitening's matrix is made when the model is opened.
        expect(count('DequantizeLinear')).toBe(1);
        expect([count('Cast'), count('Mul')]).toEqual([0, 0]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('quantiseModel', () => {
  const bytes = float32('tiny-mobile');

  it('refuses a model that lost more recall than is allowed', async () => {
    const error = await refusal(quantiseModel(bytes, options({ question: scripted(0.8, 0.77), name: 'a.onnx' })));
    expect(error.code).toBe('NM_QUANTISATION_LOSS');
    expect(error.message).toMatch(
      /^a\.onnx: recall@1 of 200 pairs: float32 80\.0, int8 77\.0: found 3\.0 points lost, allowed: 2 \(cosine .* 0\.99/,
    );
    for (const [maxLoss, float, int] of [
      [4, 0.8, 0.77],
      [0, 0.8, 0.8],
      [0, 0.8, 0.9],
    ] as const) {
      const int8 = await quantiseModel(bytes, options({ question: scripted(float, int), maxLoss }));
      const { recallAt1 } = readCard(int8).quantisation!;
      expect(recallAt1).toEqual({ task: 'pairs', queries: 200, float32: float, int8: int });
    }
  });

  it('refuses embeddings that are not finite', async () => {
    const { graph, weights } = specimen('tiny-mobile');
    const broken = { ...weights, 'stem.norm.beta': { shape: [32], data: new Float32Array(32).fill(Number.NaN) } };
    const nan = encoderToOnnx({ graph, weights: broken, size: SIZE, readout: { pool: 1 }, card: details });
    const error = await refusal(quantiseModel(nan, options({ question: scripted(0.8, 0.8) })));
    expect(error.code).toBe('NM_QUANTISATION_LOSS');
    expect(error.message).toContain('not finite');
  });

  it('takes the calibration whose embeddings are closer to float32', async () => {
    const model = decodeModel(bytes);
    const plan = planQuantisation(model.graph!);
    const reference = await embed(bytes, heldOut);
    // One picture of bright noise stretches every range.
    const stretched = calibration.slice();
    for (let i = 0; i < picture; i++) stretched[i] = (i * 2654435761) & 128 ? 255 : 0;
    for (const pictures of [calibration, calibration.subarray(0, 3 * picture), stretched]) {
      const { ranges, means } = await calibrate(model, plan, pictures, SIZE);
      const cosines = new Map<string, number>();
      for (const method of CALIBRATION_METHODS) {
        const values = { ranges: ranges[method], means };
        const settings = { format: 'u8s8', reduceRange: false } as const;
        const candidate = { ...model, graph: quantiseGraph(model.graph!, plan, values, settings) };
        const found = await embed(encodeSealedModel(candidate), heldOut);
        cosines.set(method, agreement(found, reference, found.length / HELD_OUT).cosineMean);
      }
      const chosen = readCard(await quantiseModel(bytes, options({ calibration: pictures }))).quantisation!;
      expect(cosines.get('min-max')).not.toBe(cosines.get('percentile'));
      expect(chosen.heldOut.cosineMean).toBe(Math.max(...cosines.values()));
      expect(cosines.get(chosen.calibration.method)).toBe(chosen.heldOut.cosineMean);
    }
  });

  it('refuses a model that is int8 already', async () => {
    const int8 = await quantiseModel(bytes, options());
    const error = await refusal(quantiseModel(int8, options({ name: 'b.onnx' })));
    expect(error.code).toBe('NM_QUANTISATION_UNSUPPORTED');
    expect(error.message).toMatch(
      /^b\.onnx: found a model with integers already \('.*\.quantised'\), allowed: a float32/,
    );
  });

  it('refuses options and pictures that do not work', async () => {
    for (const change of [
      { maxLoss: -1 },
      { maxLoss: Number.NaN },
      { format: 's8s8', reduceRange: true },
      { format: 'u8u8' as 'u8s8' },
    ] as const) {
      expect((await refusal(quantiseModel(bytes, options(change)))).code).toBe('NM_OPTION_INVALID');
    }
    for (const change of [
      { calibration: new Uint8Array(0) },
      { calibration: calibration.subarray(1) },
      { heldOut: heldOut.subarray(0, picture) },
      { heldOut: heldOut.subarray(1) },
    ]) {
      expect((await refusal(quantiseModel(bytes, options(change)))).code).toBe('NM_SHAPE_MISMATCH');
    }
  });

  it('stops when it is told to, and reports progress', async () => {
    const abort = new AbortController();
    const seen: string[] = [];
    const onProgress = (done: number, count: number): void => {
      seen.push(`${done}/${count}`);
      if (done === 48) abort.abort(new Error('enough'));
    };
    await expect(quantiseModel(bytes, options({ signal: abort.signal, onProgress }))).rejects.toThrow('enough');
    expect(seen).toEqual(['32/96', '48/96']);
  });
});
