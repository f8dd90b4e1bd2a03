import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StaticServer, serveFolder } from '../../src/device/static-server.js';
import { Thumbnails } from '../../src/device/thumbnails.js';
import { readDeviceIndex } from '../../src/retrieve/device-index.js';
import { openStore } from '../../src/retrieve/sqlite-store.js';
import { writeOtherModel } from '../cli/fixtures.js';
import { MAIN, nearmiss } from '../cli/nearmiss.js';
import { code } from '../retrieve/store.case.js';
import { bundleOf, configOf, type EmojiStore, emojiStore } from './site.js';

// `npm run build` has run before.
let folder = '';
let emoji: EmojiStore;
let server: StaticServer;
const at = (...parts: string[]): string => join(folder, ...parts);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-bundle-'));
  emoji = await emojiStore(folder, 24);
});
afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

const leftovers = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.includes('.tmp'));

describe('nearmiss bundle', () => {
  it('writes all that a page needs, with a thumbnail an item, and nothing of this machine', async () => {
    const { code, stdout } = await nearmiss(['bundle', emoji.store, '--out', at('site'), '--title', 'Emoji', '--json']);
    expect(code).toBe(0);
    const { bundle, items, pictures, files, bytes, version } = JSON.parse(stdout) as Record<string, number | string>;
    expect({ bundle, items, pictures }).toEqual({ bundle: at('site'), items: 24, pictures: 24 });
    expect(await configOf(at('site'))).toMatchObject({ backend: 'device', engine: 'own', title: 'Emoji', version });
    const names = (await readdir(at('site'))).sort();
    expect(names).toHaveLength(files as number);
    let total = 0;
    for (const name of names) {
      const content = await readFile(at('site', name));
      total += content.length;
      expect(content.includes(folder), name).toBe(false);
    }
    expect(bytes).toBe(total);
    const index = await readDeviceIndex(await readFile(at('site/index.nmi')));
    const thumbnails = new Thumbnails(await readFile(at('site/thumbnails.nmt')), (name) => readFile(at('site', name)));
    expect([index.count, thumbnails.count]).toEqual([24, 24]);
    for (const row of [0, 11, 23]) {
      expect(index.row(index.id(row))).toBe(row);
      const shown = await sharp((await thumbnails.get(row))!)
        .resize(8, 8)
        .raw()
        .toBuffer();
      const picture = join(emoji.pictures, index.id(row));
      const own = await sharp(picture).flatten({ background: '#fff' }).resize(8, 8).raw().toBuffer();
      expect(shown.reduce((sum, value, i) => sum + Math.abs(value - own[i]!), 0) / own.length).toBeLessThan(8);
    }
    expect(await leftovers()).toEqual([]);
  });

  it('gives the service worker the hash of every file', async () => {
    const script = await readFile(at('site/sw.js'), 'utf8');
    const { files } = JSON.parse(/^self\.nearmissBundle = (.*);$/m.exec(script)![1]!) as {
      files: { path: string; integrity: string }[];
    };
    const names = (await readdir(at('site'))).filter((name) => name !== 'sw.js');
    expect(files.map(({ path }) => (path === './' ? 'index.html' : path)).sort()).toEqual(names.sort());
    for (const { path, integrity } of files) {
      const content = await readFile(at('site', path === './' ? 'index.html' : path));
      const hash = Buffer.from(await crypto.subtle.digest('SHA-256', content)).toString('base64');
      expect(integrity, path).toBe(`sha256-${hash}`);
    }
  });

  it('replaces an earlier bundle, and nothing else', async () => {
    const version = async (): Promise<unknown> => (await configOf(at('site')))['version'];
    const before = await version();
    await bundleOf(emoji.store, at('site'), { title: 'Again', vectors: 'int8' });
    expect(await version()).not.toBe(before);
    await mkdir(at('photos'));
    await writeFile(at('photos/dear.txt'), 'dear');
    await expect(bundleOf(emoji.store, at('photos'))).rejects.toThrow(code('NM_BUNDLE_EXISTS'));
    expect(await readdir(at('photos'))).toEqual(['dear.txt']);
    await mkdir(at('empty'));
    await bundleOf(emoji.store, at('empty'), { thumbnails: 0 });
    expect(await leftovers()).toEqual([]);
  });

  it('refuses the model of another encoder, a missing one, and thumbnails of no size; nothing is left behind', async () => {
    const other = await writeOtherModel(folder, emoji.pictures);
    const refused = (options: object): Promise<unknown> => bundleOf(emoji.store, at('none'), options);
    await expect(refused({ model: other })).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
    await expect(refused({ model: at('none.onnx') })).rejects.toThrow(code('NM_MODEL_MISSING'));
    await expect(refused({ thumbnails: 513 })).rejects.toThrow(code('NM_OPTION_INVALID'));
    await expect(refused({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const { code: exit, stderr } = await nearmiss(['bundle', emoji.store, '--out', at('none'), '--model', other]);
    expect([exit, stderr]).toEqual([1, expect.stringContaining('NM_ENCODER_MISMATCH')]);
    expect(await leftovers()).toEqual([]);
    expect(await readdir(folder)).not.toContain('none');
  });

  it('says where pictures have gone, and takes them from where they are now', async () => {
    await rename(emoji.pictures, at('moved'));
    try {
      const { code: exit, stderr } = await nearmiss(['bundle', emoji.store, '--out', at('moved-site')]);
      expect([exit, stderr]).toEqual([1, expect.stringMatching(/NM_SOURCE_MISSING: .*\n.*--pictures/)]);
      const { pictures } = await bundleOf(emoji.store, at('moved-site'), { pictures: at('moved') });
      expect(pictures).toBe(24);
      const [gone] = await readdir(at('moved'));
      await writeFile(at('moved', gone!), 'no picture any more');
      const { stderr: said } = await nearmiss([
        'bundle',
        emoji.store,
        '--out',
        at('moved-site'),
        '--pictures',
        at('moved'),
      ]);
      expect(said).toContain('1 of 24 items have no picture any more, or never had one');
      await copyFile(join(emoji.queries[0]!), at('moved', gone!));
    } finally {
      await rename(at('moved'), emoji.pictures);
    }
  });

  it('bundles items that were never pictures', async () => {
    const path = at('vectors.db');
    const store = await openStore(emoji.store, { readOnly: true });
    const { fingerprint, dimension, modelPath } = store.info;
    const [first] = await store.items({ limit: 1 });
    await store.close();
    const imported = await openStore(path, { create: { fingerprint, dimension, modelPath: modelPath! } });
    await imported.upsert([{ id: 'a', vector: first!.vector, metadata: { title: 'Ä' } }]);
    await imported.close();
    expect(await bundleOf(path, at('vectors-site'))).toMatchObject({ items: 1, pictures: 0 });
    const thumbnails = new Thumbnails(await readFile(at('vectors-site/thumbnails.nmt')), () => Promise.reject());
    expect(await thumbnails.get(0)).toBeUndefined();
  });
});

describe('nearmiss open', () => {
  it('serves a bundle on this machine until Ctrl-C', async () => {
    const child = spawn(process.execPath, [MAIN, 'open', at('site'), '--port', '0', '--json']);
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    const ended = once(child, 'close');
    const url = await new Promise<string>((resolve) => {
      let said = '';
      child.stderr.on('data', (text) => {
        said += text;
        const found = /http:\/\/localhost:\d+\//.exec(said);
        if (found) resolve(found[0]);
      });
    });
    expect(await (await fetch(url)).text()).toContain('<title>nearmiss</title>');
    child.kill('SIGINT');
    expect((await ended)[0]).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ bundle: at('site'), url });
    await expect(fetch(url)).rejects.toThrow();
  });

  it('refuses a folder that is no bundle, and a port that is taken', async () => {
    const { code: exit, stderr } = await nearmiss(['open', emoji.pictures]);
    expect([exit, stderr]).toEqual([1, expect.stringContaining('found no bundle there')]);
    server = await serveFolder(at('site'), 0);
    await expect(serveFolder(at('site'), Number(new URL(server.url).port))).rejects.toThrow(code('NM_OPTION_INVALID'));
  });

  it('answers with types, by ranges, and by ETag', async () => {
    const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(new URL(path, server.url), { headers });
    const types = { '': 'text/html', 'app.js': 'text/javascript', 'device-plain.wasm': 'application/wasm' };
    for (const [path, type] of Object.entries(types)) {
      expect((await get(path)).headers.get('content-type'), path).toContain(type);
    }
    const whole = new Uint8Array(await (await get('index.nmi')).arrayBuffer());
    const ranges: [string, number, Uint8Array][] = [
      ['bytes=8-11', 206, whole.subarray(8, 12)],
      ['bytes=-5', 206, whole.subarray(-5)],
      [`bytes=${whole.length - 3}-`, 206, whole.subarray(-3)],
      ['bytes=10-5', 200, whole],
      ['bytes=0-1,4-5', 200, whole],
      [`bytes=${whole.length}-`, 416, new Uint8Array(0)],
    ];
    for (const [range, status, expected] of ranges) {
      const answer = await get('index.nmi', { range });
      expect(answer.status, range).toBe(status);
      expect(Buffer.compare(new Uint8Array(await answer.arrayBuffer()), expected), range).toBe(0);
    }
    const etag = (await get('app.js')).headers.get('etag')!;
    expect((await get('app.js', { 'if-none-match': etag })).status).toBe(304);
  });

  it('answers nothing outside of its folder', async () => {
    for (const path of [`..%2f${basename(emoji.model)}`, '%2e%2e/model.onnx', 'none', 'ort/', '%00', '%']) {
      expect((await fetch(`${server.url}${path}`)).status, path).toBe(404);
    }
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
  });
});
