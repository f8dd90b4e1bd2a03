import { describe, expect, it } from 'vitest';
import { agreement } from '../../src/onnx/agreement.js';
import { randomStream } from '../../src/random.js';

const DIM = 4;

function unitRows(count: number, seed: number): Float32Array {
  const random = randomStream(seed, 1);
  const rows = new Float32Array(count * DIM);
  for (let row = 0; row < count; row++) {
    const values = Array.from({ length: DIM }, () => random.normal());
    const length = Math.hypot(...values);
    rows.set(
      values.map((value) => value / length),
      row * DIM,
    );
  }
  return rows;
}

describe('agreement', () => {
  it('is whole for the same embeddings', () => {
    const rows = unitRows(30, 1);
    const { cosineMean, cosineMin, neighbourOverlap } = agreement(rows, rows, DIM);
    expect(cosineMean).toBeCloseTo(1, 6);
    expect(cosineMin).toBeCloseTo(1, 6);
    expect(neighbourOverlap).toBe(1);
  });

  it('names the worst picture and is about chance for unrelated embeddings', () => {
    const rows = unitRows(200, 1);
    const turned = rows.slice();
    for (let i = 0; i < DIM; i++) turned[8 + i] = -rows[8 + i]!;
    expect(agreement(turned, rows, DIM).cosineMin).toBeCloseTo(-1, 6);
    expect(agreement(turned, rows, DIM).cosineMean).toBeCloseTo(198 / 200, 6);
    const { neighbourOverlap } = agreement(unitRows(200, 2), rows, DIM);
    expect(neighbourOverlap).toBeGreaterThan(0.02);
    expect(neighbourOverlap).toBeLessThan(0.09);
  });

  it('counts the ten nearest, the row itself left out', () => {
    // Points on a line of angles: the neighbours of each are known.
    const angles = Array.from({ length: 12 }, (_, i) => i * i * 0.01);
    const rows = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle), 0, 0]));
    const swapped = rows.slice();
    // Row 11, the farthest from all but 10, becomes the nearest of row 0: one of ten changes for most rows.
    swapped.set([Math.cos(0.001), Math.sin(0.001), 0, 0], 11 * DIM);
    const { neighbourOverlap } = agreement(swapped, rows, DIM);
    expect(neighbourOverlap).toBeGreaterThan(0.85);
    expect(neighbourOverlap).toBeLessThan(0.99);
  });

  it('takes pictures without features as equal only to each other, and is NaN where a number is', () => {
    const rows = unitRows(3, 4);
    const none = rows.slice().fill(0, 0, DIM);
    expect(agreement(none, none, DIM).cosineMin).toBeCloseTo(1, 6);
    expect(agreement(none, rows, DIM).cosineMin).toBe(0);
    const nan = rows.slice();
    nan[DIM] = Number.NaN;
    expect(agreement(nan, rows, DIM)).toMatchObject({ cosineMean: Number.NaN, cosineMin: Number.NaN });
  });
});
