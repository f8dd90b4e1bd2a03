import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePicture } from '../../src/images/index.js';
import { createEmbedder, type Embedder, encoderToOnnx } from '../../src/onnx/index.js';
import { type EmbeddingOptions, type EmbeddingService, startEmbedding } from '../../src/serve/embedding.js';
import { codeOf, pngClaiming } from '../images/files.js';
import { details, randomPictures, randomReadout, specimen } from '../onnx/specimen.js';

const SIZE = 32;
const DIM = 48;
const PICTURE = SIZE * SIZE * 3;

function modelOf(dim: number, size = SIZE, seed = 3): Uint8Array {
  const { graph, weights } = specimen('tiny-mobile', seed);
  return encoderToOnnx({ graph, weights, size, readout: randomReadout(graph, 1, dim), card: details });
}

const model = modelOf(DIM);
const pixels = randomPictures(96, SIZE);
/** Pictures of one colour, quickly made. */
const grey = (count: number): Uint8Array => new Uint8Array(count * PICTURE).fill(100);
const picture = (index: number): Uint8Array => pixels.subarray(index * PICTURE, (index + 1) * PICTURE);
const emoji = new URL('../../node_modules/emoji-datasource-google/img/google/64/', import.meta.url);
const pngs = readdirSync(emoji)
  .slice(0, 40)
  .map((name) => readFileSync(new URL(name, emoji)));

let plain: Embedder;
let service: EmbeddingService;
let expected: Float32Array;
beforeAll(async () => {
  plain = await createEmbedder(model);
  expected = await plain.embed(pixels);
  service = await startEmbedding({ model, workers: 1, decoders: 1 });
});
afterAll(async () => {
  await service.close();
  await plain.close();
});

/** Runs some work on a service and closes it. */
async function withService<T>(
  options: Partial<EmbeddingOptions>,
  work: (service: EmbeddingService) => Promise<T>,
): Promise<T> {
  const service = await startEmbedding({ model, workers: 1, decoders: 1, ...options });
  try {
    return await work(service);
  } finally {
    await service.close(0);
  }
}

function expectRow(embedding: Float32Array, index: number): void {
  expect(embedding.length).toBe(DIM);
  const row = expected.subarray(index * DIM, (index + 1) * DIM);
  expect(Buffer.compare(Buffer.from(embedding.buffer), Buffer.from(row.slice().buffer)), `picture ${index}`).toBe(0);
}

describe('batches', () => {
  it('sends a lonely request at once and alone', async () => {
    for (let index = 0; index < 5; index++) expectRow(await service.embedPixels(picture(index)), index);
    expect(service.stats()).toMatchObject({ batches: 5, embedded: 5, largestBatch: 1, requests: 0, bytes: 0 });
  });

  it('puts what arrives while the model runs in the next batch, with the bits of the plain embedder', async () => {
    const sizes: number[] = [];
    await withService({ maxBatch: 16, onBatch: (size) => sizes.push(size) }, async (service) => {
      const first = service.embedPixels(picture(0));
      // It is on its way when the others come.
      await new Promise((resolve) => setImmediate(resolve));
      const others = Array.from({ length: 95 }, (_, i) => service.embedPixels(picture(i + 1)));
      (await Promise.all([first, ...others])).forEach(expectRow);
    });
    expect(sizes[0]).toBe(1);
    expect(Math.max(...sizes)).toBe(16);
    expect(sizes.length).toBeLessThan(12);
  });

  it('answers a request of many pictures with rows in order', () =>
    withService({ workers: 2, maxBatch: 7 }, async (service) => {
      const embeddings = await service.embedPixels(pixels);
      for (let index = 0; index < 96; index++) expectRow(embeddings.slice(index * DIM, (index + 1) * DIM), index);
    }));

  it('lets single pictures pass by a request of many', async () => {
    const ended: string[] = [];
    const bulk = service.embedPixels(grey(600)).then(() => ended.push('bulk'));
    const single = service.embedPixels(picture(3)).then(() => ended.push('single'));
    await Promise.all([bulk, single]);
    expect(ended).toEqual(['single', 'bulk']);
  });

  it('answers nothing for no pictures, and refuses what is no picture', async () => {
    expect((await service.embedPixels(new Uint8Array())).length).toBe(0);
    expect((await service.embedPictures([])).length).toBe(0);
    expect(await codeOf(() => service.embedPixels(new Uint8Array(PICTURE + 1)))).toBe('NM_SHAPE_MISMATCH');
  });
});

describe('encoded pictures', () => {
  it('are embedded as training would see them, whatever their format', async () => {
    const photo = (): Sharp => sharp(pngs[7]!).resize(200, 120, { fit: 'fill' });
    const files = [
      ...pngs,
      await photo().jpeg().withMetadata({ orientation: 6 }).toBuffer(),
      await photo().webp().toBuffer(),
      await photo().avif().toBuffer(),
      await photo().gif().toBuffer(),
      await photo().png({ progressive: true }).toBuffer(),
    ];
    const embeddings = await service.embedPictures(files);
    const squares = await Promise.all(files.map((file) => decodePicture(file, { size: SIZE })));
    const wanted = await plain.embed(Buffer.concat(squares));
    expect(Buffer.compare(Buffer.from(embeddings.buffer), Buffer.from(wanted.buffer))).toBe(0);
  });

  it('are refused by index and reason, and the next request is answered', () =>
    withService({ maxPictureBytes: 20_000, maxPicturePixels: 100_000 }, async (service) => {
      const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
      const large = await sharp({ create: { width: 400, height: 300, channels: 3, background: 'red' } })
        .jpeg()
        .toBuffer();
      const cases: readonly (readonly [Uint8Array, RegExp])[] = [
        [svg, /SVG is not read/],
        [pngClaiming(60_000, 60_000), /60000x60000 pixels, allowed: 100000/],
        [large, /400x300 pixels, allowed: 100000/],
        [Buffer.alloc(20_001), /20001 bytes, allowed: 20000/],
        [pngs[0]!.subarray(0, -40), /cannot be decoded/],
        [Buffer.from('no picture'), /not a picture/],
        [Buffer.alloc(0), /empty file/],
      ];
      for (const [file, reason] of cases) {
        const refused = expect(service.embedPictures([pngs[0]!, file, pngs[1]!])).rejects;
        await refused.toMatchObject({ code: 'NM_PICTURE_INVALID', message: expect.stringMatching(/^pictures\[1\]: /) });
        await expect(service.embedPictures([file])).rejects.toMatchObject({ message: expect.stringMatching(reason) });
        expect((await service.embedPictures([pngs[0]!])).length).toBe(DIM);
      }
      expect(service.stats()).toMatchObject({ requests: 0, pictures: 0, bytes: 0, queued: 0, running: 0 });
    }));
});

describe('limits', () => {
  it('refuses at once what would be too much, and answers the next', () =>
    withService({ maxPictures: 20, maxBytes: 40 * PICTURE }, async (service) => {
      const taken = Array.from({ length: 20 }, (_, i) => service.embedPixels(picture(i)));
      await expect(service.embedPixels(picture(20))).rejects.toMatchObject({
        code: 'NM_OVERLOADED',
        status: 503,
        message: 'pictures in work: found 20 and 1 more, allowed: 20: too many requests at once',
      });
      expect(await codeOf(() => service.embedPictures([pngs[0]!]))).toBe('NM_OVERLOADED');
      (await Promise.all(taken)).forEach(expectRow);
      expectRow(await service.embedPixels(picture(20)), 20);
      expect(service.stats().shed).toBe(2);
      const file = new Uint8Array(30 * PICTURE);
      const held = service.embedPictures([file]);
      await expect(service.embedPictures([file])).rejects.toMatchObject({
        code: 'NM_OVERLOADED',
        message: expect.stringMatching(/^bytes in work: /),
      });
      expect(await codeOf(() => held)).toBe('NM_PICTURE_INVALID');
      // What would never be let in is refused for good.
      expect(await codeOf(() => service.embedPixels(pixels))).toBe('NM_REQUEST_TOO_LARGE');
      expect(await codeOf(() => service.embedPictures([new Uint8Array(41 * PICTURE)]))).toBe('NM_REQUEST_TOO_LARGE');
    }));

  it('drops what waits when its signal aborts, and answers the others', async () => {
    const before = service.stats().embedded;
    const stop = new AbortController();
    const reason = new Error('the client went away');
    const dropped = service.embedPixels(grey(500), stop.signal);
    const kept = service.embedPixels(picture(1));
    setImmediate(() => stop.abort(reason));
    await expect(dropped).rejects.toBe(reason);
    expect(service.stats().pictures).toBeLessThanOrEqual(1);
    expectRow(await kept, 1);
    expect(service.stats().embedded - before).toBeLessThan(100);
    await expect(service.embedPixels(picture(1), stop.signal)).rejects.toBe(reason);
  });

  it('ends requests that take too long', () =>
    withService({ timeout: 400, maxPictures: 100_000, maxBytes: 2 ** 30 }, async (service) => {
      const slow = service.embedPixels(grey(20_000));
      await expect(slow).rejects.toMatchObject({ code: 'NM_OVERLOADED', message: 'not embedded within 400 ms' });
      expect(service.stats()).toMatchObject({ timedOut: 1, requests: 0, queued: 0 });
      expectRow(await service.embedPixels(picture(2)), 2);
    }));

  it('refuses options that it does not know or that make no sense', async () => {
    expect(await codeOf(() => startEmbedding({ model, workers: 0 }))).toBe('NM_OPTION_INVALID');
    expect(await codeOf(() => startEmbedding({ model, maxBatch: 1.5 }))).toBe('NM_OPTION_INVALID');
    expect(await codeOf(() => startEmbedding({ model, wokers: 1 } as EmbeddingOptions))).toBe('NM_OPTION_UNKNOWN');
  });
});

describe('models', () => {
  it('are refused before anything runs on them', async () => {
    const damaged = model.slice();
    damaged[1000]! ^= 1;
    expect(await codeOf(() => startEmbedding({ model: damaged }))).toBe('NM_MODEL_CORRUPT');
    expect(await codeOf(() => startEmbedding({ model: '/nowhere.onnx' }))).toBe('NM_MODEL_MISSING');
    const reason = new Error('not that one');
    const refused = startEmbedding({
      model,
      accept: (card) => {
        if (card.dim === DIM) throw reason;
      },
    });
    await expect(refused).rejects.toBe(reason);
  });

  it('are replaced under load without dropping a request, also by one of another size', async () => {
    const other = modelOf(DIM + 16, 48, 9);
    const wide = await createEmbedder(other);
    await withService({}, async (service) => {
      const [before, after] = [service.fingerprint, wide.fingerprint];
      const counts = { [before]: 0, [after]: 0 };
      let done = false;
      const client = async (): Promise<void> => {
        while (!done) {
          // What is asked now is answered by this model, whatever happens meanwhile.
          const { fingerprint, size, dim } = service;
          const asPixels = await service.embedPixels(randomPictures(1, size, 7));
          expect(asPixels.length).toBe(dim);
          counts[fingerprint]! += 1;
          const now = service.fingerprint;
          const embedding = await service.embedPictures([pngs[3]!]);
          expect(embedding.length).toBe(now === before ? DIM : DIM + 16);
        }
      };
      const clients = Array.from({ length: 8 }, client);
      const busy = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));
      await busy();
      await service.reload(other);
      expect(service).toMatchObject({ fingerprint: after, size: 48, dim: DIM + 16 });
      await busy();
      done = true;
      await Promise.all(clients);
      expect(counts[before]).toBeGreaterThan(5);
      expect(counts[after]).toBeGreaterThan(5);
      const own = await decodePicture(pngs[3]!, { size: 48 });
      expect(await service.embedPictures([pngs[3]!])).toEqual(await wide.embed(own));
    });
    await wide.close();
  });

  it('stay when their replacement is refused', () =>
    withService(
      {
        accept: (card) => {
          if (card.dim !== DIM) throw new TypeError('another dimension');
        },
      },
      async (service) => {
        await expect(service.reload(modelOf(DIM + 1))).rejects.toThrow('another dimension');
        expect(await codeOf(() => service.reload('/nowhere.onnx'))).toBe('NM_MODEL_MISSING');
        expect(await codeOf(() => service.reload(model.subarray(0, 5000)))).toBe('NM_MODEL_CORRUPT');
        expectRow(await service.embedPixels(picture(4)), 4);
      },
    ));
});

describe('closing', () => {
  it('answers what was accepted and takes nothing more', async () => {
    const service = await startEmbedding({ model, workers: 1, decoders: 1 });
    const accepted = Array.from({ length: 64 }, (_, i) => service.embedPixels(picture(i)));
    const pictures = service.embedPictures(pngs);
    const closed = service.close();
    expect(service.ready).toBe(false);
    expect(await codeOf(() => service.embedPixels(picture(0)))).toBe('NM_SERVICE_CLOSING');
    expect(await codeOf(() => service.reload(model))).toBe('NM_SERVICE_CLOSING');
    (await Promise.all(accepted)).forEach(expectRow);
    expect((await pictures).length).toBe(pngs.length * DIM);
    await closed;
    await service.close();
  });

  it('ends what is not answered within the grace time', async () => {
    const service = await startEmbedding({ model, workers: 1, maxPictures: 100_000, maxBytes: 2 ** 30 });
    const slow = service.embedPixels(grey(20_000));
    const [code] = await Promise.all([codeOf(() => slow), service.close(20)]);
    expect(code).toBe('NM_SERVICE_CLOSING');
  });
});

/** The longest that the event loop is held up during some work, ms. */
async function longestDelay(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // The first turn is what later ones are compared with.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await work();
  // The delay is noted when the loop turns again.
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return delay.max / 1e6;
}

describe('under load', () => {
  it('leaves the event loop free while a long batch runs', () =>
    withService({ maxBatch: 256 }, async (service) => {
      const batch = grey(256);
      const direct = await createEmbedder(model, { batch: 256 });
      const [held, free]: [number[], number[]] = [[], []];
      for (let i = 0; i < 3; i++) {
        held.push(await longestDelay(() => direct.embed(batch)));
        free.push(await longestDelay(() => service.embedPixels(batch)));
      }
      await direct.close();
      expect(Math.min(...free)).toBeLessThan(Math.min(...held) / 2);
    }));

  it('holds its memory over thousands of requests', async () => {
    const round = async (requests: number): Promise<void> => {
      let next = 0;
      const client = async (): Promise<void> => {
        while (next < requests) {
          const index = next++ % pngs.length;
          await (index % 2 === 0 ? service.embedPixels(picture(index)) : service.embedPictures([pngs[index]!]));
        }
      };
      await Promise.all(Array.from({ length: 32 }, client));
    };
    await round(1500);
    const before = process.memoryUsage.rss();
    await round(6000);
    // The requests hold 27 MB of pixels and files; kept, they would show.
    expect((process.memoryUsage.rss() - before) / 1e6).toBeLessThan(20);
  });
});
