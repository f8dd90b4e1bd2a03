import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import {
  centredUnit,
  colourHistograms,
  columnMean,
  fitLinearModel,
  PIXEL_WIDTH,
  pixelFeatures,
} from '../../src/evaluate/index.js';

describe('pixelFeatures', () => {
  it('averages blocks of pixels, channel by channel', () => {
    const picture = new Uint8Array(32 * 32 * 3);
    picture.set([10, 20, 30], (2 * 32 + 4) * 3);
    picture.set([30, 20, 10], (3 * 32 + 5) * 3);
    const features = pixelFeatures(picture, 32);
    expect(features.length).toBe(PIXEL_WIDTH);
    expect(Array.from(features.subarray((16 + 2) * 3, (16 + 2) * 3 + 3))).toEqual([10, 10, 10]);
    expect(features.reduce((sum, value) => sum + value, 0)).toBe(30);
  });

  it('keeps pictures apart and pixels as they are at 16x16', () => {
    const pictures = Uint8Array.from({ length: 2 * PIXEL_WIDTH }, (_, i) => i % 251);
    expect(Array.from(pixelFeatures(pictures, 16))).toEqual(Array.from(pictures));
  });

  it('refuses a size that is no multiple of 16', () => {
    expect(() => pixelFeatures(new Uint8Array(24 * 24 * 3), 24)).toThrow(NearmissError);
  });
});

describe('centredUnit', () => {
  it('subtracts the mean and scales to unit length', () => {
    const rows = Float32Array.of(1, 2, 7, 10);
    const mean = columnMean(rows, 2);
    expect(Array.from(mean)).toEqual([4, 6]);
    const found = centredUnit(rows, mean);
    [-0.6, -0.8, 0.6, 0.8].forEach((value, i) => {
      expect(found[i]).toBeCloseTo(value, 6);
    });
    expect(Array.from(rows)).toEqual([1, 2, 7, 10]);
  });
});

describe('fitLinearModel', () => {
  it('centres each source by its own mean, so a shift between the sources does not matter', () => {
    const a = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * 2.1) * (1 + (i % 3)));
    const b = a.map((value, i) => value + Math.cos(i * 5.3) * 0.1);
    const plain = fitLinearModel(a, b, 3);
    const shifted = fitLinearModel(
      a,
      b.map((value, i) => value + 100 * (i % 3)),
      3,
    );
    const expected = plain.b(b);
    shifted.b(b.map((value, i) => value + 100 * (i % 3))).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 3);
    });
    expect(plain.dimensions).toBe(3);
  });
});

describe('colourHistograms', () => {
  const picture = (...colours: (readonly [number, number, number])[]): Uint8Array => Uint8Array.from(colours.flat());

  it('puts each pixel into one cell of the cube, as the root of its share', () => {
    const black = [0, 0, 0] as const;
    const features = colourHistograms(picture(black, black, black, [255, 42, 43]), 2);
    expect(features).toHaveLength(216);
    expect(features[0]).toBeCloseTo(Math.sqrt(3 / 4), 6);
    // 255, 42, 43 are in parts 5, 0, 1 of six: 42 is the last value of the first part.
    expect(features[(5 * 6 + 0) * 6 + 1]).toBeCloseTo(1 / 2, 6);
    expect(features.filter((value) => value > 0)).toHaveLength(2);
  });

  it('has unit length, and an inner product of 0 for pictures without a colour in common', () => {
    const grey = Array.from({ length: 4 }, (_, i) => [i * 60, i * 60, i * 60] as const);
    const features = colourHistograms(picture(...grey, ...Array.from({ length: 4 }, () => [255, 0, 0] as const)), 2);
    const [a, b] = [features.subarray(0, 216), features.subarray(216)];
    const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    expect(dot(a, a)).toBeCloseTo(1, 6);
    expect(dot(b, b)).toBeCloseTo(1, 6);
    expect(dot(a, b)).toBe(0);
  });
});
