import sharp from 'sharp';
import { describe, expect, test, vi } from 'vitest';
import { decodePicture, resizeArea } from '../../src/images/index.js';
import { codeOf, plainPng, pngClaiming, QUARTERS, quarters } from './files.js';

/** Colours at the middles of the four quarters of a decoded picture. */
function corners(pixels: Uint8Array, size: number): number[][] {
  const [near, far] = [Math.floor(size / 4), Math.floor((3 * size) / 4)];
  return [
    [near, near],
    [near, far],
    [far, near],
    [far, far],
  ].map(([y, x]) => [...pixels.subarray(((y as number) * size + (x as number)) * 3).subarray(0, 3)]);
}

function expectClose(found: number[][], wanted: readonly (readonly number[])[], tolerance: number): void {
  found.forEach((colour, i) => {
    colour.forEach((value, c) => {
      expect(Math.abs(value - (wanted[i]?.[c] as number)), `quarter ${i}: ${colour}`).toBeLessThanOrEqual(tolerance);
    });
  });
}

describe('decodePicture', () => {
  test.each([
    ['PNG', () => quarters(64).png(), 0],
    ['interlaced PNG', () => quarters(64).png({ progressive: true }), 0],
    ['palette PNG', () => quarters(64).png({ palette: true }), 0],
    ['16-bit PNG', () => quarters(64).toColourspace('rgb16').png(), 0],
    ['JPEG', () => quarters(64).jpeg({ quality: 95 }), 12],
    ['progressive JPEG', () => quarters(64).jpeg({ quality: 95, progressive: true }), 12],
    ['lossless WebP', () => quarters(64).webp({ lossless: true }), 0],
    ['WebP', () => quarters(64).webp({ quality: 95 }), 12],
    ['AVIF', () => quarters(64).avif({ quality: 90 }), 12],
    ['GIF', () => quarters(64).gif(), 4],
  ])('reads %s', async (_, make, tolerance) => {
    const pixels = await decodePicture(await make().toBuffer(), { size: 32 });
    expect(pixels).toHaveLength(32 * 32 * 3);
    expectClose(corners(pixels, 32), QUARTERS, tolerance);
  });

  test('reads a CMYK JPEG as RGB', async () => {
    // JPEG stores no alpha and sharp converts by profile: a red stays clearly red.
    const bytes = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#c81e1e' } })
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer();
    expect((await sharp(bytes).metadata()).channels).toBe(4);
    const [r, g, b] = (await decodePicture(bytes, { size: 8 })) as unknown as [number, number, number];
    expect(r).toBeGreaterThan(150);
    expect(Math.max(g, b)).toBeLessThan(90);
  });

  test.each([1, 2])('reads grey with %i channels', async (channels) => {
    const data = new Uint8Array(64 * channels).fill(255);
    for (let i = 0; i < 64; i++) data[i * channels] = 100;
    const bytes = await sharp(data, { raw: { width: 8, height: 8, channels: channels as 1 | 2 } })
      .png()
      .toBuffer();
    expect(new Set(await decodePicture(bytes, { size: 4 }))).toEqual(new Set([100]));
  });

  test('reads 16-bit grey', async () => {
    const data = new Uint16Array(64).fill(100 * 257);
    const bytes = await sharp(data, { raw: { width: 8, height: 8, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer();
    expect((await sharp(bytes).metadata()).depth).toBe('ushort');
    expect(new Set(await decodePicture(bytes, { size: 4 }))).toEqual(new Set([100]));
  });

  test('reads the first frame of an animation', async () => {
    const frames = await Promise.all(['#ff0000', '#0000ff'].map((colour) => plainPng(colour)));
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    expect([...(await decodePicture(gif, { size: 1 }))]).toEqual([255, 0, 0]);
  });

  test('shows transparent parts on white', async () => {
    const bytes = await sharp({
      create: { width: 8, height: 8, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.4 } },
    })
      .png()
      .toBuffer();
    // alpha .4 is stored as 102: 255 - 102 of white shows through red.
    expect([...(await decodePicture(bytes, { size: 1 }))]).toEqual([255, 153, 153]);
  });

  test.each([
    ['a small JPEG', 60, 40, 6],
    // Shrunk while decoding: an edge of full contrast spreads over a quarter of an output pixel.
    ['a large JPEG', 1200, 800, 30],
  ])('turns %s as its EXIF says', async (_, width, height, tolerance) => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const bytes = await quarters(width, height).jpeg({ quality: 98 }).withMetadata({ orientation }).toBuffer();
      const upright = await sharp(bytes).autoOrient().png().toBuffer();
      const found = await decodePicture(bytes, { size: 16 });
      const wanted = await decodePicture(upright, { size: 16 });
      const error = found.reduce((most, value, k) => Math.max(most, Math.abs(value - (wanted[k] as number))), 0);
      expect(error, `orientation ${orientation}`).toBeLessThanOrEqual(tolerance);
    }
  });

  test.each([769, 1001, 1300])('a JPEG %i pixels wide is close to a whole decode', async (width) => {
    const height = Math.round(width * 0.7);
    const bytes = await sharp({
      create: {
        width,
        height,
        channels: 3,
        background: '#000',
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
      .blur(3)
      .normalise()
      .jpeg({ quality: 90 })
      .toBuffer();
    const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    const whole = resizeArea({ data, width, height, channels: 3 }, 48);
    const found = await decodePicture(bytes, { size: 48 });
    const errors = [...found].map((value, k) => Math.abs(value - (whole[k] as number)));
    expect(Math.max(...errors)).toBeLessThanOrEqual(10);
    expect(errors.reduce((sum, error) => sum + error) / errors.length).toBeLessThan(1);
    expect(await decodePicture(bytes, { size: 48 })).toEqual(found);
  });

  test('pads to a white square by default and crops when asked', async () => {
    const bytes = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#000' } })
      .png()
      .toBuffer();
    const padded = await decodePicture(bytes, { size: 4 });
    const rows = [0, 1, 2, 3].map((row) => [...new Set(padded.subarray(row * 12, row * 12 + 12))]);
    expect(rows).toEqual([[255], [0], [0], [255]]);
    expect(new Set(await decodePicture(bytes, { size: 4, fit: 'crop' }))).toEqual(new Set([0]));
  });

  describe('refuses', () => {
    const reasonOf = async (bytes: Uint8Array, limits: object = {}): Promise<string> => {
      try {
        await decodePicture(bytes, { size: 32, ...limits });
      } catch (error) {
        expect((error as { code?: string }).code).toBe('NM_PICTURE_INVALID');
        return (error as Error).message;
      }
      return 'read';
    };

    test('a bomb by its header, without decoding it', async () => {
      const before = process.memoryUsage().rss;
      expect(await reasonOf(pngClaiming(60000, 60000))).toBe('60000x60000 pixels, allowed: 100000000');
      expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
    });

    test.each([
      ['JPEG', () => quarters(100, 90).jpeg()],
      ['WebP', () => quarters(100, 90).webp()],
      ['AVIF', () => quarters(100, 90).avif()],
      ['GIF', () => quarters(100, 90).gif()],
    ])('a %s over the limit of pixels', async (_, make) => {
      expect(await reasonOf(await make().toBuffer(), { maxPixels: 8999 })).toBe('100x90 pixels, allowed: 8999');
    });

    test('a file over the limit of bytes', async () => {
      expect(await reasonOf(new Uint8Array(101), { maxBytes: 100 })).toBe('101 bytes, allowed: 100');
    });

    test.each([
      ['PNG', () => quarters(200).png({ compressionLevel: 0 })],
      ['JPEG', () => quarters(200).jpeg()],
      ['large JPEG', () => quarters(1600).jpeg()],
      ['WebP', () => quarters(200).webp({ lossless: true })],
      ['AVIF', () => quarters(200).avif()],
      ['GIF', () => quarters(200).gif()],
    ])('a truncated %s', async (_, make) => {
      const bytes = await make().toBuffer();
      for (const part of [0.7, 0.3]) {
        expect(await reasonOf(bytes.subarray(0, Math.floor(bytes.length * part)))).toMatch(
          /^cannot be decoded \(.+\)$/,
        );
      }
    });

    test.each([
      ['JPEG', () => quarters(200).jpeg(), 'cannot be decoded (premature end of JPEG image)'],
      ['AVIF', () => quarters(200).avif(), /^cannot be decoded \(Invalid input: /],
      ['GIF', () => quarters(200).gif(), 'cannot be decoded (Unexpected end of GIF source data)'],
    ])('and says of a truncated %s what is wrong', async (_, make, reason) => {
      const bytes = await make().toBuffer();
      expect(await reasonOf(bytes.subarray(0, Math.floor(bytes.length / 2)))).toMatch(reason);
    });

    test('damaged data inside a PNG', async () => {
      const bytes = await quarters(200).png().toBuffer();
      bytes.fill(0x55, 60, 90);
      expect(await reasonOf(bytes)).toMatch(/^cannot be decoded/);
    });

    test.each([
      ['nothing', new Uint8Array(0), 'empty file'],
      ['text', Buffer.from('not a picture'), 'not a picture; allowed: PNG, JPEG, WebP, AVIF, GIF'],
      ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'SVG is not read; render it to PNG first'],
      [
        'SVG with a prologue',
        Buffer.from('<?xml version="1.0"?>\n<!-- x -->\n<svg/ >'.replace('/ ', ' ')),
        'SVG is not read; render it to PNG first',
      ],
      ['a TIFF', Buffer.from('II*\0aaaaaaaaaaaaaaaaaaaaaaaa'), 'not a picture; allowed: PNG, JPEG, WebP, AVIF, GIF'],
      [
        'a film',
        Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp42aaaa', 'latin1'),
        /^not a picture that can be read \(isom file\)/,
      ],
      [
        'the first bytes of a PNG',
        Buffer.from([0x89, 0x50, 0x4e, 0x47]),
        'not a picture; allowed: PNG, JPEG, WebP, AVIF, GIF',
      ],
      ['the first bytes of a JPEG', Buffer.from([0xff, 0xd8, 0xff, 0xe0]), /^cannot be decoded/],
    ])('%s', async (_, bytes, reason) => {
      if (typeof reason === 'string') expect(await reasonOf(bytes)).toBe(reason);
      else expect(await reasonOf(bytes)).toMatch(reason);
    });

    test('a PNG of no width', async () => {
      expect(await reasonOf(pngClaiming(0, 5))).toBe('0x5 pixels, allowed: at least 1x1');
    });
  });

  test('refuses options that are not allowed', async () => {
    const bytes = await plainPng('#fff');
    const refused = [
      { size: 0 },
      { size: 1.5 },
      { size: 8, fit: 'stretch' },
      { size: 8, maxPixels: 0 },
      { size: 8, maxSeconds: 0 },
      { size: 8, maxSeconds: 1.5 },
    ];
    for (const options of refused) {
      expect(await codeOf(() => decodePicture(bytes, options as { size: number }))).toBe('NM_OPTION_INVALID');
    }
  });

  test('gives up on a picture that takes too long', async () => {
    const seconds: number[] = [];
    // libvips at its slowest: a picture that takes a second is too much for a test.
    const slow = {
      timeout: (options: { seconds: number }) => {
        seconds.push(options.seconds);
        return slow;
      },
      autoOrient: () => slow,
      toColourspace: () => slow,
      raw: () => slow,
      toBuffer: () => Promise.reject(new Error('timeout: 46% complete')),
    };
    vi.resetModules();
    const fresh = await import('../../src/images/decode.js');
    await fresh.loadSharp((() => Promise.resolve({ default: () => slow })) as never);
    const decoding = fresh.decodePicture(await plainPng('#fff'), { size: 8, maxSeconds: 3 });
    await expect(decoding).rejects.toMatchObject({ code: 'NM_PICTURE_INVALID', message: 'takes too long to decode' });
    expect(seconds).toEqual([3]);
  });

  test('says what to install when sharp is missing', async () => {
    const missing = (): Promise<never> => Promise.reject(new Error("Cannot find package 'sharp'"));
    // A module of its own: sharp is loaded once, and here it is loaded already.
    vi.resetModules();
    const fresh = await import('../../src/images/decode.js');
    expect(await codeOf(() => fresh.loadSharp(missing))).toBe('NM_SHARP_MISSING');
    // The failure is not remembered: installing it helps without a restart.
    expect(await fresh.loadSharp()).toBeTypeOf('function');
  });
});
