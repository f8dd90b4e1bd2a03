import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { CARD_KEY, readCard } from '../../src/onnx/card.js';
import { createEmbedder, type Embedder } from '../../src/onnx/embedder.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { decodeModel, encodeModel, type GraphProto, type ModelProto } from '../../src/onnx/model.js';
import { makeNode, makeTensorValueInfo } from '../../src/onnx/nodes.js';
import { encodeSealedModel, fingerprint } from '../../src/onnx/seal.js';
import { refusal } from './refusal.js';
import { details, randomPictures, randomReadout, specimen } from './specimen.js';

const { graph, weights } = specimen('tiny-mobile');
const readout = randomReadout(graph, 2, 32);
const bytes = encoderToOnnx({ graph, weights, size: 32, readout, card: details });
const picture = 32 * 32 * 3;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-embedder-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('createEmbedder', () => {
  const opened: Embedder[] = [];
  const open = async (...args: Parameters<typeof createEmbedder>): Promise<Embedder> => {
    const embedder = await createEmbedder(...args);
    opened.push(embedder);
    return embedder;
  };
  afterEach(async () => {
    for (const embedder of opened.splice(0)) await embedder.close();
  });

  it('says what the model is, from a file and from bytes', async () => {
    const path = join(folder, 'encoder.onnx');
    await writeFile(path, bytes);
    for (const source of [path, bytes]) {
      const embedder = await open(source);
      expect(embedder).toMatchObject({ dim: 32, size: 32, fingerprint: fingerprint(bytes), card: readCard(bytes) });
    }
  });

  it('gives the same rows in one batch, in small batches and one by one', async () => {
    const pixels = randomPictures(5, 32);
    const whole = await (await open(bytes)).embed(pixels);
    expect(whole).toHaveLength(5 * 32);
    const small = await open(bytes, { batch: 2 });
    expect(await small.embed(pixels)).toEqual(whole);
    for (let row = 0; row < 5; row++) {
      const one = await small.embed(pixels.subarray(row * picture, (row + 1) * picture));
      expect(one).toEqual(whole.slice(row * 32, (row + 1) * 32));
    }
    expect(new Set(whole).size).toBeGreaterThan(150);
  });

  it('reads pictures from memory that threads share', async () => {
    const pixels = randomPictures(3, 32);
    const shared = new Uint8Array(new SharedArrayBuffer(pixels.length));
    shared.set(pixels);
    const embedder = await open(bytes);
    expect(await embedder.embed(shared)).toEqual(await embedder.embed(pixels));
  });

  it('reads pictures that begin anywhere in a buffer', async () => {
    const embedder = await open(bytes);
    const pixels = randomPictures(2, 32);
    const shifted = new Uint8Array(pixels.length + 7);
    shifted.set(pixels, 7);
    expect(await embedder.embed(shifted.subarray(7))).toEqual(await embedder.embed(pixels));
  });

  it('gives rows of unit length, and none for no pictures', async () => {
    const embedder = await open(bytes, { threads: 2 });
    const found = await embedder.embed(randomPictures(2, 32));
    for (const row of [found.subarray(0, 32), found.subarray(32)]) expect(Math.hypot(...row)).toBeCloseTo(1, 6);
    expect(await embedder.embed(new Uint8Array(0))).toHaveLength(0);
  });

  it('answers calls in order, reports progress and can be stopped between batches', async () => {
    const embedder = await open(bytes, { batch: 2 });
    const pixels = randomPictures(5, 32);
    const seen: string[] = [];
    const controller = new AbortController();
    const onProgress = (done: number, count: number): void => void seen.push(`${done}/${count}`);
    const first = embedder.embed(pixels, { onProgress });
    const stopped = embedder.embed(pixels, {
      signal: controller.signal,
      onProgress: (done) => {
        seen.push(`stopped at ${done}`);
        controller.abort(new Error('enough'));
      },
    });
    const last = embedder.embed(pixels, { onProgress });
    await expect(stopped).rejects.toThrow('enough');
    expect(await last).toEqual(await first);
    expect(seen).toEqual(['2/5', '4/5', '5/5', 'stopped at 2', '2/5', '4/5', '5/5']);
  });

  it('answers running calls before it closes, and refuses later ones', async () => {
    const embedder = await open(bytes);
    const running = embedder.embed(randomPictures(1, 32));
    await embedder.close();
    await embedder.close();
    expect(await running).toHaveLength(32);
    await expect(embedder.embed(randomPictures(1, 32))).rejects.toThrow('the embedder is closed');
  });

  it('refuses part of a picture', async () => {
    const embedder = await open(bytes);
    expect(await refusal(embedder.embed(new Uint8Array(picture + 1)))).toMatchObject({
      code: 'NM_SHAPE_MISMATCH',
      message: 'pixels: found 3073 bytes, allowed: a multiple of 3072 (32 x 32 x 3)',
    });
  });

  it.each([{ threads: 0 }, { threads: 1.5 }, { batch: 0 }, { batch: Number.NaN }])('refuses %o', async (options) => {
    expect((await refusal(createEmbedder(bytes, options))).code).toBe('NM_OPTION_INVALID');
  });
});

describe('createEmbedder on files that are not what it needs', () => {
  const model = decodeModel(bytes);
  const variant = (change: Partial<GraphProto>): Uint8Array =>
    encodeSealedModel({ ...model, graph: { ...model.graph!, ...change } });

  it('says that a file is missing', async () => {
    const error = await refusal(createEmbedder(join(folder, 'none.onnx')));
    expect(error).toMatchObject({ code: 'NM_MODEL_MISSING' });
    expect(error.message).toContain('none.onnx');
  });

  it.each([
    ['empty', new Uint8Array(0)],
    ['truncated', bytes.subarray(0, bytes.length >> 1)],
    ['altered in one weight', bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte))],
    ['a text', new TextEncoder().encode('not a model at all, just some words')],
  ])('refuses a file that is %s', async (_, source) => {
    const path = join(folder, 'bad.onnx');
    await writeFile(path, source);
    const error = await refusal(createEmbedder(path));
    expect(error.code).toBe('NM_MODEL_CORRUPT');
    expect(error.message).toContain('bad.onnx');
  });

  it('refuses a graph that onnxruntime refuses', async () => {
    const node = model.graph!.node.map((one) => (one.opType === 'Relu' ? { ...one, opType: 'Rellu' } : one));
    expect(await refusal(createEmbedder(variant({ node })))).toMatchObject({ code: 'NM_MODEL_CORRUPT' });
  });

  it('refuses a model without a card, and one with a card it cannot read', async () => {
    const other: ModelProto = { ...model, metadataProps: [{ key: 'author', value: 'somebody' }] };
    const error = await refusal(createEmbedder(encodeSealedModel(other), { name: 'other.onnx' }));
    expect(error.code).toBe('NM_MODEL_CARD_MISSING');
    expect(error.message).toContain("other.onnx: found no model card: its metadata has the keys 'author'");
    const unread = { ...model, metadataProps: [{ key: CARD_KEY, value: '{"format":1}' }] };
    expect((await refusal(createEmbedder(encodeSealedModel(unread)))).code).toBe('NM_MODEL_CARD_INVALID');
  });

  it('tells a foreign model, which has neither card nor checksum, from a damaged one', async () => {
    const foreign = encodeModel({ ...model, metadataProps: [] });
    expect((await refusal(createEmbedder(foreign))).code).toBe('NM_MODEL_CARD_MISSING');
  });

  it('refuses a graph whose input or output is not what the card says', async () => {
    const cases: readonly [Partial<GraphProto>, RegExp][] = [
      [{ input: [makeTensorValueInfo('image', 2, [1, 32, 32, 3])] }, /input: found image uint8 \[1, 32, 32, 3\]/],
      [
        {
          node: [...model.graph!.node, makeNode('Identity', ['embedding'], 'other')],
          output: [makeTensorValueInfo('other', 1, ['batch', 32])],
        },
        /output: found other float32 \[batch, 32\]; allowed by its card: embedding float32 \[batch, 32\]/,
      ],
      [
        { output: [...model.graph!.output, makeTensorValueInfo('features', 1, ['batch', 864])] },
        /output: found embedding .*; features/,
      ],
    ];
    for (const [change, message] of cases) {
      const error = await refusal(createEmbedder(variant(change)));
      expect(error.code).toBe('NM_MODEL_MISMATCH');
      expect(error.message).toMatch(message);
    }
    const card = JSON.stringify({ ...readCard(bytes), dim: 64 });
    const lying = encodeSealedModel({ ...model, metadataProps: [{ key: CARD_KEY, value: card }] });
    expect((await refusal(createEmbedder(lying))).code).toBe('NM_MODEL_MISMATCH');
  });

  it('says what to install when onnxruntime-node is not there', async () => {
    vi.doMock('onnxruntime-node', () => {
      throw new Error("Cannot find package 'onnxruntime-node'");
    });
    try {
      const error = await refusal(createEmbedder(bytes));
      expect(error.code).toBe('NM_ONNXRUNTIME_MISSING');
      expect(error.hint).toContain('npm install onnxruntime-node');
    } finally {
      vi.doUnmock('onnxruntime-node');
    }
  });
});
