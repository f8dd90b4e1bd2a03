import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Browser } from 'playwright-core';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StaticServer, serveFolder } from '../../src/device/static-server.js';
import { decodePicture } from '../../src/images/decode.js';
import { createEmbedder, type Embedder } from '../../src/onnx/embedder.js';
import { openStore, type SqliteStore } from '../../src/retrieve/sqlite-store.js';
import type { Hits } from '../../src/retrieve/store.js';
import { launchChromium } from '../chromium.js';
import { askWorker, fileOf } from './browser.js';
import { bundleOf, type EmojiStore, emojiStore } from './site.js';

// `npm run build` has run before.
const K = 10;
/** Files of a kind. */
const EACH = 16;
let folder = '';
let emoji: EmojiStore;
let browser: Browser;
let store: SqliteStore;
let embedder: Embedder;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-answers-'));
  emoji = await emojiStore(folder, 24 + 4 * EACH);
  store = await openStore(emoji.store, { readOnly: true });
  embedder = await createEmbedder(emoji.model);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await embedder?.close();
  await store?.close();
  await rm(folder, { recursive: true, force: true });
});

/** What a bundle's page answers about files, in Chromium. */
async function deviceAnswers(site: string, files: readonly string[], k: number): ReturnType<typeof askWorker> {
  const server: StaticServer = await serveFolder(site, 0);
  const page = await browser.newPage();
  try {
    await page.goto(server.url);
    return await askWorker(page, await Promise.all(files.map(fileOf)), k);
  } finally {
    await page.close();
    await server.close();
  }
}

/** What Node answers: sharp, onnxruntime, the store. */
async function nodeAnswers(files: readonly string[], k: number): Promise<Hits[]> {
  const vectors: Float32Array[] = [];
  for (const file of files) {
    const pixels = await decodePicture(Buffer.from((await fileOf(file)).base64, 'base64'), { size: embedder.size });
    vectors.push(await embedder.embed(pixels));
  }
  return store.search(vectors, { k });
}

/** Writes pictures anew, by sharp. */
async function rewritten(
  files: readonly string[],
  ending: string,
  change: (picture: Sharp) => Sharp,
): Promise<string[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = join(folder, `${basename(file, '.png')}-${ending}`);
      await writeFile(path, await change(sharp(file)).toBuffer());
      return path;
    }),
  );
}

const white = { background: '#ffffff' } as const;

describe('answers in Chromium', () => {
  it.each(['own', 'ort'] as const)('are those of Node, ids and scores, with the engine %s', async (engine) => {
    const site = join(folder, `site-${engine}`);
    await bundleOf(emoji.store, site, { engine, thumbnails: 0 });
    // Without transparency both decode to the same pixels, so that only embedding and search are compared.
    const files = await rewritten(emoji.queries.slice(0, 24), 'opaque.png', (picture) => picture.flatten(white).png());
    const found = await deviceAnswers(site, files, K);
    const expected = await nodeAnswers(files, K);
    expect(found.map(({ hits }) => hits.map(({ id }) => id))).toEqual(expected.map((hits) => hits.map(({ id }) => id)));
    const differences = found.flatMap(({ hits }, i) =>
      hits.map(({ score }, n) => Math.abs(score - expected[i]![n]!.score)),
    );
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  });

  it('see nearly the pixels that Node sees, of every kind of file', async () => {
    // The index holds what Node sees of each file, so the page's score of it is the cosine between the two.
    const some = emoji.queries.slice(24, 24 + 4 * EACH);
    const kinds: readonly (readonly [string, (picture: Sharp) => Sharp])[] = [
      ['small.png', (picture) => picture.png()],
      [
        'photo.jpg',
        (picture) =>
          picture
            .flatten(white)
            .resize(900, 700, { fit: 'contain', ...white })
            .jpeg(),
      ],
      ['turned.jpg', (picture) => picture.flatten(white).resize(120).withMetadata({ orientation: 6 }).jpeg()],
      ['large.webp', (picture) => picture.resize(500).webp()],
    ];
    const files: string[] = [];
    for (const [i, [ending, change]] of kinds.entries()) {
      files.push(...(await rewritten(some.slice(EACH * i, EACH * (i + 1)), ending, change)));
    }
    const path = join(folder, 'seen.db');
    const { fingerprint, dim: dimension } = embedder;
    const seen = await openStore(path, { create: { fingerprint, dimension, modelPath: emoji.model } });
    for (const id of files) {
      const pixels = await decodePicture(Buffer.from((await fileOf(id)).base64, 'base64'), { size: embedder.size });
      await seen.upsert([{ id, vector: await embedder.embed(pixels) }]);
    }
    await seen.close();
    await bundleOf(path, join(folder, 'site-seen'), { thumbnails: 0 });
    const answers = await deviceAnswers(join(folder, 'site-seen'), files, files.length);
    const cosines = answers.map(({ hits }, i) => hits.find(({ id }) => id === files[i])!.score);
    const report = kinds.map(([kind], i) => {
      const sorted = cosines.slice(EACH * i, EACH * (i + 1)).sort((a, b) => a - b);
      return { kind, median: sorted[EACH >> 1]!, worst: sorted[0]! };
    });
    for (const { kind, median, worst } of report) {
      process.stdout.write(
        `canvas and sharp, ${kind}: median cosine ${median.toFixed(5)}, worst ${worst.toFixed(5)}\n`,
      );
    }
    for (const { kind, median, worst } of report) {
      expect(median, kind).toBeGreaterThan(0.99);
      expect(worst, kind).toBeGreaterThan(0.97);
    }
  });
});
