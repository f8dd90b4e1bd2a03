import { describe, expect, it } from 'vitest';
import { applyReadOut, poolGrid, readOutDimensions, unitLength } from '../../src/encoders/readout.js';
import { randomStream } from '../../src/random.js';

describe('poolGrid', () => {
  it('averages each quarter in the order y, x, channel', () => {
    // One map of 4 x 4 with channels (row number, column number).
    const map = new Float32Array(32);
    for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) map.set([y, x], (y * 4 + x) * 2);
    expect(Array.from(poolGrid(map, [1, 4, 4, 2], 2))).toEqual([0.5, 0.5, 0.5, 2.5, 2.5, 0.5, 2.5, 2.5]);
    expect(Array.from(poolGrid(map, [1, 4, 4, 2], 1))).toEqual([1.5, 1.5]);
  });

  it('lets regions of an odd map share its middle, as adaptive_avg_pool2d does', () => {
    // torch.nn.functional.adaptive_avg_pool2d(torch.arange(15.).view(1, 1, 3, 5), 2) is [[3.5, 5.5], [8.5, 10.5]].
    const map = Float32Array.from({ length: 15 }, (_, i) => i);
    expect(Array.from(poolGrid(map, [1, 3, 5, 1], 2))).toEqual([3.5, 5.5, 8.5, 10.5]);
  });

  it('keeps pictures apart', () => {
    const map = Float32Array.of(1, 2, 3, 4, 10, 20, 30, 40);
    expect(Array.from(poolGrid(map, [2, 2, 2, 1], 2))).toEqual(Array.from(map));
    expect(Array.from(poolGrid(map, [2, 2, 2, 1], 1))).toEqual([2.5, 25]);
  });
});

describe('applyReadOut', () => {
  it('equals the formula in float64: subtract, multiply, unit length', () => {
    const random = randomStream(3);
    const draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());
    const [count, width, dimensions] = [5, 7, 3];
    const features = draw(count * width);
    const whitening = { mean: draw(width), matrix: draw(width * dimensions), dimensions };
    const found = applyReadOut(features, width, { pool: 1, whitening });
    for (let row = 0; row < count; row++) {
      const y = [0, 1, 2].map((j) => {
        let sum = 0;
        for (let i = 0; i < width; i++) {
          sum += (features[row * width + i]! - whitening.mean[i]!) * whitening.matrix[i * dimensions + j]!;
        }
        return sum;
      });
      const length = Math.hypot(...y);
      y.forEach((value, j) => {
        expect(found[row * dimensions + j]).toBeCloseTo(value / length, 6);
      });
    }
  });

  it('scales to unit length without a whitening and leaves its input as it is', () => {
    const features = Float32Array.of(3, 4, 0, 0);
    const found = applyReadOut(features, 2, { pool: 1 });
    expect(found[0]).toBeCloseTo(0.6, 7);
    expect(found[1]).toBeCloseTo(0.8, 7);
    expect(Array.from(found.subarray(2))).toEqual([0, 0]);
    expect(Array.from(features)).toEqual([3, 4, 0, 0]);
  });

  it('keeps unit length where squares leave the range of float32', () => {
    expect(Math.hypot(...unitLength(Float32Array.of(1e30, 1e30), 2))).toBeCloseTo(1, 6);
  });
});

describe('readOutDimensions', () => {
  it('is that of the whitening, else that of the grid', () => {
    const whitening = { mean: new Float32Array(8), matrix: new Float32Array(24), dimensions: 3 };
    expect(readOutDimensions({ pool: 2, whitening }, 2)).toBe(3);
    expect(readOutDimensions({ pool: 2 }, 5)).toBe(20);
    expect(readOutDimensions({ pool: 1 }, 5)).toBe(5);
  });
});
