import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../src/files.js';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-files-'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('writeFileAtomic', () => {
  it('writes text and bytes, and replaces what was there', async () => {
    const path = join(folder, 'a.bin');
    await writeFileAtomic(path, 'first');
    expect(await readFile(path, 'utf8')).toBe('first');
    await writeFileAtomic(path, Uint8Array.of(0, 255, 7));
    expect([...(await readFile(path))]).toEqual([0, 255, 7]);
    expect(await readdir(folder)).toEqual(['a.bin']);
  });

  it('writes only the part of a buffer that its view shows', async () => {
    const path = join(folder, 'view.bin');
    await writeFileAtomic(path, Uint8Array.from({ length: 10 }, (_, i) => i).subarray(3, 6));
    expect([...(await readFile(path))]).toEqual([3, 4, 5]);
    await rm(path);
  });

  it('never shows a reader half of a file', async () => {
    const path = join(folder, 'busy.bin');
    const contents = [1, 2].map((byte) => new Uint8Array(300_000).fill(byte));
    await writeFileAtomic(path, contents[0]!);
    const state = { writing: true };
    const write = async (): Promise<void> => {
      for (let i = 0; i < 12; i++) await writeFileAtomic(path, contents[i % 2]!);
      state.writing = false;
    };
    let reads = 0;
    const read = async (): Promise<void> => {
      while (state.writing) {
        const found = await readFile(path);
        expect(found.length).toBe(300_000);
        expect(found.every((byte) => byte === found[0])).toBe(true);
        reads++;
      }
    };
    await Promise.all([write(), read()]);
    expect(reads).toBeGreaterThan(0);
    await rm(path);
  });

  it('lets several writers of one file finish: the last wins', async () => {
    const path = join(folder, 'shared.txt');
    await Promise.all(['a', 'b', 'c'].map((text) => writeFileAtomic(path, text.repeat(1000))));
    expect(await readFile(path, 'utf8')).toMatch(/^(a{1000}|b{1000}|c{1000})$/);
    await rm(path);
  });

  it('leaves no temporary file where it fails, and what was there', async () => {
    const taken = join(folder, 'taken');
    await mkdir(join(taken, 'inside'), { recursive: true });
    await expect(writeFileAtomic(taken, 'text')).rejects.toThrow();
    await expect(writeFileAtomic(join(folder, 'nowhere', 'a.txt'), 'text')).rejects.toThrow('ENOENT');
    expect((await readdir(folder)).sort()).toEqual(['a.bin', 'taken']);
    expect(await readdir(taken)).toEqual(['inside']);
  });
});
