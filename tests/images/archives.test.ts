import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { pictureBatches, readPictures } from '../../src/images/index.js';
import { codeOf, plainPng, temporaryFolder } from './files.js';

const folder = temporaryFolder();
const red = await plainPng('#f00');
const blue = await plainPng('#00f');
const size = 8;

type TarHeader = Parameters<ReturnType<typeof pack>['entry']>[0];
async function tar(members: readonly [TarHeader | string, Uint8Array | string][]): Promise<Buffer> {
  const archive = pack();
  for (const [header, content] of members) {
    archive.entry(typeof header === 'string' ? { name: header } : header, Buffer.from(content));
  }
  archive.finalize();
  return buffer(archive);
}

interface Member {
  readonly name: string;
  readonly content: Uint8Array;
  readonly stored?: boolean;
  readonly flags?: number;
  /** Size that the directory claims. */
  readonly claims?: number;
}

/** A zip written field by field, so that it can lie. */
function zip(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, stored = false, flags = 0x800, claims = content.length } of members) {
    const data = stored ? Buffer.from(content) : deflateRawSync(content);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(stored ? 0 : 8, 4);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(claims, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, rest, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

function write(name: string, content: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('tar', () => {
  test.each(['x.tar', 'x.tar.gz', 'x.TGZ'])('reads nested pictures of %s, sorted by name', async (name) => {
    const content = await tar([
      ['./b/größe.png', blue],
      ['a.png', red],
      [{ name: 'b', type: 'directory' }, ''],
      ['b/notes.txt', 'text'],
      ['._a.png', 'clutter'],
      [`b/${'long'.repeat(60)}.png`, red],
    ]);
    const path = write(name, name === 'x.tar' ? content : gzipSync(content));
    const pictures = await readPictures(path, { size });
    expect(pictures.names).toEqual(['a.png', 'b/größe.png', `b/${'long'.repeat(60)}.png`].sort());
    expect([...pictures.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect(pictures.skipped).toEqual([
      { name: 'b/notes.txt', reason: 'not a picture; allowed: PNG, JPEG, WebP, AVIF, GIF' },
    ]);
  });

  test('lets no name lead out, follows no link, reads no name twice, nothing over the limit', async () => {
    const path = write(
      'evil.tar',
      await tar([
        ['../escape.png', red],
        ['/etc/absolute.png', red],
        ['a/../../b.png', red],
        ['c\\..\\..\\d.png', red],
        [{ name: 'link.png', type: 'symlink', linkname: '/etc/passwd' }, ''],
        ['good.png', red],
        ['./good.png', blue],
        ['large.png', new Uint8Array(5000)],
      ]),
    );
    const pictures = await readPictures(path, { size, maxBytes: 4999 });
    expect(pictures.names).toEqual(['good.png']);
    expect([...pictures.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    const outside = 'its name leads out of the archive';
    expect(pictures.skipped).toEqual([
      { name: '../escape.png', reason: outside },
      { name: '/etc/absolute.png', reason: outside },
      { name: 'a/../../b.png', reason: outside },
      { name: 'c\\..\\..\\d.png', reason: outside },
      { name: 'link.png', reason: 'symlink, not a file' },
      { name: 'good.png', reason: 'the archive has an earlier file of this name' },
      { name: 'large.png', reason: '5000 bytes, allowed: 4999' },
    ]);
    expect(existsSync(join(dirname(folder), 'escape.png'))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.png'))).toEqual([]);
  });

  test('refuses an archive that is cut short or none', async () => {
    const whole = await tar([
      ['a.png', red],
      ['b.png', blue],
    ]);
    for (const [name, content] of [
      ['cut.tar', whole.subarray(0, 700)],
      ['cut.tar.gz', gzipSync(whole).subarray(0, 100)],
      ['none.tar', Buffer.alloc(2000, 'text')],
      ['none.tgz', Buffer.from('text')],
    ] as const) {
      expect(await codeOf(() => readPictures(write(name, content), { size })), name).toBe('NM_SOURCE_INVALID');
    }
    await expect(readPictures(write('empty.tar', await tar([])), { size })).rejects.toThrow('found no usable picture');
  });

  test('can be left before its end', async () => {
    const members = Array.from({ length: 50 }, (_, i): [string, Uint8Array] => [`${i}.png`, red]);
    const path = write('many.tar', await tar(members));
    for await (const batch of pictureBatches(path, { size, batch: 5 })) {
      expect(batch.names).toEqual(['0.png', '1.png', '2.png', '3.png', '4.png']);
      break;
    }
  });
});

describe('zip', () => {
  test('reads stored and deflated pictures, sorted by name', async () => {
    const path = write(
      'x.zip',
      zip([
        { name: 'b/größe.png', content: blue },
        { name: 'b/', content: new Uint8Array(0), stored: true },
        { name: 'a.png', content: red, stored: true },
        { name: '__MACOSX/._a.png', content: red },
      ]),
    );
    const pictures = await readPictures(path, { size });
    expect(pictures.names).toEqual(['a.png', 'b/größe.png']);
    expect([...pictures.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect(pictures.skipped).toEqual([]);
  });

  test('lets no name lead out and believes no size', async () => {
    const path = write(
      'evil.zip',
      zip([
        { name: '../escape.png', content: red },
        { name: 'C:\\windows.png', content: red },
        { name: 'good.png', content: red },
        { name: 'good.png', content: blue },
        { name: 'secret.png', content: red, flags: 0x801 },
        { name: 'larger-than-said.png', content: new Uint8Array(100_000), claims: 100 },
        { name: 'huge.png', content: new Uint8Array(9000) },
      ]),
    );
    const pictures = await readPictures(path, { size, maxBytes: 8999 });
    expect(pictures.names).toEqual(['good.png']);
    expect([...pictures.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    const outside = 'its name leads out of the archive';
    expect(pictures.skipped).toEqual([
      { name: '../escape.png', reason: outside },
      { name: 'C:/windows.png', reason: outside },
      { name: 'good.png', reason: 'the archive has an earlier file of this name' },
      { name: 'secret.png', reason: 'encrypted' },
      { name: 'larger-than-said.png', reason: expect.stringMatching(/^cannot be unpacked/) },
      { name: 'huge.png', reason: '9000 bytes, allowed: 8999' },
    ]);
    expect(existsSync(join(dirname(folder), 'escape.png'))).toBe(false);
  });

  test('refuses an archive that is cut short or none', async () => {
    const whole = readFileSync(join(folder, 'x.zip'));
    for (const [name, content] of [
      ['cut.zip', whole.subarray(0, whole.length - 30)],
      ['none.zip', Buffer.from('text')],
      ['zero.zip', Buffer.alloc(0)],
    ] as const) {
      expect(await codeOf(() => readPictures(write(name, content), { size })), name).toBe('NM_SOURCE_INVALID');
    }
  });
});

describe('pictureBatches', () => {
  test('gives batches in order and decodes nothing that is known', async () => {
    const members: [string, Uint8Array | string][] = [];
    for (let i = 0; i < 10; i++) members.push([`${i}.png`, await plainPng(`rgb(${i}, 0, 0)`)]);
    members.push(['bad.png', 'text']);
    const path = write('batches.tar', await tar(members));
    const all = [];
    for await (const batch of pictureBatches(path, { size, batch: 4 })) all.push(batch);
    expect(all.map((batch) => batch.count)).toEqual([4, 4, 2]);
    expect(all.map((batch) => batch.data.length)).toEqual([4, 4, 2].map((count) => count * size * size * 3));
    expect(all.flatMap((batch) => [...batch.names])).toEqual(members.slice(0, 10).map(([name]) => name));
    expect(all[2]?.skipped).toHaveLength(1);
    expect([...all.map((batch) => batch.data[0])]).toEqual([0, 4, 8]);

    const known = new Map(all.flatMap((batch) => batch.names.map((name, row) => [name, batch.hashes[row]])));
    known.set('3.png', 'another hash');
    const again = [];
    const unchanged = (name: string, hash: string): boolean => known.get(name) === hash;
    for await (const batch of pictureBatches(path, { size, batch: 4, unchanged })) again.push(batch);
    expect(again).toHaveLength(1);
    expect(again[0]?.names).toEqual(['3.png']);
    expect(again[0]?.unchanged.map(({ name }) => name)).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9].map((i) => `${i}.png`));
  });

  test('refuses a batch of nothing', async () => {
    const batches = pictureBatches(join(folder, 'batches.tar'), { size, batch: 0 });
    expect(await codeOf(() => batches.next())).toBe('NM_OPTION_INVALID');
  });
});

test('the archives of this test are real ones', () => {
  // The system's tar reads what tar-stream packs; the names come out as they went in.
  const listed = execFileSync('tar', ['-tf', join(folder, 'batches.tar')], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(listed).toHaveLength(11);
});
