import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { labelledRows } from '../../src/evaluate/index.js';

const labels = Int32Array.from({ length: 1130 }, (_, row) => (row < 1000 ? 0 : row < 1100 ? 1 : 2 + (row % 2)));
const countOf = (rows: Int32Array, label: number): number => rows.filter((row) => labels[row] === label).length;

describe('labelledRows', () => {
  it('keeps the same share of every class and one row of the smallest', () => {
    const rows = labelledRows(labels, 0.01, 4);
    expect([0, 1, 2, 3].map((label) => countOf(rows, label))).toEqual([10, 1, 1, 1]);
    expect([0, 1, 2, 3].map((label) => countOf(labelledRows(labels, 0.1, 4), label))).toEqual([100, 10, 2, 2]);
    expect(labelledRows(labels, 1)).toEqual(Int32Array.from(labels.keys()));
  });

  it('draws by the seed alone, and more labels add rows to fewer', () => {
    expect(labelledRows(labels, 0.1, 4)).toEqual(labelledRows(labels, 0.1, 4));
    expect(labelledRows(labels, 0.1, 5)).not.toEqual(labelledRows(labels, 0.1, 4));
    const more = new Set(labelledRows(labels, 0.1, 4));
    for (const row of labelledRows(labels, 0.01, 4)) expect(more.has(row)).toBe(true);
  });

  it('refuses shares outside (0, 1]', () => {
    for (const share of [0, 1.1, Number.NaN]) expect(() => labelledRows(labels, share)).toThrow(NearmissError);
  });
});
