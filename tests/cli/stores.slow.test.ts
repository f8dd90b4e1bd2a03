import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPostgresStore, openStore, readDeviceIndex } from '../../src/retrieve/index.js';
import { type PostgresServer, startPostgres } from '../retrieve/postgres-server.js';
import { type Fixtures, writeFixtures, writeOtherModel } from './fixtures.js';
import { fail, nearmiss, result, spawnNearmiss, succeed } from './nearmiss.js';

let folder = '';
let fixtures: Fixtures;
let store = '';
const at = (...parts: string[]): string => join(folder, ...parts);

interface Results {
  readonly results: readonly {
    readonly id?: string;
    readonly hits: readonly { readonly id: string; readonly score: number }[];
  }[];
}
const ids = ({ results }: Results): string[][] => results.map(({ hits }) => hits.map(({ id }) => id));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-stores-'));
  fixtures = await writeFixtures(folder);
  store = at('store.db');
  await succeed(['index', fixtures.model, fixtures.pictures, '--out', store]);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('search', () => {
  it('finds more like an item, without the item itself, and the same by its vector', async () => {
    const opened = await openStore(store, { readOnly: true });
    const vector = JSON.stringify(Array.from((await opened.get('003.png'))!.vector));
    await opened.close();
    await writeFile(at('vector.json'), vector);
    const [byId, byText, byFile] = ids(
      await succeed<Results>([
        'search',
        store,
        '--id',
        '003.png',
        '--vector',
        vector,
        '--vector',
        at('vector.json'),
        '-k',
        '4',
      ]),
    );
    expect(byId).toHaveLength(4);
    expect(byText![0]).toBe('003.png');
    expect(byText!.slice(1)).toEqual(byId!.slice(0, 3));
    expect(byFile).toEqual(byText);
    const picture = join(fixtures.pictures, '003.png');
    expect(ids(await succeed<Results>(['search', store, picture, '-k', '4']))).toEqual([byText]);
  });

  it('filters by what is typed, and keeps to a radius', async () => {
    const search = async (...flags: string[]): Promise<string[]> =>
      ids(await succeed<Results>(['search', store, '--id', '003.png', '-k', '50', ...flags]))[0]!;
    expect(await search('--filter', 'path>=020.png')).toHaveLength(4);
    expect((await search('--filter', 'path>=020.png', '--filter', 'path!=021.png')).sort()).toEqual([
      '020.png',
      '022.png',
      '023.png',
    ]);
    expect(await search('--filter', 'path=001.png')).toEqual(['001.png']);
    expect(await search('--filter', '{"op":"in","field":"path","values":["001.png","002.png"]}')).toHaveLength(2);
    expect(await search('--filter', 'nothing')).toEqual([]);
    expect(await search('--filter', '!nothing')).toHaveLength(23);
    const all = await succeed<Results>(['search', store, '--id', '003.png', '-k', '50']);
    const radius = all.results[0]!.hits[5]!.score;
    expect(await search('--radius', String(radius))).toHaveLength(6);
    for (const filter of ['', '{"op":', '{"op":"like"}']) {
      expect((await fail(1, ['search', store, '--id', '003.png', '--filter', filter])).code).toBe('NM_FILTER_INVALID');
    }
  });

  it('says which item or vector is none', async () => {
    expect(await fail(1, ['search', store, '--id', 'nowhere.png'])).toMatchObject({
      code: 'NM_ITEM_MISSING',
      message: expect.stringContaining('nowhere.png'),
    });
    expect((await fail(1, ['search', store, '--vector', '[1, "x"]'])).code).toBe('NM_VECTOR_INVALID');
    expect((await fail(1, ['search', store, '--vector', '[1]'])).code).toBe('NM_SHAPE_MISMATCH');
  });
});

describe('a store on the command line', () => {
  it('is measured, emptied in part, and compacted', async () => {
    const path = at('work.db');
    await copyFile(store, path);
    expect(await succeed(['stats', path])).toMatchObject({ store: path, items: 24, metric: 'cosine' });
    expect(await succeed(['delete', path, '001.png', '002.png', 'nowhere.png'])).toEqual({ removed: 2, items: 22 });
    const { before, after } = await succeed<{ before: number; after: number }>(['compact', path]);
    expect(after).toBeLessThanOrEqual(before);
    const { stdout } = await nearmiss(['stats', path]);
    expect(stdout).toMatch(/22 items of \d+ dimensions, cosine/);
  });

  it('becomes an index file', async () => {
    const out = at('photos.nmi');
    const { items, bytes } = await succeed<{ items: number; bytes: number }>([
      'export-index',
      store,
      '--out',
      out,
      '--vectors',
      'float16',
    ]);
    const index = await readDeviceIndex(await readFile(out));
    expect([items, bytes, index.count]).toEqual([24, (await readFile(out)).length, 24]);
    expect(index.search(index.get('003.png')!.vector, { k: 1 })[0]!.id).toBe('003.png');
  });

  it.each(['jsonl', 'npy', 'safetensors'])('goes through a file of items and back: %s', async (ending) => {
    const file = at(`items.${ending}`);
    expect(await succeed(['export-items', store, '--out', file])).toEqual({ file, items: 24 });
    const copy = at(`copy-${ending}.db`);
    expect((await fail(1, ['import', file, '--store', copy])).code).toBe('NM_STORE_MISSING');
    const args = ['import', file, '--store', copy, '--fingerprint', 'copied'];
    expect(await succeed(args)).toEqual({ store: copy, added: 24, updated: 0, items: 24 });
    expect(await succeed(args)).toMatchObject({ added: 0, updated: 24 });
    expect((await fail(1, ['import', file, '--store', copy, '--fingerprint', 'other'])).code).toBe(
      'NM_ENCODER_MISMATCH',
    );
    expect((await fail(2, ['import', file, '--store', copy, '--metric', 'l2'])).code).toBe('NM_OPTION_INVALID');
    const search = async (path: string): Promise<string[][]> =>
      ids(await succeed<Results>(['search', path, '--id', '005.png']));
    expect(await search(copy)).toEqual(await search(store));
  });

  it('is filled anew by another encoder', async () => {
    const path = at('anew.db');
    await copyFile(store, path);
    const other = await writeOtherModel(folder, fixtures.pictures);
    const few = at('few');
    await mkdir(few);
    for (const name of ['001.png', '002.png']) await copyFile(join(fixtures.pictures, name), join(few, name));
    const incomplete = await fail(1, ['index', other, few, '--out', path, '--reembed']);
    expect(incomplete.code).toBe('NM_REEMBED_INCOMPLETE');
    // the old items are there as before
    expect(ids(await succeed<Results>(['search', path, join(few, '001.png'), '-k', '1']))).toEqual([['001.png']]);
    const args = ['index', other, fixtures.pictures, '--out', path, '--reembed'];
    expect(await succeed(args)).toMatchObject({ added: 22, unchanged: 2, items: 24 });
    expect(await succeed(args)).toMatchObject({ added: 0, unchanged: 24, items: 24 });
    expect(await succeed(['search', path, join(few, '001.png'), '-k', '1'])).toMatchObject({
      results: [{ hits: [{ id: '001.png', score: expect.closeTo(1, 4) }] }],
    });
  });

  it('follows a folder that is watched', async () => {
    const watched = at('watched');
    await mkdir(watched);
    await copyFile(join(fixtures.pictures, '000.png'), join(watched, '0.png'));
    const path = at('watched.db');
    const steps = [
      async () => {
        await mkdir(join(watched, 'sub'));
        await copyFile(join(fixtures.pictures, '001.png'), join(watched, 'sub/1.png'));
      },
      async () => rm(join(watched, '0.png')),
    ];
    const ended = await spawnNearmiss(
      ['index', fixtures.model, watched, '--out', path, '--watch', '--prune', '--json'],
      {
        interruptAt: /0 added, 0 updated, 1 removed/,
        onText: (stderr) => {
          const seen = stderr.includes('1 added, 0 updated, 0 removed') ? 2 : stderr.includes('watching') ? 1 : 0;
          while (steps.length > 2 - seen) void steps.shift()!();
        },
      },
    );
    expect(result(ended)).toMatchObject({ added: 1 });
    const opened = await openStore(path, { readOnly: true });
    expect(await opened.ids()).toEqual(['sub/1.png']);
    await opened.close();
  }, 60_000);
});

describe('a store in PostgreSQL', () => {
  let server: PostgresServer;
  const schema = `nearmiss_cli_${process.pid}`;
  beforeAll(async () => {
    server = await startPostgres();
  }, 120_000);
  afterAll(() => server.stop([schema, `${schema}_jobs`]));

  it('is filled by several processes, each file once, and searched', async () => {
    const url = `${server.url}?schema=${schema}`;
    const args = ['index', fixtures.model, fixtures.pictures, '--store', url, '--share', '--json'];
    const counts = (await Promise.all([spawnNearmiss(args), spawnNearmiss(args)])).map((ended) =>
      result<{ store: string; added: number; items: number }>(ended),
    );
    expect(counts[0]!.added + counts[1]!.added).toBe(24);
    expect(counts[0]!.store).not.toContain('secret');
    expect(await succeed(['index', fixtures.model, fixtures.pictures, '--store', url])).toMatchObject({
      unchanged: 24,
      items: 24,
    });
    const search = async (place: string): Promise<string[][]> =>
      ids(await succeed<Results>(['search', place, '--id', '003.png', '--filter', 'path<020.png']));
    expect(await search(url)).toEqual(await search(store));
    expect(await succeed(['stats', url])).toMatchObject({ items: 24 });
    const opened = await openPostgresStore(url);
    expect((await opened.get('003.png'))!.metadata).toMatchObject({ path: '003.png' });
    await opened.close();
  }, 120_000);
});
