import { createHash } from 'node:crypto';
import { cp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { emojiEntries, emojiPackages } from '../../src/images/emoji-packages.js';
import { type EmojiPictures, type Pictures, readEmoji, readPictures, selectPictures } from '../../src/images/index.js';
import { codeOf, temporaryFolder } from './files.js';

const folder = temporaryFolder();
let emoji: EmojiPictures;
beforeAll(async () => {
  emoji = await readEmoji();
});

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** Pictures halved to 16x16 and centred on the mean of some rows of the gallery, as unit vectors. */
function raw16(
  pictures: Pictures,
  mean?: Float64Array,
): { rows: Float64Array[]; mean: (of: Int32Array) => Float64Array } {
  const rows = Array.from({ length: pictures.count }, (_, row) => {
    const at = (y: number, x: number, c: number): number => pictures.data[((row * 32 + y) * 32 + x) * 3 + c] as number;
    return Float64Array.from({ length: 16 * 16 * 3 }, (_, k) => {
      const [y, x, c] = [2 * Math.floor(k / 48), 2 * (Math.floor(k / 3) % 16), k % 3];
      return (at(y, x, c) + at(y, x + 1, c) + at(y + 1, x, c) + at(y + 1, x + 1, c)) / 4;
    });
  });
  const average = (of: Int32Array): Float64Array =>
    Float64Array.from(
      { length: 768 },
      (_, k) => of.reduce((sum, row) => sum + (rows[row]?.[k] as number), 0) / of.length,
    );
  if (!mean) return { rows, mean: average };
  const centred = rows.map((row) => {
    const moved = row.map((value, k) => value - (mean[k] as number));
    const length = Math.sqrt(moved.reduce((sum, value) => sum + value * value, 0));
    return moved.map((value) => value / length);
  });
  return { rows: centred, mean: average };
}

function recallAt1(queries: Float64Array[], gallery: Float64Array[], of: Int32Array, among: ArrayLike<number>): number {
  let hits = 0;
  for (const row of of) {
    const query = queries[row] as Float64Array;
    const similarity = (other: number): number => {
      const candidate = gallery[other] as Float64Array;
      let sum = 0;
      for (let k = 0; k < 768; k++) sum += (query[k] as number) * (candidate[k] as number);
      return sum;
    };
    const target = similarity(row);
    // Ties count against.
    if (!Array.from(among).some((other) => other !== row && similarity(other) >= target)) hits++;
  }
  return (100 * hits) / of.length;
}

describe('readEmoji', () => {
  test('has 1,911 emoji of both vendors, 1,494 for training', () => {
    expect(emoji.noto.count).toBe(1911);
    expect(emoji.twemoji.count).toBe(1911);
    expect(emoji.training).toHaveLength(1494);
    expect(emoji.heldOut).toHaveLength(417);
    expect([...emoji.training, ...emoji.heldOut].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1911 }, (_, i) => i),
    );
    expect([...emoji.unified].sort()).toEqual(emoji.unified);
    expect(new Set(emoji.unified).size).toBe(1911);
    const thumb = emoji.unified.indexOf('1F44D');
    expect(emoji.shortNames[thumb]).toBe('+1');
    expect(emoji.categories[thumb]).toBe('People & Body');
    expect(emoji.noto.names[thumb]).toBe('1f44d.png');
    expect(emoji.twemoji.names).toEqual(emoji.noto.names);
  });

  test('has the pixels that Pillow makes with Image.BOX', () => {
    // sha256 of the arrays of Pillow 12.3: alpha_composite on white, convert('RGB'), resize((32, 32), Image.BOX).
    expect(sha256(emoji.noto.data)).toBe('2d95ad9ca3a8e76158bf78d63012183115b6d21c04969d1566b07f0c12238440');
    expect(sha256(emoji.twemoji.data)).toBe('f4d137c4f2c09e41dbd4acf861f9229fed906fd87ee14794ea432a2532b9f91b');
  });

  test('raw pixels at 16x16, centred, find as many as the reference does', () => {
    const { mean } = raw16(emoji.noto);
    const centre = mean(emoji.training);
    const gallery = raw16(emoji.noto, centre).rows;
    const queries = raw16(emoji.twemoji, centre).rows;
    expect(recallAt1(queries, gallery, emoji.heldOut, emoji.heldOut)).toBeCloseTo(45.3, 1);
    expect(
      recallAt1(
        queries,
        gallery,
        emoji.heldOut,
        emoji.noto.names.map((_, row) => row),
      ),
    ).toBeCloseTo(36.0, 1);
  });

  test('the word emoji names the Noto pictures as a source', async () => {
    const pictures = await readPictures('emoji', { size: 32 });
    expect(pictures.count).toBe(1911);
    const rows = emoji.noto.names.map((name) => pictures.names.indexOf(name));
    expect(sha256(selectPictures(pictures, rows).data)).toBe(sha256(emoji.noto.data));
    expect(pictures.labels).toBeUndefined();
  });

  test('looks the packages up in the given project first', async () => {
    const own = createRequire(import.meta.url);
    const project = join(folder, 'project');
    for (const name of ['emoji-datasource-google', 'emoji-datasource-twitter']) {
      const installed = dirname(own.resolve(`${name}/package.json`));
      for (const part of ['package.json', 'emoji.json']) {
        await cp(join(installed, part), join(project, 'node_modules', name, part));
      }
    }
    expect(emojiPackages(project).noto).toContain('project');
    // Its pictures are missing: the package is damaged, and the first missing file is named.
    expect(await codeOf(() => readEmoji({ from: project }))).toBe('NM_SOURCE_INVALID');
    await expect(readEmoji({ from: project })).rejects.toThrow(
      /0023-fe0f-20e3\.png: cannot be read \(ENOENT\); install/,
    );
    expect(await emojiEntries(emojiPackages(project))).toHaveLength(1911);
    await rm(project, { recursive: true });
  });

  test('names both packages when they are missing', async () => {
    const nowhere = pathToFileURL(join(folder, 'nowhere/module.js')).href;
    expect(await codeOf(() => emojiPackages(folder, nowhere))).toBe('NM_EMOJI_MISSING');
    expect(() => emojiPackages(folder, nowhere)).toThrow(
      'npm install emoji-datasource-google emoji-datasource-twitter',
    );
  });

  test('stops when told and reports progress', async () => {
    const controller = new AbortController();
    const seen: [number, number | undefined][] = [];
    const reading = readEmoji({
      signal: controller.signal,
      onProgress: (done, total) => {
        seen.push([done, total]);
        if (done === 3) controller.abort(new Error('enough'));
      },
    });
    await expect(reading).rejects.toThrow('enough');
    expect(seen).toEqual([
      [1, 3822],
      [2, 3822],
      [3, 3822],
    ]);
  });
});
