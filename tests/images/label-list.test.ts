import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LabelList, labelPictures, type Pictures, readLabelList } from '../../src/images/index.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-labels-'));
});
afterAll(() => rm(folder, { recursive: true }));

const pictures = (...names: string[]): Pictures => ({
  size: 1,
  count: names.length,
  data: new Uint8Array(new SharedArrayBuffer(3 * names.length)),
  names,
  hashes: names,
  skipped: [],
});

async function list(text: string, column?: string): Promise<LabelList> {
  const path = join(folder, 'labels.csv');
  await writeFile(path, text);
  return readLabelList(path, column);
}

const classesOf = ({ labels, classes }: Pictures): string[] => Array.from(labels!, (label) => classes![label]!);

describe('labels from a list', () => {
  it('name a picture, its folder, or a folder around it, the nearest first', async () => {
    const labels = await list(
      'file,class\nshelf,thing\nshelf/fruit,fruit\nshelf/fruit/9.jpg,pear\n./alone.png,apple\n',
    );
    const found = labelPictures(pictures('alone.png', 'shelf/1.jpg', 'shelf/fruit/8.jpg', 'shelf/fruit/9.jpg'), labels);
    expect(classesOf(found)).toEqual(['apple', 'thing', 'fruit', 'pear']);
    expect(found.classes).toEqual(['apple', 'fruit', 'pear', 'thing']);
  });

  it('take the column that is named, and need no header otherwise', async () => {
    const columns = 'fine,coarse,other\nGolden,Apple,x\nAnjou,Pear,y\n';
    const some = pictures('Anjou/1.jpg', 'Golden/2.jpg');
    expect(classesOf(labelPictures(some, await list(columns)))).toEqual(['Pear', 'Apple']);
    expect(classesOf(labelPictures(some, await list(columns, 'other')))).toEqual(['y', 'x']);
    expect(classesOf(labelPictures(some, await list('Golden,g\r\nAnjou,a')))).toEqual(['a', 'g']);
  });

  it('may be quoted, with commas, quotes and line ends inside', async () => {
    const found = labelPictures(pictures('a, b.png'), await list('\uFEFF"a, b.png","say ""x""\nthen"\n\n'));
    expect(classesOf(found)).toEqual(['say "x"\nthen']);
  });

  it.each([
    ['a picture without a class', 'a.png,x\n', 'no class for 1 of 2 pictures, b.png'],
    ['two classes of one picture', 'a.png,x\nb.png,y\na.png,z\n', "'a.png' as x in line 1 and as z in line 3"],
  ])('refuse %s', async (_, text, said) => {
    const labels = await list(text);
    expect(() => labelPictures(pictures('a.png', 'b.png'), labels)).toThrow(
      expect.objectContaining({ code: 'NM_LABELS_INVALID', message: expect.stringContaining(said) }),
    );
  });

  it.each([
    ['a row of one column', 'a.png,x\nb.png\n', undefined, 'line 2: found 1 columns'],
    ['an empty class', 'a.png,\n', undefined, 'line 1: found 2 columns, one of them empty'],
    ['an open quote', 'a.png,x\n"b.png,y\n', undefined, 'line 2: found a quote that is not closed'],
    ['a column that is not there', 'file,class\n', 'kind', "found the columns file, class, not 'kind'"],
  ])('refuse %s', async (_, text, column, said) => {
    await expect(list(text, column)).rejects.toMatchObject({
      code: 'NM_LABELS_INVALID',
      message: expect.stringContaining(said),
    });
  });

  it('refuse a file that is not there', async () => {
    await expect(readLabelList(join(folder, 'none.csv'))).rejects.toMatchObject({ code: 'NM_LABELS_INVALID' });
  });
});
