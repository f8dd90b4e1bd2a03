import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { pictureSize } from '../../src/device/picture-size.js';

const picture = sharp({
  create: { width: 301, height: 77, channels: 4, background: { r: 9, g: 8, b: 7, alpha: 0.5 } },
});

describe('the size that a header states', () => {
  it.each([
    ['jpeg', 'baseline', picture.clone().jpeg()],
    ['jpeg', 'progressive, after EXIF', picture.clone().withMetadata({ orientation: 6 }).jpeg({ progressive: true })],
    ['webp', 'lossy', picture.clone().flatten().webp()],
    ['webp', 'lossless', picture.clone().flatten().webp({ lossless: true })],
    ['webp', 'extended', picture.clone().withMetadata({ orientation: 3 }).webp()],
  ] as const)('is read of %s, %s', async (format, _, file) => {
    const bytes = new Uint8Array(await file.toBuffer());
    // At an odd address, too.
    const odd = new Uint8Array(bytes.length + 1);
    odd.set(bytes, 1);
    expect(pictureSize(odd.subarray(1), format)).toEqual({ width: 301, height: 77 });
    for (let length = 0; length < 20; length++) expect(pictureSize(bytes.subarray(0, length), format)).toBeUndefined();
  });

  it('is not made up where there is none', () => {
    const nothing = new Uint8Array(100);
    expect(pictureSize(nothing, 'jpeg')).toBeUndefined();
    expect(pictureSize(nothing, 'webp')).toBeUndefined();
    expect(pictureSize(nothing, 'png')).toBeUndefined();
    // A marker of length 0 leads nowhere.
    expect(pictureSize(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0), 'jpeg')).toBeUndefined();
  });
});
