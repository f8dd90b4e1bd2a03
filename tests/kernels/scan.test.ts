import { describe, expect, it } from 'vitest';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { loadRetrievalKernels } from '../../src/kernels/retrieval.js';
import { MAX_TOP, RowTable } from '../../src/kernels/scan.js';
import { randomStream } from '../../src/random.js';
import { bruteForce, dot, dotError, gaussian, ROW_SETS } from '../retrieve/oracle.js';

async function tableOf(rows: Float32Array, dim: number, tier: (typeof SIMD_TIERS)[number]): Promise<RowTable> {
  const table = new RowTable(await loadRetrievalKernels({ tier }), dim);
  const count = rows.length / dim;
  table.reserve(count);
  table.view(0, count).set(rows);
  return table;
}

/** What is wrong with one query's hits, beyond the rounding of float32: nothing for an exact search. */
function faults(
  hits: { rows: Int32Array; scores: Float32Array },
  rows: Float32Array,
  query: Float32Array,
  dim: number,
): string[] {
  const wrong: string[] = [];
  const count = rows.length / dim;
  const exact = Float64Array.from({ length: count }, (_, row) => dot(rows, row, query, 0, dim));
  const error = Float64Array.from({ length: count }, (_, row) => dotError(rows, row, query, 0, dim));
  const found = Array.from(hits.rows).filter((row) => row >= 0);
  if (found.length !== Math.min(hits.rows.length, count)) wrong.push(`${found.length} hits`);
  const taken = new Set(found);
  if (taken.size !== found.length) wrong.push('a row twice');
  for (const [i, row] of found.entries()) {
    const score = hits.scores[i]!;
    const before = hits.scores[i - 1] ?? Number.POSITIVE_INFINITY;
    if (!(Math.abs(score - exact[row]!) <= error[row]!)) wrong.push(`row ${row}: ${score} for ${exact[row]}`);
    if (score > before || (score === before && row < found[i - 1]!)) wrong.push(`row ${row} out of order`);
  }
  const last = found[found.length - 1] ?? 0;
  for (let row = 0; row < count; row++) {
    if (found.length < count && !taken.has(row) && exact[row]! - error[row]! > exact[last]! + error[last]!) {
      wrong.push(`row ${row} missed`);
    }
  }
  return wrong;
}

describe.each(SIMD_TIERS)('scan kernels, %s', (tier) => {
  it.each([1, 3, 4, 5, 15, 16, 17, 35, 63, 64, 65, 128, 384])('agree with float64 at %i dimensions', async (dim) => {
    const random = randomStream(1, dim);
    const count = 211;
    for (const [name, make] of Object.entries(ROW_SETS)) {
      const rows = make(count, dim);
      const table = await tableOf(rows, dim, tier);
      // 1 and 2 queries take the single kernel, 8 + 3 fill a panel and part of another
      for (const queries of [1, 2, 11]) {
        const query = name === 'tied' ? ROW_SETS['tied']!(queries, dim) : gaussian(queries * dim, random);
        for (const k of [1, 10]) {
          const top = table.search(query, k, count);
          expect(top.rows.length).toBe(queries * k);
          for (let q = 0; q < queries; q++) {
            const one = query.subarray(q * dim, (q + 1) * dim);
            const hits = {
              rows: top.rows.subarray(q * k, (q + 1) * k),
              scores: top.scores.subarray(q * k, (q + 1) * k),
            };
            expect(faults(hits, rows, one, dim)).toEqual([]);
            if (name === 'tied') expect(Array.from(hits.rows)).toEqual(bruteForce(rows, one, dim, k));
          }
        }
      }
    }
  });

  it('keeps the lower rows where every score is the same', async () => {
    const table = await tableOf(new Float32Array(100 * 5).fill(1), 5, tier);
    for (const queries of [1, 9]) {
      const top = table.search(new Float32Array(queries * 5).fill(1), 7, 100);
      for (let q = 0; q < queries; q++) {
        expect(Array.from(top.rows.subarray(q * 7, q * 7 + 7))).toEqual([0, 1, 2, 3, 4, 5, 6]);
      }
    }
  });

  it('finds the 1,000 best of rows that keep getting better, and of fewer than 1,000 rows', async () => {
    const rows = ROW_SETS['ascending']!(3000, 3);
    const table = await tableOf(rows, 3, tier);
    for (const queries of [1, 8]) {
      const query = new Float32Array(queries * 3).fill(1);
      const top = table.search(query, MAX_TOP, 3000);
      const last = (queries - 1) * MAX_TOP;
      expect(Array.from(top.rows.subarray(last))).toEqual(Array.from({ length: MAX_TOP }, (_, i) => 2999 - i));
      const few = table.search(query, MAX_TOP, 3);
      expect(Array.from(few.rows.subarray(last, last + 5))).toEqual([2, 1, 0, -1, -1]);
      expect(Array.from(few.scores.subarray(last, last + 4))).toEqual([6, 3, 0, Number.NEGATIVE_INFINITY]);
      expect(table.search(query, 2, 0).rows.every((row) => row === -1)).toBe(true);
    }
  });

  it('searches only the range of rows it is given', async () => {
    const table = await tableOf(ROW_SETS['ascending']!(50, 4), 4, tier);
    for (const queries of [1, 4]) {
      const top = table.search(new Float32Array(queries * 4).fill(1), 3, 21, 17);
      expect(Array.from(top.rows.subarray(0, 3))).toEqual([20, 19, 18]);
    }
  });

  it('never finds a row of NaN, even where all other scores are negative', async () => {
    const rows = new Float32Array(20 * 6).fill(1);
    rows.fill(Number.NaN, 3 * 6, 5 * 6);
    const table = await tableOf(rows, 6, tier);
    for (const queries of [1, 4]) {
      const top = table.search(new Float32Array(queries * 6).fill(-1), 20, 20);
      const found = Array.from(top.rows.subarray(0, 20)).filter((row) => row >= 0);
      expect(found).toEqual([0, 1, 2, ...Array.from({ length: 15 }, (_, i) => i + 5)]);
    }
  });

  it('keeps rows while the memory grows, and tables apart', async () => {
    const table = await tableOf(Float32Array.of(1, 2, 3), 3, tier);
    const other = await tableOf(Float32Array.of(4, 5, 6), 3, tier);
    table.reserve(300_000);
    expect(table.capacity).toBeGreaterThanOrEqual(300_000);
    expect(Array.from(table.view(0, 1))).toEqual([1, 2, 3]);
    expect(Array.from(other.view(0, 1))).toEqual([4, 5, 6]);
  });

  it('answers more queries than one group of panels holds', async () => {
    const dim = 7;
    const rows = gaussian(500 * dim, randomStream(3));
    const table = await tableOf(rows, dim, tier);
    const queries = gaussian(131 * dim, randomStream(4));
    const top = table.search(queries, 4, 500);
    for (let q = 0; q < 131; q++) {
      const hits = { rows: top.rows.subarray(q * 4, q * 4 + 4), scores: top.scores.subarray(q * 4, q * 4 + 4) };
      expect(faults(hits, rows, queries.subarray(q * dim, (q + 1) * dim), dim)).toEqual([]);
    }
  });
});

describe('row table', () => {
  it('refuses more rows than a module can address, with NM_INDEX_FULL', async () => {
    const table = new RowTable(await loadRetrievalKernels(), 128);
    expect(() => table.reserve(2 ** 24)).toThrow(expect.objectContaining({ code: 'NM_INDEX_FULL' }));
  });

  it('has no data segment in its memory', async () => {
    const { memory } = await loadRetrievalKernels();
    if (memory.buffer.byteLength === 0) memory.grow(1);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });
});
