import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fixtures, writeFixtures, writeOtherModel } from './fixtures.js';
import { fail, nearmiss, succeed } from './nearmiss.js';

let folder = '';
let fixtures: Fixtures;
let store = '';
/** Files that are named as pictures and are none. */
let broken = '';
let picture = '';
let emptyFolder = '';
const at = (...path: string[]): string => join(folder, ...path);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-failures-'));
  fixtures = await writeFixtures(folder);
  picture = join(fixtures.pictures, '000.png');
  broken = at('broken');
  await mkdir(broken);
  await writeFile(join(broken, 'text.png'), 'this is text');
  await writeFile(join(broken, 'nothing.jpg'), '');
  await writeFile(join(broken, 'cut.png'), (await readFile(picture)).subarray(0, 60));
  emptyFolder = at('empty');
  await mkdir(emptyFolder);
  store = at('store.db');
  await succeed(['index', fixtures.model, fixtures.pictures, '--out', store]);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(fixtures.pictures, { recursive: true });
});

describe('train', () => {
  it('names a source that is missing or of no known kind', async () => {
    const missing = await fail(1, ['train', at('nowhere'), '--out', at('run')]);
    expect(missing.code).toBe('NM_SOURCE_MISSING');
    expect(missing.message).toContain(at('nowhere'));
    const text = await fail(1, ['train', join(broken, 'text.png'), '--out', at('run')]);
    expect(text.code).toBe('NM_SOURCE_INVALID');
    expect(text.message).toMatch(/text\.png: found a file, allowed: .*\.zip/);
  });

  it('names each broken file and why, and refuses a source without a usable picture', async () => {
    const { code, message } = await fail(1, ['train', broken, '--out', at('run')]);
    expect(code).toBe('NM_SOURCE_EMPTY');
    expect(message).toMatch(/found no usable picture; 3 skipped, the first: cut\.png: /);
    expect((await fail(1, ['train', emptyFolder, '--out', at('run')])).code).toBe('NM_SOURCE_EMPTY');
  });

  it('refuses fewer pictures than two batches, and names what it skipped', async () => {
    const mixed = at('mixed');
    await cp(fixtures.pictures, mixed, { recursive: true });
    await cp(broken, mixed, { recursive: true });
    const { code, message, stderr } = await fail(1, ['train', mixed, '--out', at('run'), '--batch', '16']);
    expect(code).toBe('NM_DATA_TOO_SMALL');
    expect(message).toBe('found 24 usable pictures (3 files were skipped), allowed: at least two batches, 32');
    for (const name of ['text.png', 'nothing.jpg', 'cut.png']) expect(stderr).toContain(`skipped ${name}: `);
  });

  it('leaves no run behind when it fails before training', () => {
    expect(existsSync(at('run'))).toBe(false);
  });

  it('refuses pairs that have no name in common', async () => {
    const other = at('renamed');
    await mkdir(other);
    await cp(picture, join(other, 'shop.png'));
    const { code, message } = await fail(1, ['train', '--pair', fixtures.pictures, other, '--out', at('run')]);
    expect(code).toBe('NM_PAIRS_EMPTY');
    expect(message).toContain('shop.png');
  });

  it('does not write over a run', async () => {
    const before = await readFile(join(fixtures.finished, 'settings.json'));
    const { code, hint } = await fail(1, ['train', fixtures.pictures, '--out', fixtures.finished, '--batch', '8']);
    expect(code).toBe('NM_RUN_EXISTS');
    expect(hint).toContain('--resume');
    expect(before.equals(await readFile(join(fixtures.finished, 'settings.json')))).toBe(true);
  });

  it('names a folder that cannot be made', async () => {
    const out = join(picture, 'run');
    const { code, message } = await fail(1, ['train', fixtures.pictures, '--out', out, '--batch', '8']);
    expect(code).toBe('NM_FILE_FAILED');
    expect(message).toContain(out);
  });

  it('does not resume what is no run, or a run whose files are damaged', async () => {
    expect((await fail(1, ['train', '--resume', '--out', at('nowhere')])).code).toBe('NM_RUN_MISSING');
    const damaged = at('damaged');
    await cp(fixtures.unfinished, damaged, { recursive: true });
    const checkpoint = join(damaged, 'checkpoint.safetensors');
    await writeFile(checkpoint, (await readFile(checkpoint)).subarray(0, 5000));
    const { code, message } = await fail(1, ['train', '--resume', '--out', damaged]);
    expect(code).toBe('NM_CHECKPOINT_CORRUPT');
    expect(message).toContain(checkpoint);
    await writeFile(join(damaged, 'settings.json'), '{"data":');
    expect((await fail(2, ['train', '--resume', '--out', damaged])).message).toContain('settings.json');
  });
});

describe('export, report and eval of a run', () => {
  it.each([
    ['export', () => ['--out', at('m.onnx')]],
    ['report', () => ['--out', at('report.html')]],
    ['eval', () => ['--data', fixtures.pictures]],
  ] as const)('%s refuses an unfinished run and says how to go on, and a folder without a run', async (name, more) => {
    const unfinished = await fail(1, [name, fixtures.unfinished, ...more()]);
    expect(unfinished.code).toBe('NM_RUN_UNFINISHED');
    expect(unfinished.message).toBe(`${fixtures.unfinished}: found a run at step 3 of 8`);
    expect(unfinished.hint).toContain(`nearmiss train --out ${fixtures.unfinished} --resume`);
    expect((await fail(1, [name, emptyFolder, ...more()])).code).toBe('NM_RUN_MISSING');
    expect(existsSync(at('m.onnx')) || existsSync(at('report.html'))).toBe(false);
  });

  it('names the pictures of a run that have gone', async () => {
    const moved = `${fixtures.pictures}-moved`;
    await rename(fixtures.pictures, moved);
    try {
      const { code, message } = await fail(1, ['export', fixtures.finished, '--out', at('m.onnx')]);
      expect(code).toBe('NM_SOURCE_MISSING');
      expect(message).toContain(fixtures.pictures);
    } finally {
      await rename(moved, fixtures.pictures);
    }
  });

  it('export names a folder that is not there to write into', async () => {
    const model = at('nowhere', 'm.onnx');
    const exported = await fail(2, ['export', fixtures.finished, '--out', model]);
    expect(exported.code).toBe('NM_OPTION_INVALID');
    expect(exported.message).toContain(`out: ${model} cannot be written: ENOENT`);
  });

  it('eval needs classes or a gallery', async () => {
    const { code, message } = await fail(2, ['eval', fixtures.model, '--data', fixtures.pictures]);
    expect(code).toBe('NM_OPTION_INVALID');
    expect(message).toContain('allowed: one folder a class, --labels, or --gallery');
    const both = await fail(2, ['eval', fixtures.model, '--data', 'emoji', '--gallery', fixtures.pictures]);
    expect(both.message).toContain('--gallery: found with --data emoji');
  });
});

describe('models', () => {
  const uses = (model: string): readonly (readonly string[])[] => [
    ['eval', model, '--data', fixtures.pictures],
    ['index', model, fixtures.pictures, '--out', at('new.db')],
    ['search', store, picture, '--model', model],
  ];

  it('that are missing, cut short, altered or of another kind are refused by every command', async () => {
    const bytes = await readFile(fixtures.model);
    const wrong: Record<string, [Uint8Array | string | undefined, string]> = {
      'none.onnx': [undefined, 'NM_MODEL_MISSING'],
      'cut.onnx': [bytes.subarray(0, bytes.length - 999), 'NM_MODEL_CORRUPT'],
      'text.onnx': ['hello', 'NM_MODEL_CORRUPT'],
      'altered.onnx': [bytes.map((byte, i) => (i === 200_000 ? byte ^ 1 : byte)), 'NM_MODEL_CORRUPT'],
    };
    for (const [name, [content, expected]] of Object.entries(wrong)) {
      if (content !== undefined) await writeFile(at(name), content);
      for (const args of uses(at(name))) {
        const { code, message } = await fail(1, args);
        expect(code, `${args[0]} ${name}`).toBe(expected);
        expect(message).toContain(at(name));
      }
    }
    expect(existsSync(at('new.db'))).toBe(false);
  });
});

describe('index', () => {
  it('refuses sources without a usable picture, and makes no store for them', async () => {
    const out = at('none.db');
    const index = (source: string): Promise<{ code: string }> =>
      fail(1, ['index', fixtures.model, source, '--out', out]);
    expect((await index(at('nowhere'))).code).toBe('NM_SOURCE_MISSING');
    expect((await index(picture)).code).toBe('NM_SOURCE_INVALID');
    expect(existsSync(out)).toBe(false);
    expect((await index(broken)).code).toBe('NM_SOURCE_EMPTY');
    expect((await index(emptyFolder)).code).toBe('NM_SOURCE_EMPTY');
  });

  it('removes nothing because of an empty folder', async () => {
    const { code } = await fail(1, ['index', fixtures.model, emptyFolder, '--out', store, '--prune']);
    expect(code).toBe('NM_SOURCE_EMPTY');
    const again = await succeed(['index', fixtures.model, fixtures.pictures, '--out', store]);
    expect(again).toMatchObject({ added: 0, unchanged: 24, items: 24 });
  });

  it('refuses a store that another encoder filled, and leaves it as it was', async () => {
    const other = await writeOtherModel(folder, fixtures.pictures);
    const { code, message } = await fail(1, ['index', other, fixtures.pictures, '--out', store]);
    expect(code).toBe('NM_ENCODER_MISMATCH');
    expect(message).toContain(store);
    expect((await fail(1, ['search', store, picture, '--model', other])).code).toBe('NM_ENCODER_MISMATCH');
    expect(await succeed(['search', store, picture, '-k', '1'])).toMatchObject({
      results: [{ hits: [{ id: '000.png' }] }],
    });
  });

  it('refuses a file that is no store, and leaves it as it was', async () => {
    const out = at('notes.db');
    await writeFile(out, 'my notes');
    expect((await fail(1, ['index', fixtures.model, fixtures.pictures, '--out', out])).code).toBe('NM_STORE_INVALID');
    expect(await readFile(out, 'utf8')).toBe('my notes');
    const nowhere = await fail(1, ['index', fixtures.model, fixtures.pictures, '--out', at('nowhere', 's.db')]);
    expect(nowhere.code).toBe('NM_STORE_MISSING');
  });
});

describe('search', () => {
  it('names a store that is missing or none', async () => {
    const missing = await fail(1, ['search', at('nowhere.db'), picture]);
    expect(missing.code).toBe('NM_STORE_MISSING');
    expect(missing.message).toContain(at('nowhere.db'));
    expect(existsSync(at('nowhere.db'))).toBe(false);
    expect((await fail(1, ['search', picture, picture])).code).toBe('NM_STORE_INVALID');
    expect((await fail(1, ['search', emptyFolder, picture])).code).toBe('NM_STORE_INVALID');
  });

  it('names a picture that is missing or none', async () => {
    const missing = await fail(1, ['search', store, picture, at('nowhere.png')]);
    expect(missing.code).toBe('NM_SOURCE_MISSING');
    expect(missing.message).toContain(at('nowhere.png'));
    const text = await fail(1, ['search', store, join(broken, 'text.png')]);
    expect(text.code).toBe('NM_PICTURE_INVALID');
    expect(text.message).toMatch(/text\.png: .*allowed: PNG, JPEG, WebP, AVIF, GIF/);
    expect((await fail(1, ['search', store, emptyFolder])).message).toContain(emptyFolder);
  });

  it('says that --model names a model that has moved', async () => {
    const moved = at('moved.onnx');
    await rename(fixtures.model, moved);
    try {
      const { code, hint } = await fail(1, ['search', store, picture]);
      expect(code).toBe('NM_MODEL_MISSING');
      expect(hint).toContain('--model');
      expect(await succeed(['search', store, picture, '--model', moved, '-k', '2'])).toMatchObject({
        results: [{ picture, hits: [{ id: '000.png' }, {}] }],
      });
    } finally {
      await rename(moved, fixtures.model);
    }
  });
});

describe('demo', () => {
  it('does not write into a folder that holds another run', async () => {
    const ended = at('ended');
    await cp(fixtures.finished, ended, { recursive: true });
    await cp(fixtures.model, join(ended, 'encoder.onnx'));
    const { code, message } = await fail(1, ['demo', '--short', '--out', ended]);
    expect(code).toBe('NM_RUN_EXISTS');
    expect(message).toContain(ended);
  });
});

describe('doctor', () => {
  it('finds nothing wrong here, and says the same as text', async () => {
    const { ok, findings } = await succeed<{ ok: boolean; findings: { what: string; found: string }[] }>(['doctor']);
    expect(ok).toBe(true);
    const found = Object.fromEntries(findings.map((finding) => [finding.what, finding.found]));
    expect(found).toMatchObject({ Node: process.version, 'WebAssembly SIMD': 'yes', 'emoji pictures': 'installed' });
    expect(found['tfjs kernels']).toMatch(/^[1-9]\d+ of \d+ are ours$/);
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining(['cores', 'memory', 'onnxruntime-node', 'sharp', 'libsql']),
    );
    const { stdout } = await nearmiss(['doctor']);
    for (const { what } of findings) expect(stdout).toContain(what);
    expect(stdout).toContain('all is well');
  });
});
