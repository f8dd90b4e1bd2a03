import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeHits } from '../../src/device/local-index.js';
import { type OpenPage, openPage } from '../chromium.js';

// `npm run build` has run before.
const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';
let opened: OpenPage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-local-'));
  const outfile = join(folder, 'device.js');
  await build({
    stdin: { contents: "export * from './src/device/index.js';", resolveDir: root },
    globalName: 'nearmiss',
    outfile,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    logLevel: 'silent',
  });
  const files: Record<string, Uint8Array> = {
    '/device.js': await readFile(outfile),
    '/retrieval-plain.wasm': await readFile(join(root, 'dist/wasm/retrieval-plain.wasm')),
    '/retrieval-relaxed.wasm': await readFile(join(root, 'dist/wasm/retrieval-relaxed.wasm')),
  };
  opened = await openPage((name) => files[name]);
  await opened.page.addScriptTag({ url: 'device.js' });
});
afterAll(async () => {
  await opened?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Library {
  readonly nearmiss: typeof import('../../src/device/index.js');
}

/** What the page finds after it has opened the index with an encoder of a name that takes pictures of a size. */
function visit(
  encoder: string,
  size: number,
  titles: readonly string[] = [],
): Promise<{ count: number; unusable: number; found: [string, number][]; failure?: string | undefined }> {
  return opened.page.evaluate(
    async ([encoder, size, titles]) => {
      const { nearmiss } = globalThis as unknown as Library;
      const modules = { plain: 'retrieval-plain.wasm', relaxed: 'retrieval-relaxed.wasm' };
      const picture = (value: number): Uint8Array => new Uint8Array(size * size * 3).fill(value);
      // Its vectors tell encoders apart: the angle of a picture's first byte, turned by a right angle for `b`.
      const embed = async (pixels: Uint8Array): Promise<Float32Array> => {
        const angle = pixels[0]! / 100 + (encoder === 'b' ? Math.PI / 2 : 0);
        return Float32Array.of(Math.cos(angle), Math.sin(angle));
      };
      const index = await nearmiss.openLocalIndex({
        name: 'test',
        modules,
        encoder: { fingerprint: encoder, dim: 2, size, embed },
      });
      for (const [i, title] of titles.entries()) await index.add({ title, pixels: picture(40 * i) });
      const failure = await index.add({ title: 'wrong', pixels: new Uint8Array(7) }).catch((error) => error.code);
      const hits = index.search(await embed(picture(0)), 5);
      const found = hits.map(({ metadata, score }) => [metadata['title'], Math.round(score * 1000) / 1000]);
      const { count, unusable } = index;
      index.close();
      return { count, unusable, found: found as [string, number][], failure };
    },
    [encoder, size, titles] as const,
  );
}

describe('a local index', () => {
  it('survives, is embedded anew by another encoder, and is kept where that cannot be', async () => {
    const both = [
      ['first', 1],
      ['second', Math.round(1000 * Math.cos(0.4)) / 1000],
    ];
    const fresh = await visit('a', 4, ['first', 'second']);
    expect(fresh).toEqual({ count: 2, unusable: 0, found: both, failure: 'NM_SHAPE_MISMATCH' });
    expect(await visit('a', 4)).toMatchObject({ count: 2, found: both });
    expect(await visit('b', 4)).toMatchObject({ count: 2, unusable: 0, found: both });
    expect(await visit('c', 5)).toMatchObject({ count: 0, unusable: 2, found: [] });
    expect(await visit('a', 4)).toMatchObject({ count: 2, unusable: 0, found: both });
    expect(opened.errors).toEqual([]);
  });

  it('says so where the browser keeps nothing', async () => {
    const code = await opened.page.evaluate(async () => {
      const { nearmiss } = globalThis as unknown as Library;
      const modules = { plain: 'retrieval-plain.wasm', relaxed: 'retrieval-relaxed.wasm' };
      IDBFactory.prototype.open = () => {
        throw new DOMException('The operation is insecure.', 'SecurityError');
      };
      const encoder = { fingerprint: 'a', dim: 2, size: 4, embed: () => new Float32Array(2) };
      return nearmiss.openLocalIndex({ name: 'none', modules, encoder }).catch((error) => error.code);
    });
    expect(code).toBe('NM_STORE_INVALID');
  });
});

describe('hits of two indexes', () => {
  const hits = (...scores: number[]): { score: number; of: number[] }[] =>
    scores.map((score) => ({ score, of: scores }));

  it('are merged by score, equal ones in the order of the lists', () => {
    const [a, b] = [hits(0.9, 0.5, 0.1), hits(0.9, 0.6)];
    const merged = mergeHits([a, b], 'cosine', 4);
    expect(merged).toEqual([a[0], b[0], b[1], a[1]]);
    expect(merged[0]).toBe(a[0]);
    expect(mergeHits([hits(1, 3), hits(2)], 'l2', 9).map(({ score }) => score)).toEqual([1, 2, 3]);
  });
});
