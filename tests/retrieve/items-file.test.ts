import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Item } from '../../src/retrieve/items.js';
import { ITEM_FORMATS, readItems, writeItems } from '../../src/retrieve/items-file.js';
import { openStore } from '../../src/retrieve/sqlite-store.js';
import { code, item, SPECIMENS } from './store.case.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-items-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function all(path: string, options: Parameters<typeof readItems>[1] = {}): Promise<Item[]> {
  const items: Item[] = [];
  for await (const some of readItems(path, options)) {
    // a batch's vectors are its own
    items.push(...some);
  }
  return items;
}

/** NumPy's `np.save` of [[1, -2], [0.5, 3]], byte for byte. */
function npy(descr: string, data: Uint8Array, shape = '(2, 2)'): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117);
  const start = Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.of(118, 0),
    Buffer.from(`${header}\n`),
  ]);
  return Buffer.concat([start, data]);
}

function safetensors(header: object, data: Uint8Array): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

const bytesOf = (numbers: Float32Array | Float64Array | Uint16Array): Uint8Array => new Uint8Array(numbers.buffer);
const NUMBERS = [1, -2, 0.5, 3];

describe('files of items', () => {
  it.each(ITEM_FORMATS)('come back as they were written: %s', async (format) => {
    const store = await openStore(join(folder, `${format}.db`), { create: { fingerprint: 'f', dimension: 3 } });
    const items = Array.from({ length: 2300 }, (_, i) =>
      item(
        `${String(i).padStart(5, '0')}\u2028\n"é`,
        [i, -0.1, 3e-39],
        SPECIMENS[i % SPECIMENS.length],
        i % 2 ? `hash ${i}` : undefined,
      ),
    );
    await store.upsert(items);
    const path = join(folder, `items.${format}`);
    const seen: number[] = [];
    expect(await writeItems(store, path, { onProgress: (done) => seen.push(done) })).toBe(2300);
    expect(seen).toEqual([1000, 2000, 2300]);
    expect(await all(path)).toEqual(items);
    await store.close();
  });

  it('of NumPy are read in all float types, and named by row where nothing else names them', async () => {
    const path = join(folder, 'numbers.npy');
    for (const [descr, data] of [
      ['<f4', bytesOf(Float32Array.from(NUMBERS))],
      ['<f8', bytesOf(Float64Array.from(NUMBERS))],
      ['<f2', bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x4200))],
    ] as const) {
      await writeFile(path, npy(descr, data));
      expect(await all(path)).toEqual([
        { id: '0', vector: Float32Array.of(1, -2) },
        { id: '1', vector: Float32Array.of(0.5, 3) },
      ]);
    }
    await writeFile(`${path}.jsonl`, '{"id":"a"}\n\n{"id":"b","metadata":{"x":1}}');
    expect(await all(path)).toEqual([
      { id: 'a', vector: Float32Array.of(1, -2) },
      { id: 'b', vector: Float32Array.of(0.5, 3), metadata: { x: 1 } },
    ]);
  });

  it('of safetensors may come from elsewhere, where one matrix is the vectors or is named', async () => {
    const path = join(folder, 'foreign.safetensors');
    const data = bytesOf(Float32Array.from([...NUMBERS, ...NUMBERS]));
    const tensor = (from: number, dtype = 'F32', shape = [2, 2]): object => ({
      dtype,
      shape,
      data_offsets: [from, from + 16],
    });
    await writeFile(
      path,
      safetensors({ __metadata__: { by: 'x' }, embeddings: tensor(0), bias: tensor(16, 'F32', [4]) }, data),
    );
    expect((await all(path)).map(({ id }) => id)).toEqual(['0', '1']);
    await writeFile(path, safetensors({ one: tensor(0), two: tensor(16) }, data));
    await expect(all(path)).rejects.toThrow(code('NM_ITEMS_FILE_INVALID'));
    expect((await all(path, { tensor: 'two' }))[1]!.vector).toEqual(Float32Array.of(0.5, 3));
    await expect(all(path, { tensor: 'three' })).rejects.toThrow(code('NM_ITEMS_FILE_INVALID'));
  });

  it.each<[string, string, string | Buffer]>([
    ['a line that is no JSON', 'a.jsonl', '{"id":"a","vector":[1]}\n{"id":'],
    ['a line without an id', 'a.jsonl', '{"vector":[1]}'],
    ['a line without a vector', 'a.jsonl', '{"id":"a"}'],
    ['a vector of text', 'a.jsonl', '{"id":"a","vector":["1"]}'],
    ['a field of another name', 'a.jsonl', '{"id":"a","vector":[1],"meta":{}}'],
    ['a list', 'a.jsonl', '[1]'],
    ['a line without an end', 'a.jsonl', `{"id":"a","vector":[${'1,'.repeat(600_000)}`],
    ['another file named .npy', 'a.npy', 'text that is long enough'],
    ['whole numbers', 'a.npy', npy('<i4', Buffer.alloc(16))],
    ['three dimensions', 'a.npy', npy('<f4', Buffer.alloc(16), '(2, 2, 1)')],
    ['missing numbers', 'a.npy', npy('<f4', Buffer.alloc(12))],
    ['a cut header', 'a.npy', npy('<f4', Buffer.alloc(0)).subarray(0, 40)],
    ['another file named .safetensors', 'a.safetensors', 'text that is long enough'],
    [
      'a tensor beyond the end',
      'a.safetensors',
      safetensors({ v: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] } }, Buffer.alloc(8)),
    ],
    [
      'a shape that does not fit',
      'a.safetensors',
      safetensors({ v: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 16] } }, Buffer.alloc(16)),
    ],
    ['a header that is no object of tensors', 'a.safetensors', safetensors({ v: 7 }, Buffer.alloc(16))],
  ])('are refused with %s', async (_, name, content) => {
    const path = join(folder, name);
    await writeFile(path, content);
    await expect(all(path)).rejects.toThrow(code('NM_ITEMS_FILE_INVALID'));
    expect((await readFile(path)).length).toBeGreaterThan(0);
  });

  it.each(ITEM_FORMATS)('are refused where there is no such .%s file', async (format) => {
    await expect(all(join(folder, `nothing.${format}`))).rejects.toThrow(code('NM_SOURCE_MISSING'));
  });

  it('are told by their endings, or by name', async () => {
    expect(() => readItems('a.csv')).toThrow(code('NM_OPTION_INVALID'));
    const path = join(folder, 'a.txt');
    await writeFile(path, '{"id":"a","vector":[1]}');
    expect(await all(path, { format: 'jsonl' })).toHaveLength(1);
  });

  it('are refused where lines and vectors do not match in number', async () => {
    const path = join(folder, 'uneven.npy');
    await writeFile(path, npy('<f4', bytesOf(Float32Array.from(NUMBERS))));
    for (const lines of ['{"id":"a"}\n', '{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n']) {
      await writeFile(`${path}.jsonl`, lines);
      await expect(all(path)).rejects.toThrow(code('NM_ITEMS_FILE_INVALID'));
    }
  });
});
