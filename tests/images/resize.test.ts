import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DecodedPixels, type Fit, resizeArea } from '../../src/images/index.js';
import { randomStream } from '../../src/random.js';

function noise(width: number, height: number, channels: number, seed: number): DecodedPixels {
  const random = randomStream(seed);
  const data = Uint8Array.from({ length: width * height * channels }, () => random.integer(256));
  return { data, width, height, channels };
}

/** The average of the picture, on white, over each output pixel: by integration, without passes or rounding between. */
function reference({ data, width, height, channels }: DecodedPixels, size: number, fit: Fit): Float64Array {
  const extent = fit === 'pad' ? Math.max(width, height) : Math.min(width, height);
  const [left, top] = [(width - extent) / 2, (height - extent) / 2];
  const cell = extent / size;
  const overlap = (pixel: number, from: number): number =>
    Math.max(0, Math.min(pixel + 1, from + cell) - Math.max(pixel, from));
  const result = new Float64Array(size * size * 3);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      for (let c = 0; c < 3; c++) {
        let sum = 255 * cell * cell;
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const at = (y * width + x) * channels;
            const alpha = channels === 4 ? (data[at + 3] as number) : channels === 2 ? (data[at + 1] as number) : 255;
            const value = data[at + (channels > 2 ? c : 0)] as number;
            const weight = overlap(y, top + i * cell) * overlap(x, left + j * cell);
            sum += weight * ((value * alpha) / 255 + 255 - alpha - 255);
          }
        }
        result[(i * size + j) * 3 + c] = sum / (cell * cell);
      }
    }
  }
  return result;
}

describe('resizeArea', () => {
  test('halves as Pillow does: rows first, each pass rounded with halves up', () => {
    // (1 + 2) / 2 -> 2, (2 + 2) / 2 -> 2, (2 + 2) / 2 -> 2; the exact mean 1.75 also rounds to 2
    // (0 + 1) / 2 -> 1, (0 + 0) / 2 -> 0, (1 + 0) / 2 -> 1; the exact mean 0.25 would round to 0
    const grey = (values: number[]): DecodedPixels => ({
      data: Uint8Array.from(values),
      width: 2,
      height: 2,
      channels: 1,
    });
    expect([...resizeArea(grey([1, 2, 2, 2]), 1)]).toEqual([2, 2, 2]);
    expect([...resizeArea(grey([0, 1, 0, 0]), 1)]).toEqual([1, 1, 1]);
  });

  test('is the average under each output pixel, on white, for any size, channels and fit', () => {
    const side = fc.integer({ min: 1, max: 14 });
    fc.assert(
      fc.property(
        side,
        side,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom<Fit>('pad', 'crop'),
        fc.integer({ min: 0, max: 999 }),
        (width, height, channels, size, fit, seed) => {
          const pixels = noise(width, height, channels, seed);
          const found = resizeArea(pixels, size, fit);
          // Half a level for each pass, and half for compositing.
          reference(pixels, size, fit).forEach((value, k) => {
            expect(Math.abs((found[k] as number) - value)).toBeLessThanOrEqual(1.5 + 1e-9);
          });
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });

  test('leaves a picture of the right size as it is', () => {
    const pixels = noise(9, 9, 3, 4);
    expect(resizeArea(pixels, 9)).toEqual(pixels.data);
  });

  test('repeats pixels when it enlarges by a whole factor', () => {
    const { data } = noise(2, 2, 3, 5);
    const found = resizeArea({ data, width: 2, height: 2, channels: 3 }, 4);
    for (let k = 0; k < 48; k++) {
      const [i, j, c] = [Math.floor(k / 12), Math.floor(k / 3) % 4, k % 3];
      expect(found[k]).toBe(data[((i >> 1) * 2 + (j >> 1)) * 3 + c]);
    }
  });

  test('composites every value and alpha to the nearest level', () => {
    const data = new Uint8Array(256 * 256 * 2);
    for (let k = 0; k < 65536; k++) data.set([k >> 8, k & 255], 2 * k);
    const found = resizeArea({ data, width: 256, height: 256, channels: 2 }, 256);
    let wrong = 0;
    for (let k = 0; k < 65536; k++) {
      const exact = ((k >> 8) * (k & 255)) / 255 + 255 - (k & 255);
      if (found[3 * k] !== Math.round(exact)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
