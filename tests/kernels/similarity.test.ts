import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, read, TIERS, zeros } from '../negatives/embeddings.js';

const EPS = 2 ** -24;

function random(length: number, ...key: number[]): Float32Array {
  const stream = randomStream(77, ...key);
  return Float32Array.from({ length }, () => stream.normal());
}

/** Rows of a panel or slices pack, read back in order. */
const fromPanels = (panels: Float32Array, count: number, dim: number): number[] =>
  Array.from({ length: count * dim }, (_, n) => {
    const [i, k] = [Math.floor(n / dim), n % dim];
    return panels[(i >> 3) * dim * 8 + k * 8 + (i & 7)]!;
  });
const fromSlices = (slices: Float32Array, count: number, dim: number, padded: number): number[] =>
  Array.from({ length: count * dim }, (_, n) => {
    const [i, k] = [Math.floor(n / dim), n % dim];
    return slices[((k >> 3) * padded + i) * 8 + (k & 7)]!;
  });

describe.each(TIERS)('similarity kernels, %s SIMD', async (tier) => {
  const kernels = await kernelsOf(tier);
  const { exports, heap } = kernels;

  // Width 8: lengths 0, 1, width - 1, width, width + 1, 2 width + 3.
  const LENGTHS = [0, 1, 7, 8, 9, 19];

  it.each(LENGTHS)('pack and unpack %i rows of any dimension from any address', (count) => {
    for (const dim of [1, 7, 8, 9, 19]) {
      const padded = Math.ceil(count / 8) * 8;
      const width = Math.ceil(dim / 8) * 8;
      const rows = random(count * dim, count, dim);
      const at = place(heap, rows, 5);
      const panels = place(heap, new Float32Array(padded * dim).fill(9), 3);
      const slices = place(heap, new Float32Array(padded * width).fill(9), 3);
      exports.packPanels(at, count, dim, panels);
      exports.packSlices(at, count, dim, padded, slices);
      const [foundPanels, foundSlices] = [read(heap, panels, padded * dim), read(heap, slices, padded * width)];
      expect(fromPanels(foundPanels, count, dim)).toEqual([...rows]);
      expect(fromSlices(foundSlices, count, dim, padded)).toEqual([...rows]);
      const filled = (values: Float32Array): number => values.filter((v) => v !== 0).length;
      expect(filled(foundPanels)).toBe(filled(rows));
      expect(filled(foundSlices)).toBe(filled(rows));
      exports.addSlices(slices, count, dim, padded, at);
      expect(read(heap, at, count * dim)).toEqual(rows.map((v) => v + v));
    }
  });

  it.each([0, 1, 3, 4, 5, 11])('multiply rows of dimension %i pairwise', (dim) => {
    const [a, b] = [random(5 * dim, 1, dim), random(5 * dim, 2, dim)];
    const [out, scales] = [zeros(heap, 5, 1), random(5, 3)];
    const at = place(heap, b, 2);
    exports.rowDots(place(heap, a, 1), at, 5, dim, out);
    exports.addScaledRows(place(heap, scales, 3), place(heap, a, 1), 5, dim, at);
    const [dots, sums] = [read(heap, out, 5), read(heap, at, 5 * dim)];
    for (let i = 0; i < 5; i++) {
      let dot = 0;
      for (let k = i * dim; k < (i + 1) * dim; k++) {
        dot += a[k]! * b[k]!;
        expect(Math.abs(sums[k]! - (b[k]! + scales[i]! * a[k]!))).toBeLessThan(4 * EPS * 8);
      }
      expect(Math.abs(dots[i]! - dot)).toBeLessThan(EPS * 8 * Math.sqrt(dim + 1));
    }
  });

  it.each([0, 1, 7, 8, 9, 19])('tiles of dot products in dimension %i have the bits of their transposes', (dim) => {
    const [rows, columns] = [16, 24];
    const [a, b] = [random(rows * dim, 4, dim), random(columns * dim, 5, dim)];
    const [pa, pb] = [zeros(heap, rows * dim, 4), zeros(heap, columns * dim, 4)];
    exports.packPanels(place(heap, a), rows, dim, pa);
    exports.packPanels(place(heap, b), columns, dim, pb);
    const [out, mirror, turned] = [zeros(heap, rows * 30, 4), zeros(heap, columns * rows), zeros(heap, columns * rows)];
    exports.similarityTile(pa, rows, pb, columns, dim, out, 120);
    exports.similarityTile(pb, columns, pa, rows, dim, mirror, 4 * rows);
    exports.transposeTile(out, 120, rows, columns, turned, 4 * rows);
    expect(read(heap, turned, columns * rows)).toEqual(read(heap, mirror, columns * rows));
    const found = read(heap, out, rows * 30);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let dot = 0;
        for (let k = 0; k < dim; k++) dot += a[i * dim + k]! * b[j * dim + k]!;
        expect(Math.abs(found[i * 30 + j]! - dot)).toBeLessThan(EPS * 16 * Math.sqrt(dim + 1));
      }
      // Nothing is written between the rows.
      for (let j = columns; j < 30; j++) expect(found[i * 30 + j]).toBe(0);
    }
  });

  it.each([0, 1, 3, 8, 64])('weighted sums add %i rows by rows and by columns', (depth) => {
    const [rows, slices] = [12, 2];
    const width = slices * 8;
    const weights = random(rows * depth, 6, depth);
    const z = random(depth * width, 7, depth);
    const packed = zeros(heap, depth * width, 4);
    exports.packSlices(place(heap, z), depth, width, depth, packed);
    const byRows = zeros(heap, rows * width, 4);
    exports.addWeightedRows(
      place(heap, weights),
      4 * depth,
      rows,
      depth,
      packed,
      32 * depth,
      byRows,
      32 * rows,
      slices,
    );
    const turned = Float32Array.from(
      { length: rows * depth },
      (_, n) => weights[(n % rows) * depth + Math.floor(n / rows)]!,
    );
    const byColumns = zeros(heap, rows * width, 4);
    exports.addWeightedColumns(
      place(heap, turned),
      4 * rows,
      rows,
      depth,
      packed,
      32 * depth,
      byColumns,
      32 * rows,
      slices,
    );
    for (const sums of [byRows, byColumns]) {
      const found = fromSlices(read(heap, sums, rows * width), rows, width, rows);
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < width; k++) {
          let sum = 0;
          for (let j = 0; j < depth; j++) sum += weights[i * depth + j]! * z[j * width + k]!;
          expect(Math.abs(found[i * width + k]! - sum)).toBeLessThan(EPS * 16 * Math.sqrt(depth + 1));
        }
      }
    }
  });

  it.each([0, 1, 3, 4, 5, 11])('powers of two of %i numbers are right to 2e-7, and 0 where they vanish', (count) => {
    const stream = randomStream(8, count);
    for (let round = 0; round < 200; round++) {
      const values = Float32Array.from({ length: count }, () => stream.uniform() * 252.9 - 126);
      const out = zeros(heap, count, 1);
      exports.exp2Array(place(heap, values, 2), count, out);
      read(heap, out, count).forEach((found, i) => {
        expect(Math.abs(found / 2 ** values[i]! - 1)).toBeLessThan(2e-7);
      });
    }
    const out = zeros(heap, 4);
    exports.exp2Array(place(heap, Float32Array.from([Number.NEGATIVE_INFINITY, -127, 0, -126])), 4, out);
    expect([...read(heap, out, 4)]).toEqual([0, 0, 1, 2 ** -126]);
  });
});
