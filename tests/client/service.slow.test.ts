import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type ClientItem, createClient } from '../../src/client/index.js';
import { openStore } from '../../src/retrieve/index.js';
import { makeToken } from '../../src/serve/tokens.js';
import { chromiumPath, launchChromium } from '../chromium.js';
import { plainPng, quarters } from '../images/files.js';
import { DIM, type Served, serve, writeServedModel } from '../serve/served.js';

const token = makeToken('write');
let folder: string;
let server: Served;
let client: Client;
let fingerprint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-client-'));
  const [model, store] = [join(folder, 'model.onnx'), join(folder, 'store.db')];
  fingerprint = await writeServedModel(model);
  await (await openStore(store, { create: { fingerprint, dimension: DIM } })).close();
  server = await serve({ store, model, tokens: [token.line] });
  client = createClient({ url: server.url, token: token.token });
});

afterAll(async () => {
  server?.child.kill('SIGKILL');
  await server?.gone;
  await rm(folder, { recursive: true, force: true });
});

describe('the client and a service', () => {
  it('agree on everything that one can ask of the other', async () => {
    const [red, colours] = [await plainPng('#ff0000', 40), await quarters(48).jpeg().toBuffer()];
    const embeddings = await client.embed([red, new Blob([Uint8Array.from(colours)])]);
    expect(embeddings).toMatchObject({ fingerprint, dimension: DIM });
    expect(embeddings.vectors.map(({ length }) => length)).toEqual([DIM, DIM]);
    const [vector] = embeddings.vectors as [Float32Array];

    expect(await client.items.put('red ü/1.png', { picture: red })).toEqual({ id: 'red ü/1.png', added: true });
    expect(await client.items.put('red ü/1.png', { picture: red, metadata: { hue: 0 } })).toMatchObject({
      added: false,
    });
    expect(await client.items.get('red ü/1.png')).toEqual({ id: 'red ü/1.png', vector, metadata: { hue: 0 } });
    expect(await client.items.get('nobody')).toBeUndefined();
    expect(await client.items.put('mine', { vector, fingerprint })).toMatchObject({ added: true });
    await expect(client.items.put('mine', { vector, fingerprint: 'other' })).rejects.toMatchObject({
      name: 'ServiceError',
      code: 'NM_ENCODER_MISMATCH',
      status: 409,
      requestId: expect.any(String),
    });

    const filter = { op: 'eq', field: 'hue', value: 0 } as const;
    for (const query of [{ picture: red }, { vector }, { id: 'mine' }]) {
      expect((await client.search(query, { k: 1, fingerprint })).hits).toHaveLength(1);
      const { hits, exactChecks } = await client.search(query, { filter });
      expect(hits).toEqual([{ id: 'red ü/1.png', score: expect.closeTo(1, 5), metadata: { hue: 0 } }]);
      expect(exactChecks).toBeGreaterThan(0);
    }
    const { results } = await client.searchMany([{ picture: colours }, { vector }, { id: 'mine' }], { k: 2 });
    expect(results.map(({ hits }) => hits.length)).toEqual([2, 2, 2]);

    expect(await client.items.delete('mine')).toBe(true);
    expect(await client.items.delete('mine')).toBe(false);
    expect(await client.info()).toMatchObject({ items: 1, fingerprint, dimension: DIM });
    expect((await client.stats()).store.items).toBe(1);
    expect(await client.health()).toEqual({ status: 'ok' });
    expect(await client.ready()).toEqual({ status: 'ok' });
  });

  it('move many items, some of which are none', async () => {
    const picture = await plainPng('#00ff00');
    async function* items(): AsyncGenerator<ClientItem> {
      for (let i = 0; i < 1003; i++) {
        const vector = Float32Array.from({ length: i === 700 ? 3 : DIM }, (_, j) => Number(j === i % DIM));
        yield i % 100 === 0 && i !== 700 ? { id: `many ${i}`, picture } : { id: `many ${i}`, vector, metadata: { i } };
      }
    }
    const seen: number[] = [];
    const result = await client.items.bulk(items(), {
      batch: 400,
      onProgress: (progress) => seen.push(progress.items),
    });
    expect(result).toMatchObject({ items: 1003, added: 1002, updated: 0, failed: 1 });
    expect(result.errors).toEqual([{ position: 700, code: 'NM_SHAPE_MISMATCH', message: expect.any(String) }]);
    expect(seen).toEqual([400, 800, 1003]);
    expect((await client.info()).items).toBe(1003);
    const again = await client.items.bulk(items());
    expect(again).toMatchObject({ items: 1003, added: 0, updated: 1002, failed: 1 });
  });

  it('tell a client without a token that it needs one', async () => {
    const stranger = createClient({ url: server.url });
    await expect(stranger.stats()).rejects.toMatchObject({ code: 'NM_TOKEN_INVALID', status: 401 });
  });

  it.skipIf(!chromiumPath())('speak from a page too', async () => {
    // Nothing of Node is in it: the bundle would fail.
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'nearmiss',
      platform: 'browser',
      minify: true,
    });
    const code = outputFiles[0]!.text;
    expect(code.length).toBeLessThan(40_000);
    const browser = await launchChromium();
    try {
      // Only pages of the service may change anything; its own policy lets in no script of ours.
      const context = await browser.newContext({ bypassCSP: true });
      const page = await context.newPage();
      await page.goto(`${server.url}/healthz`);
      await page.addScriptTag({ content: code });
      const picture = [...(await plainPng('#0000ff', 20))];
      const found = await page.evaluate(
        async ({ url, token: secret, bytes }) => {
          const { createClient: create } = (
            globalThis as unknown as { nearmiss: { createClient: typeof createClient } }
          ).nearmiss;
          const own = create({ url, token: secret });
          const blue = new Blob([Uint8Array.from(bytes)]);
          const stored = await own.items.put('from a page', { picture: blue, metadata: { page: true } });
          const { hits } = await own.search({ picture: blue }, { k: 1, filter: { op: 'exists', field: 'page' } });
          const { vectors } = await own.embed([blue, blue]);
          const bulk = await own.items.bulk([{ id: 'from a page 2', picture: blue }]);
          const missing = await own.items.get('nobody');
          return { stored, id: hits[0]?.id, lengths: vectors.map(({ length }) => length), bulk, missing };
        },
        { url: server.url, token: token.token, bytes: picture },
      );
      expect(found).toEqual({
        stored: { id: 'from a page', added: true },
        id: 'from a page',
        lengths: [DIM, DIM],
        bulk: { items: 1, added: 1, updated: 0, failed: 0, errors: [] },
        missing: undefined,
      });
    } finally {
      await browser.close();
    }
  });
});
