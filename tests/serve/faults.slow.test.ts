import { readFileSync } from 'node:fs';
import { setEnvironmentData } from 'node:worker_threads';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEmbedder, encoderToOnnx } from '../../src/onnx/index.js';
import { type EmbeddingOptions, type EmbeddingService, startEmbedding } from '../../src/serve/embedding.js';
import { codeOf } from '../images/files.js';
import { details, randomPictures, randomReadout, specimen } from '../onnx/specimen.js';

const SIZE = 32;
const DIM = 48;
const PICTURE = SIZE * SIZE * 3;
const { graph, weights } = specimen('tiny-mobile');
const model = encoderToOnnx({ graph, weights, size: SIZE, readout: randomReadout(graph, 1, DIM), card: details });

/** How often threads are to end, hang and not start, and how often they were started (faulty-thread.mjs). */
const counters = new Int32Array(new SharedArrayBuffer(16));
const [EXITS, HANGS, FAILED_STARTS, STARTS] = [0, 1, 2, 3];
/** First bytes of a picture, or last bytes of a file, over which the faults happen. */
const marker = [255, 0, 255, 1, 254];
setEnvironmentData('nearmiss-faults', { counters, marker });

const faulty = new URL('faulty-thread.mjs', import.meta.url);
const pixels = randomPictures(40, SIZE);
const picture = (index: number): Uint8Array => pixels.slice(index * PICTURE, (index + 1) * PICTURE);
const poison = picture(39);
poison.set(marker);
const png = readFileSync(
  new URL('../../node_modules/emoji-datasource-google/img/google/64/1f600.png', import.meta.url),
);
const poisonPng = Buffer.concat([png, Buffer.from(marker)]);

let expected: Float32Array;
let expectedPoison: Float32Array;
beforeAll(async () => {
  const embedder = await createEmbedder(model);
  expected = await embedder.embed(pixels);
  expectedPoison = await embedder.embed(poison);
  await embedder.close();
});

let service: EmbeddingService | undefined;
afterEach(async () => {
  counters.fill(0);
  await service?.close(0);
  service = undefined;
});

async function start(options: Partial<EmbeddingOptions> = {}): Promise<EmbeddingService> {
  const threadFiles = { embed: faulty, decode: faulty };
  service = await startEmbedding({ model, workers: 1, decoders: 1, threadFiles, ...options });
  return service;
}

function same(embedding: Float32Array, wanted: Float32Array): boolean {
  return Buffer.compare(Buffer.from(embedding.slice().buffer), Buffer.from(wanted.slice().buffer)) === 0;
}
const row = (index: number): Float32Array => expected.subarray(index * DIM, (index + 1) * DIM);

/** Pictures 0 … 29 asked one by one, with `wish` among them. */
async function among(wish: Promise<Float32Array>, embedding: EmbeddingService): Promise<boolean[]> {
  const others = Array.from({ length: 30 }, (_, i) => embedding.embedPixels(picture(i)));
  const [rows] = await Promise.all([Promise.all(others), wish.catch(() => undefined)]);
  return rows.map((found, index) => same(found, row(index)));
}

describe('a thread that ends in the middle of a batch', () => {
  it('is replaced, and all its requests are answered by the next', async () => {
    const restarts: [string, string][] = [];
    const embedding = await start({ onRestart: (thread, { message }) => restarts.push([thread, message]) });
    counters[EXITS] = 1;
    const wish = embedding.embedPixels(poison);
    expect(await among(wish, embedding)).not.toContain(false);
    expect(same(await wish, expectedPoison)).toBe(true);
    expect(restarts).toEqual([['embedding', 'ended with code 7']]);
    expect(embedding.stats()).toMatchObject({
      ready: true,
      requests: 0,
      queued: 0,
      running: 0,
      embedding: { restarts: 1 },
    });
  });

  it('and again over the same picture: that one is refused, those beside it are answered', async () => {
    const embedding = await start();
    counters[EXITS] = 2;
    const wish = embedding.embedPixels(poison);
    expect(await among(wish, embedding)).not.toContain(false);
    await expect(wish).rejects.toMatchObject({
      code: 'NM_EMBEDDING_UNAVAILABLE',
      status: 503,
      message: 'the threads of the encoder ended twice (ended with code 7)',
    });
    expect(embedding.stats()).toMatchObject({ requests: 0, embedding: { restarts: 2 } });
    expect(same(await embedding.embedPixels(poison), expectedPoison)).toBe(true);
  });

  it('leaves the other threads at work', async () => {
    const embedding = await start({ workers: 2 });
    counters[EXITS] = 1;
    expect(await among(embedding.embedPixels(poison), embedding)).not.toContain(false);
    expect(embedding.stats().embedding).toMatchObject({ threads: 2, restarts: 1 });
  });

  it('while it decodes: the picture is decoded by the next, or refused', async () => {
    const embedding = await start();
    counters[EXITS] = 1;
    const wanted = await embedding.embedPictures([png]);
    const both = await embedding.embedPictures([poisonPng, png]);
    expect(same(both.subarray(0, DIM), wanted) && same(both.subarray(DIM), wanted)).toBe(true);
    counters[EXITS] = 2;
    const wish = embedding.embedPictures([poisonPng]);
    const beside = Array.from({ length: 8 }, () => embedding.embedPictures([png]));
    expect(await codeOf(() => wish)).toBe('NM_EMBEDDING_UNAVAILABLE');
    for (const found of await Promise.all(beside)) expect(same(found, wanted)).toBe(true);
    expect(embedding.stats().decoding).toMatchObject({ threads: 1, restarts: 3 });
  });
});

describe('a thread that hangs', () => {
  it('is replaced, and its requests are answered by the next', async () => {
    const embedding = await start({ hungAfter: 2000 });
    counters[HANGS] = 1;
    const wish = embedding.embedPixels(poison);
    expect(await among(wish, embedding)).not.toContain(false);
    expect(same(await wish, expectedPoison)).toBe(true);
    expect(embedding.stats().embedding).toMatchObject({ restarts: 1 });
  });

  it('does not keep the service from closing', async () => {
    const embedding = await start();
    counters[HANGS] = 1;
    const wish = codeOf(() => embedding.embedPixels(poison));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const begun = performance.now();
    await embedding.close(100);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await wish).toBe('NM_SERVICE_CLOSING');
  });
});

describe('threads that do not start', () => {
  it('refuse the service at its start', async () => {
    counters[FAILED_STARTS] = 1;
    await expect(start()).rejects.toThrow('does not start');
  });

  it('are tried ever more slowly, requests are refused meanwhile and answered afterwards', async () => {
    const embedding = await start();
    counters[STARTS] = 0;
    counters[FAILED_STARTS] = 4;
    counters[EXITS] = 1;
    const begun = performance.now();
    await expect(embedding.embedPixels(poison)).rejects.toMatchObject({ code: 'NM_EMBEDDING_UNAVAILABLE' });
    expect(embedding.ready).toBe(false);
    await expect(embedding.embedPixels(picture(0))).rejects.toMatchObject({
      code: 'NM_EMBEDDING_UNAVAILABLE',
      message: 'the threads of the encoder do not start',
    });
    while (!embedding.ready) await new Promise((resolve) => setTimeout(resolve, 20));
    // Tried again after 0, 100, 200, 400 and 800 ms.
    expect(performance.now() - begun).toBeGreaterThan(1400);
    expect(counters[STARTS]).toBe(5);
    expect(same(await embedding.embedPixels(picture(0)), row(0))).toBe(true);
  });
});
