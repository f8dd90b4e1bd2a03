import { describe, expect, it } from 'vitest';
import { quantiseMatrix, quantiseParameters } from '../../src/onnx/quantise-weights.js';

describe('quantiseParameters', () => {
  it('gives each output channel the scale of its own largest weight', () => {
    const kernel = Float32Array.of(0.5, -1, 0.25, 100, 50, -75);
    const { weight, weightScale, bias, biasScale } = quantiseParameters(kernel, Float32Array.of(0.5, -3), 0.5, 127);
    expect([...weight]).toEqual([64, -127, 32, 127, 64, -95]);
    expect(weightScale[0]).toBeCloseTo(1 / 127, 7);
    expect(weightScale[1]).toBeCloseTo(100 / 127, 5);
    expect([...biasScale]).toEqual([...weightScale].map((scale) => Math.fround(scale * 0.5)));
    expect([...bias]).toEqual([127, -8]);
  });

  it('keeps to 7 bits', () => {
    const { weight } = quantiseParameters(Float32Array.of(1, -1, 0.25), Float32Array.of(0), 1, 63);
    expect([...weight]).toEqual([63, -63, 16]);
  });

  it('widens the scale of a channel whose bias would overflow 32 bits', () => {
    const { weight, bias, biasScale } = quantiseParameters(
      Float32Array.of(1e-12, -1e-12),
      Float32Array.of(2),
      0.01,
      127,
    );
    expect(bias[0]! * biasScale[0]!).toBeCloseTo(2, 5);
    expect(Math.abs(bias[0]!)).toBeLessThanOrEqual(2 ** 30);
    expect([...weight].map(Math.abs)).toEqual([0, 0]);
  });

  it('gives integers and usable scales for a channel of zeros', () => {
    const found = quantiseParameters(new Float32Array(4), new Float32Array(2), 1 / 64, 127);
    expect([...found.weight, ...found.bias]).toEqual([0, 0, 0, 0, 0, 0]);
    for (const scale of [...found.weightScale, ...found.biasScale]) expect(scale).toBeGreaterThan(1.2e-38);
  });
});

describe('quantiseMatrix', () => {
  it('turns the matrix round, scales each output by itself, and keeps what the mean row gives', () => {
    // [inputs 3, outputs 2]
    const values = Float32Array.of(1, 0.013, -0.4, 0.002, 0.35, -0.008);
    const mean = Float64Array.of(2, -1, 5);
    const { matrix, scale, bias } = quantiseMatrix(values, Float32Array.of(0.25, -1), mean);
    expect([...matrix]).toEqual([127, -51, 44, 127, 20, -78]);
    expect(scale[0]).toBeCloseTo(1 / 127, 7);
    expect(scale[1]).toBeCloseTo(0.013 / 127, 9);
    for (const output of [0, 1]) {
      const product = (weights: (input: number) => number): number =>
        mean.reduce((sum, value, input) => sum + value * weights(input), 0);
      const before = product((input) => values[input * 2 + output]!) + [0.25, -1][output]!;
      const after = product((input) => matrix[output * 3 + input]! * scale[output]!) + bias[output]!;
      expect(after).toBeCloseTo(before, 6);
    }
  });
});
