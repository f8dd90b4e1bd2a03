import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { LAB } from '../../src/encoders/index.js';
import { labChannels } from '../../src/encoders/lab.js';
import { install } from '../../src/tfjs/index.js';
import { rgbToLab } from '../onnx/reference.js';

beforeAll(async () => {
  await tf.setBackend('wasm');
  await install(tf, { precise: true });
});

/** L, a, b in their own units of bytes [r, g, b, r, g, b, …]. */
function lab(bytes: readonly number[]): number[][] {
  const count = bytes.length / 3;
  return tf.tidy(() => {
    const pixels = tf.tensor4d(
      bytes.map((byte) => (byte - 128) / 64),
      [1, count, 1, 3],
    );
    const light = labChannels(tf, pixels, 'l').dataSync();
    const colour = labChannels(tf, pixels, 'ab').dataSync();
    return Array.from({ length: count }, (_, i) =>
      [light[i]!, colour[2 * i]!, colour[2 * i + 1]!].map(
        (value, channel) => value * LAB.halfRange[channel]! + LAB.centre[channel]!,
      ),
    );
  });
}

describe('Lab channels', () => {
  it.each([
    [
      [255, 0, 0],
      [53.2406, 80.0923, 67.2028],
    ],
    [
      [10, 200, 90],
      [70.9458, -64.9003, 43.0517],
    ],
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
    [
      [255, 255, 255],
      [100, 0, 0],
    ],
  ])('of %j are those of scikit-image', (rgb, expected) => {
    const [found] = lab(rgb);
    for (const [channel, value] of expected.entries()) expect(found![channel]).toBeCloseTo(value, 2);
  });

  it('are the definition over the whole cube, and within -1 and 1 when scaled', () => {
    const levels = [0, 5, 10, 11, 64, 128, 200, 255];
    const colours = levels.flatMap((r) => levels.flatMap((g) => levels.map((b) => [r, g, b])));
    const found = lab(colours.flat());
    colours.forEach((rgb, i) => {
      const expected = rgbToLab(rgb);
      for (let channel = 0; channel < 3; channel++) {
        expect(Math.abs(found[i]![channel]! - expected[channel]!)).toBeLessThan(5e-3);
        const scaled = (found[i]![channel]! - LAB.centre[channel]!) / LAB.halfRange[channel]!;
        expect(Math.abs(scaled)).toBeLessThan(1.0001);
      }
    });
  });

  it('clip colours that augmentation has pushed out of range', () => {
    expect(lab([400, -50, 0])).toEqual(lab([255, 0, 0]));
  });
});
