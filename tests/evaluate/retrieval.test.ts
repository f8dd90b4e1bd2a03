import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import {
  classRanks,
  nearestNeighbours,
  recallAt,
  retrievalQuality,
  retrievalRanks,
  topRows,
} from '../../src/evaluate/index.js';

const code = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof NearmissError) return error.code;
    throw error;
  }
  return undefined;
};

/** Small whole numbers: every sum is exact, and ties are frequent. */
const matrix = (rows: number, width: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.integer({ min: -2, max: 2 }), { minLength: rows * width, maxLength: rows * width })
    .map((values) => Float32Array.from(values));

const problem = fc
  .record({
    queries: fc.integer({ min: 1, max: 70 }),
    size: fc.integer({ min: 1, max: 11 }),
    width: fc.integer({ min: 1, max: 5 }),
  })
  .chain(({ queries, size, width }) =>
    fc.record({
      q: matrix(queries, width),
      g: matrix(size, width),
      width: fc.constant(width),
      size: fc.constant(size),
      targets: fc.array(fc.integer({ min: 0, max: size - 1 }), { minLength: queries, maxLength: queries }),
    }),
  );

function scoresOf(q: Float32Array, g: Float32Array, width: number, query: number): number[] {
  return Array.from({ length: g.length / width }, (_, row) => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += q[query * width + k]! * g[row * width + k]!;
    return sum;
  });
}

describe('retrievalRanks', () => {
  it('counts the rows that score at least as much as the right one', () => {
    fc.assert(
      fc.property(problem, ({ q, g, width, targets }) => {
        const ranks = retrievalRanks(q, g, width, targets);
        targets.forEach((target, query) => {
          const scores = scoresOf(q, g, width, query);
          expect(ranks[query]).toBe(scores.filter((score) => score >= scores[target]!).length);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('counts ties against the query: a duplicate of the right row makes it second', () => {
    const gallery = Float32Array.of(1, 0, 0, 1, 1, 0);
    expect(Array.from(retrievalRanks(Float32Array.of(1, 0), gallery, 2, [0]))).toEqual([2]);
    expect(Array.from(retrievalRanks(Float32Array.of(1, 0), gallery, 2, [2]))).toEqual([2]);
  });

  it('sees duplicates as equal wherever they stand in a gallery of real numbers', () => {
    const width = 37;
    for (const size of [4, 5, 9]) {
      const row = Float32Array.from({ length: width }, (_, i) => Math.sin(i * 1.7));
      const gallery = new Float32Array(size * width);
      for (let i = 0; i < size; i++) gallery.set(row, i * width);
      const queries = new Float32Array(size * width).map((_, i) => Math.cos(i * 0.3));
      const targets = Array.from({ length: size }, (_, i) => i);
      expect(Array.from(retrievalRanks(queries, gallery, width, targets))).toEqual(new Array(size).fill(size));
    }
  });

  it('ranks a collapsed encoder last, and one that gives NaN', () => {
    const same = new Float32Array(20).fill(0.5);
    expect(Array.from(retrievalRanks(same, same, 2, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))).toEqual(new Array(10).fill(10));
    const broken = new Float32Array(6).fill(Number.NaN);
    expect(Array.from(retrievalRanks(Float32Array.of(1, 1), broken, 2, [1]))).toEqual([3]);
  });

  it('refuses targets that are not in the gallery and rows that are not whole', () => {
    const rows = new Float32Array(4);
    expect(code(() => retrievalRanks(rows, rows, 2, [0, 2]))).toBe('NM_SHAPE_MISMATCH');
    expect(code(() => retrievalRanks(rows, rows, 2, [0]))).toBe('NM_SHAPE_MISMATCH');
    expect(code(() => retrievalRanks(rows, rows, 3, [0]))).toBe('NM_SHAPE_MISMATCH');
  });
});

describe('retrievalQuality', () => {
  it('is recall at 1, 5, 10 and the mean reciprocal rank', () => {
    const quality = retrievalQuality(Int32Array.of(1, 2, 5, 6, 10, 11, 1, 100));
    expect(quality).toMatchObject({ queries: 8, recallAt1: 0.25, recallAt5: 0.5, recallAt10: 0.75 });
    expect(quality.mrr).toBeCloseTo((1 + 1 / 2 + 1 / 5 + 1 / 6 + 1 / 10 + 1 / 11 + 1 + 1 / 100) / 8, 12);
    expect(recallAt(Int32Array.of(1, 2, 5, 6), 2)).toBe(0.5);
  });

  it('leaves queries with nothing to find out, and is 0 without queries', () => {
    expect(retrievalQuality(Int32Array.of(0, 1, 0))).toMatchObject({ queries: 1, recallAt1: 1, mrr: 1 });
    expect(retrievalQuality(new Int32Array(0))).toMatchObject({ queries: 0, recallAt1: 0, mrr: 0 });
  });
});

describe('classRanks', () => {
  it('ranks the best row of the class, not counting others of the class', () => {
    fc.assert(
      fc.property(problem, fc.integer({ min: 1, max: 3 }), ({ q, g, width, size }, classes) => {
        const own = Array.from({ length: q.length / width }, (_, i) => i % classes);
        const theirs = Array.from({ length: size }, (_, i) => (i * 7) % classes);
        const ranks = classRanks(q, own, g, theirs, width);
        own.forEach((label, query) => {
          const scores = scoresOf(q, g, width, query);
          const right = scores.filter((_, row) => theirs[row] === label);
          const wrong = scores.filter((_, row) => theirs[row] !== label);
          const expected = right.length === 0 ? 0 : 1 + wrong.filter((score) => score >= Math.max(...right)).length;
          expect(ranks[query]).toBe(expected);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('does not let a picture find itself when the gallery is the queries', () => {
    const rows = Float32Array.of(1, 0, 0.9, 0.1, 0, 1, 0.6, 0.5);
    expect(Array.from(classRanks(rows, [0, 1, 1, 0], rows, [0, 1, 1, 0], 2, { leaveOneOut: true }))).toEqual([
      2, 3, 2, 1,
    ]);
    expect(Array.from(classRanks(rows, [0, 1, 2, 3], rows, [0, 1, 2, 3], 2, { leaveOneOut: true }))).toEqual([
      0, 0, 0, 0,
    ]);
    expect(code(() => classRanks(rows, [0, 1, 1, 0], rows.subarray(2), [1, 1, 0], 2, { leaveOneOut: true }))).toBe(
      'NM_SHAPE_MISMATCH',
    );
  });
});

describe('topRows', () => {
  it('equals a full sort: larger scores first, equal ones by row', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(-1, 0, 0.5, 2, 3, Number.NaN), { maxLength: 40 }),
        fc.integer({ min: 0, max: 45 }),
        fc.integer({ min: -1, max: 10 }),
        (scores, k, skip) => {
          const expected = scores
            .map((score, row) => ({ score, row }))
            .filter(({ score, row }) => row !== skip && !Number.isNaN(score))
            .sort((a, b) => b.score - a.score || a.row - b.row)
            .slice(0, k);
          const found = topRows(Float64Array.from(scores), k, skip);
          expect(Array.from(found.rows)).toEqual(expected.map(({ row }) => row));
          expect(Array.from(found.scores)).toEqual(expected.map(({ score }) => score));
        },
      ),
    );
  });

  it('is what nearestNeighbours gives a query', () => {
    const found = nearestNeighbours(Float32Array.of(1, 0), Float32Array.of(0, 1, 1, 0, 0.5, 0.5), 2, 2);
    expect(found.map(({ rows, scores }) => [Array.from(rows), Array.from(scores)])).toEqual([
      [
        [1, 2],
        [1, 0.5],
      ],
    ]);
  });
});
