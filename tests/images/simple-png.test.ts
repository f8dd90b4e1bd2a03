import { readdirSync, readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodePicture, resizeArea } from '../../src/images/index.js';
import { decodeSimplePng } from '../../src/images/simple-png.js';
import { pngChunk, pngClaiming } from './files.js';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const END = pngChunk('IEND', Buffer.alloc(0));

interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly colourType: number;
  /** A filter a line. */
  readonly filters: readonly number[];
  /** Filtered bytes of all lines; any bytes are a picture. */
  readonly bytes: Uint8Array;
}

function header({ width, height, colourType }: Drawing, depth = 8, interlace = 0): Buffer {
  const content = Buffer.alloc(13);
  content.writeUInt32BE(width, 0);
  content.writeUInt32BE(height, 4);
  content.set([depth, colourType, 0, 0, interlace], 8);
  return pngChunk('IHDR', content);
}

function lines({ width, height, colourType, filters, bytes }: Drawing): Buffer {
  const pitch = width * CHANNELS[colourType]!;
  const rows = Array.from({ length: height }, (_, y) => [
    Buffer.from([filters[y % filters.length]!]),
    Buffer.from(Uint8Array.from({ length: pitch }, (_, x) => bytes[(y * pitch + x) % bytes.length]!)),
  ]);
  return Buffer.concat(rows.flat());
}

/** A PNG of these bytes, whose data may come in several chunks, with other chunks before it. */
function png(drawing: Drawing, extra: readonly Buffer[] = [], parts = 1): Buffer {
  const data = deflateSync(lines(drawing));
  const length = Math.ceil(data.length / parts);
  const chunks = Array.from({ length: parts }, (_, i) => pngChunk('IDAT', data.subarray(i * length, (i + 1) * length)));
  return Buffer.concat([SIGNATURE, header(drawing), ...extra, ...chunks, END]);
}

const palette = Buffer.from(Uint8Array.from({ length: 768 }, (_, i) => (i * 151 + 7) & 255));

/** Compares with sharp's pixels, as the encoder would get them. */
async function expectSame(file: Uint8Array, size = 16): Promise<void> {
  const simple = decodeSimplePng(file);
  expect(simple).toBeDefined();
  const expected = await decodePicture(file, { size });
  expect(Buffer.compare(resizeArea(simple!, size), expected)).toBe(0);
}

const drawings = fc.record({
  width: fc.integer({ min: 1, max: 40 }),
  height: fc.integer({ min: 1, max: 40 }),
  colourType: fc.constantFrom(0, 2, 4, 6),
  filters: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 8 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 500 }),
});

describe('decodeSimplePng', () => {
  test('gives the pixels that sharp gives, whatever the colour type and the filters', async () => {
    await fc.assert(
      fc.asyncProperty(drawings, fc.integer({ min: 1, max: 3 }), async (drawing, parts) => {
        await expectSame(png(drawing, [], parts));
      }),
      { numRuns: 150 },
    );
  });

  test('gives the pixels that sharp gives for palettes, with and without transparency', async () => {
    await fc.assert(
      fc.asyncProperty(drawings, fc.integer({ min: 0, max: 256 }), async (drawing, transparent) => {
        const chunks = [pngChunk('PLTE', palette)];
        if (transparent > 0) chunks.push(pngChunk('tRNS', palette.subarray(0, transparent)));
        await expectSame(png({ ...drawing, colourType: 3 }, chunks));
      }),
      { numRuns: 60 },
    );
  });

  const plain: Drawing = { width: 9, height: 7, colourType: 2, filters: [1, 4], bytes: palette.subarray(0, 200) };

  test.each([
    ['gAMA', [0, 0, 0x27, 0x10]],
    ['sRGB', [0]],
    ['cHRM', new Array<number>(32).fill(40)],
    ['bKGD', [0, 9, 0, 9, 0, 9]],
    ['pHYs', [0, 0, 0, 9, 0, 0, 0, 3, 1]],
    ['tIME', [7, 230, 1, 1, 1, 1, 1]],
    ['tEXt', [...Buffer.from('Software\0nearmiss')]],
  ])('gives the pixels that sharp gives beside a chunk %s', async (type, content) => {
    await expectSame(png(plain, [pngChunk(type, Buffer.from(content))]));
  });

  test('gives the pixels that sharp gives of real pictures', async () => {
    const folder = new URL('../../node_modules/emoji-datasource-google/img/google/64/', import.meta.url);
    const names = readdirSync(folder).filter((_, index) => index % 60 === 0);
    expect(names.length).toBeGreaterThan(40);
    for (const name of names) await expectSame(readFileSync(new URL(name, folder)), 32);
  });

  const rgb = (): Sharp => sharp(palette.subarray(0, 300), { raw: { width: 10, height: 10, channels: 3 } });

  test.each([
    ['16 bits', () => rgb().toColourspace('rgb16').png().toBuffer()],
    ['interlaced', () => rgb().png({ progressive: true }).toBuffer()],
    ['few colours in less than 8 bits', () => rgb().png({ palette: true, colours: 4 }).toBuffer()],
    ['a colour profile', () => rgb().withIccProfile('p3').png().toBuffer()],
    [
      'an orientation',
      () =>
        rgb()
          .withExif({ IFD0: { Orientation: '6' } })
          .png()
          .toBuffer(),
    ],
    ['another format', () => rgb().jpeg().toBuffer()],
    ['a colour that is transparent', async () => png(plain, [pngChunk('tRNS', Buffer.from([0, 1, 0, 2, 0, 3]))])],
    ['a profile in a comment', async () => png(plain, [pngChunk('tEXt', Buffer.from('Raw profile type exif\0x'))])],
    ['a chunk it does not know', async () => png(plain, [pngChunk('quAQ', Buffer.from([1]))])],
    [
      'more than a few pixels',
      () =>
        sharp({ create: { width: 300, height: 300, channels: 3, background: 'red' } })
          .png()
          .toBuffer(),
    ],
    [
      'an index that the palette lacks',
      async () => png({ ...plain, colourType: 3 }, [pngChunk('PLTE', palette.subarray(0, 30))]),
    ],
    ['no palette', async () => png({ ...plain, colourType: 3 })],
    ['a header that lies', async () => pngClaiming(60_000, 60_000)],
    ['a header that claims a little more', async () => pngClaiming(20, 20)],
    [
      'more data than the header says',
      async () =>
        Buffer.concat([SIGNATURE, header({ ...plain, height: 3 }), pngChunk('IDAT', deflateSync(lines(plain))), END]),
    ],
    [
      'bytes after its data',
      async () =>
        Buffer.concat([
          SIGNATURE,
          header(plain),
          pngChunk('IDAT', Buffer.concat([deflateSync(lines(plain)), Buffer.from([0])])),
          END,
        ]),
    ],
    ['bytes after its end', async () => Buffer.concat([png(plain), Buffer.from([0])])],
    ['a filter that there is not', async () => png({ ...plain, filters: [5] })],
    [
      'an unknown colour type',
      async () =>
        Buffer.concat([
          SIGNATURE,
          header({ ...plain, colourType: 5 }),
          pngChunk('IDAT', deflateSync(lines(plain))),
          END,
        ]),
    ],
    ['no end', async () => png(plain).subarray(0, -12)],
    ['nothing', async () => Buffer.alloc(0)],
  ])('leaves a file with %s to sharp', async (_, make) => {
    expect(decodeSimplePng(await make())).toBeUndefined();
  });

  test('leaves a file to sharp wherever one of its bytes is changed or it is cut', () => {
    const file = png(plain, [pngChunk('sRGB', Buffer.from([0]))]);
    for (let at = 0; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 0x10;
      expect(decodeSimplePng(damaged), `byte ${at}`).toBeUndefined();
      expect(decodeSimplePng(file.subarray(0, at)), `${at} bytes`).toBeUndefined();
    }
  });
});
