import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePicture } from '../../src/images/decode.js';
import { createEmbedder } from '../../src/onnx/index.js';
import { openStore } from '../../src/retrieve/index.js';
import { createServer, makeToken, type NearmissServer } from '../../src/serve/index.js';
import { launchChromium } from '../chromium.js';
import { DIM, SIZE, writeServedModel } from './served.js';
import { temporaryFolder } from './stores.js';

const EMOJI = 'node_modules/emoji-datasource-google/img/google/64';
const NAMES = ['1f600.png', '1f436.png', '1f697.png', '1f34e.png'];
const reader = makeToken('read');

let remove: () => Promise<void>;
let server: NearmissServer;
let browser: Browser;

beforeAll(async () => {
  const temporary = await temporaryFolder();
  remove = temporary.remove;
  const [model, path] = [join(temporary.folder, 'model.onnx'), join(temporary.folder, 'store.db')];
  const fingerprint = await writeServedModel(model);
  const embedder = await createEmbedder(model);
  const store = await openStore(path, { create: { fingerprint, dimension: DIM } });
  for (const id of NAMES) {
    const vector = await embedder.embed(await decodePicture(await readFile(join(EMOJI, id)), { size: SIZE }));
    await store.upsert([{ id, vector }]);
  }
  await embedder.close();
  await store.close();
  server = await createServer({
    store: path,
    model,
    port: 0,
    title: 'Emoji at the edge',
    pictures: EMOJI,
    tokens: [reader.line],
    embedding: { workers: 1, decoders: 1 },
  });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop({ grace: 500 });
  await remove();
});

describe('in a browser', () => {
  it('the page asks for the token as a password, then finds a dropped picture and shows thumbnails', async () => {
    const refused = await (await browser.newContext()).newPage();
    // It asks for a name and a password, and nobody answers.
    await expect(refused.goto(server.url)).rejects.toThrow('ERR_INVALID_AUTH_CREDENTIALS');
    const context = await browser.newContext({ httpCredentials: { username: 'me', password: reader.token } });
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.goto(server.url);
    await page.waitForFunction((title) => document.title.includes(title), 'Emoji at the edge');
    await page.setInputFiles('input[type=file]', join(EMOJI, NAMES[2]!));
    const picture = page.locator(`img[src*="${NAMES[2]}/thumbnail"]`).first();
    await picture.waitFor({ timeout: 20_000 });
    await expect
      .poll(() => picture.evaluate((image) => (image as HTMLImageElement).naturalWidth), { timeout: 10_000 })
      .toBeGreaterThan(0);
    expect(errors).toEqual([]);
    await context.close();
  });

  it('the reader shows the routes and breaks no policy', async () => {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.goto(`${server.url}/docs`);
    await page.getByText('/v1/search', { exact: false }).first().waitFor({ timeout: 20_000 });
    expect(await page.locator('.opblock').count()).toBeGreaterThan(10);
    expect(errors).toEqual([]);
    await page.close();
  });
});
