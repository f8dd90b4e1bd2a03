import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { type DeviceIndex, readDeviceIndex } from '../../src/retrieve/device-index.js';
import { writeDeviceIndex } from '../../src/retrieve/device-index-writer.js';
import type { Store, StoredItem } from '../../src/retrieve/store.js';
import { openPage } from '../chromium.js';

// `npm run build` has run before.
const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-size-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Globals of the page. */
interface Opened {
  readonly nearmiss: typeof import('../../src/retrieve/browser.js');
  readonly bytes: ArrayBuffer;
  readonly index: DeviceIndex;
}

/** What a browser loads of a page beside encoder, index and pictures. */
async function compressed(): Promise<Record<string, number>> {
  const page = (await readdir(join(dist, 'device/page'))).filter((name) => !/\.(d\.ts|png)$/.test(name));
  // A browser loads the modules of one tier.
  const modules = ['retrieval-relaxed.wasm', 'device-relaxed.wasm'];
  const paths = [
    ...page.map((name) => join(dist, 'device/page', name)),
    ...modules.map((name) => join(dist, 'wasm', name)),
  ];
  const sizes = await Promise.all(
    paths.map(async (path) => [path.slice(dist.length), gzipSync(await readFile(path)).length]),
  );
  return Object.fromEntries(sizes) as Record<string, number>;
}

/** 100,000 random vectors of 128, as a store would page through them. */
function manyItems(count: number, dimension: number): Pick<Store, 'info' | 'items'> {
  const random = randomStream(71);
  let made = 0;
  return {
    info: { fingerprint: 'f', dimension, metric: 'cosine', schema: 1 },
    async items({ limit = 1000 } = {}) {
      const page: StoredItem[] = [];
      for (; page.length < limit && made < count; made++) {
        const vector = Float32Array.from({ length: dimension }, () => random.uniform() - 0.5);
        page.push({ id: `photos/${String(made).padStart(6, '0')}.jpg`, vector, metadata: {} });
      }
      return page;
    },
  };
}

describe('what a phone has to load', () => {
  it('is below 90 KB for page, engines, search and kernels', async () => {
    const sizes = await compressed();
    const total = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    process.stdout.write(`page and kernels, gzipped: ${(total / 1024).toFixed(1)} KB\n`);
    // These are what it is made of: a file that was renamed must not make the page look small.
    for (const name of ['app.js', 'worker.js', 'sw.js', 'index.html', 'style.css']) {
      expect(sizes[`device/page/${name}`], name).toBeGreaterThan(300);
    }
    expect(total).toBeLessThan(90 * 1024);
  });

  it('is below 20 MB for 100,000 vectors of 128 as int8, which Chromium opens in less than 300 ms', async () => {
    const [count, dimension] = [100_000, 128];
    const path = join(folder, 'many.nmi');
    const { items, bytes } = await writeDeviceIndex(manyItems(count, dimension) as Store, path, { vectors: 'int8' });
    expect([items, bytes]).toEqual([count, (await stat(path)).size]);
    expect(bytes).toBeLessThan(20e6);

    const bundle = join(folder, 'index.js');
    await build({
      stdin: { contents: "export * from './src/retrieve/browser.js';", resolveDir: join(dist, '..') },
      globalName: 'nearmiss',
      outfile: bundle,
      bundle: true,
      format: 'iife',
      platform: 'browser',
      logLevel: 'silent',
    });
    const files: Record<string, Uint8Array> = {
      '/index.js': await readFile(bundle),
      '/many.nmi': await readFile(path),
      '/retrieval-plain.wasm': await readFile(join(dist, 'wasm/retrieval-plain.wasm')),
      '/retrieval-relaxed.wasm': await readFile(join(dist, 'wasm/retrieval-relaxed.wasm')),
    };
    const query = Array.from({ length: dimension }, (_, j) => Math.sin(j + 1));
    const { page, errors, close } = await openPage((name) => files[name]);
    try {
      await page.addScriptTag({ url: 'index.js' });
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable');
      /** Milliseconds that the processor has spent on the page's thread: what other programs take is not in it. */
      const spent = async (): Promise<number> => {
        const { metrics } = await session.send('Performance.getMetrics');
        return 1000 * metrics.find(({ name }) => name === 'ThreadTime')!.value;
      };
      await page.evaluate(async () => {
        const bytes = await (await fetch('many.nmi')).arrayBuffer();
        Object.assign(globalThis, { bytes });
      });
      const before = await spent();
      const waited = await page.evaluate(async () => {
        const { nearmiss, bytes } = globalThis as unknown as Opened;
        const modules = { plain: 'retrieval-plain.wasm', relaxed: 'retrieval-relaxed.wasm' };
        const start = performance.now();
        Object.assign(globalThis, { index: await nearmiss.readDeviceIndex(bytes, { modules }) });
        return performance.now() - start;
      });
      const opening = (await spent()) - before;
      process.stdout.write(
        `index of ${(bytes / 1e6).toFixed(1)} MB opened with ${opening.toFixed(0)} ms of the processor, after ${waited.toFixed(0)} ms\n`,
      );
      expect(opening).toBeGreaterThan(10);
      expect(opening).toBeLessThan(300);
      const hits = await page.evaluate((query) => {
        const { index } = globalThis as unknown as Opened;
        return index.search(Float32Array.from(query), { k: 5 }).map(({ id, score }) => ({ id, score }));
      }, query);
      const index = await readDeviceIndex(await readFile(path));
      const expected = index.search(Float32Array.from(query), { k: 5 });
      expect(hits).toEqual(expected.map(({ id, score }) => ({ id, score })));
      expect(errors).toEqual([]);
    } finally {
      await close();
    }
  });
});
