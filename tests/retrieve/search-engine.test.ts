import { describe, expect, it } from 'vitest';
import { SIMD_TIERS, type SimdTier } from '../../src/kernels/load.js';
import { loadRetrievalKernels } from '../../src/kernels/retrieval.js';
import { randomStream } from '../../src/random.js';
import { bitmapWords, type EngineHits, type EngineOptions, type SearchEngine } from '../../src/retrieve/engine.js';
import { createSearchEngine } from '../../src/retrieve/search-engine.js';
import { Segments } from '../../src/retrieve/segments.js';
import { METRICS } from '../../src/retrieve/vectors.js';
import { faultsOf, unitRows, VECTOR_SETS, vectorsOf } from './vector-sets.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

async function engineOf(options: EngineOptions, tier?: SimdTier): Promise<SearchEngine> {
  return createSearchEngine(await loadRetrievalKernels(tier ? { tier } : {}), options);
}

/** An engine whose vectors stay outside, so that it scans codes however few there are. */
async function codesOf(
  rows: Float32Array,
  options: EngineOptions,
  tier?: SimdTier,
): Promise<SearchEngine & { reads(): number }> {
  const { dimension } = options;
  let reads = 0;
  const engine = await engineOf(
    {
      ...options,
      readRow: (row, into) => {
        reads += 1;
        into.set(rows.subarray(row * dimension, (row + 1) * dimension));
      },
    },
    tier,
  );
  engine.add(rows);
  return Object.assign(engine, { reads: () => reads });
}

function hitsOf(hits: EngineHits, query: number): { rows: Int32Array; scores: Float32Array } {
  const at = query * hits.width;
  const end = at + hits.found[query]!;
  return { rows: hits.rows.subarray(at, end), scores: hits.scores.subarray(at, end) };
}

function bitmap(rows: number, test: (row: number) => boolean): Uint32Array {
  const bits = new Uint32Array(bitmapWords(rows));
  for (let row = 0; row < rows; row++) if (test(row)) bits[row >>> 5]! |= 1 << (row & 31);
  return bits;
}

describe.each(SIMD_TIERS)('search engine, %s', (tier) => {
  const dims = [1, 2, 3, 16, 63, 80, 128, 200];
  it.each(Object.keys(VECTOR_SETS))('is exact against float64: %s', async (name) => {
    for (const dimension of dims) {
      const count = 203;
      const rows = vectorsOf(name, count, dimension, 1);
      const other = [name, 'gaussian', 'gaussian'].flatMap((set, seed) => [...vectorsOf(set, 1, dimension, 2 + seed)]);
      const queries = new Float32Array([...other, ...rows.subarray(0, dimension), ...new Float32Array(dimension)]);
      const asked = queries.length / dimension;
      for (const metric of METRICS) {
        const searched = metric === 'cosine' ? unitRows(rows, dimension) : rows;
        const scored = metric === 'cosine' ? unitRows(queries, dimension) : queries;
        const codes = await codesOf(rows, { dimension, metric }, tier);
        const floats = await engineOf({ dimension, metric }, tier);
        floats.add(rows);
        const together = codes.search(queries, { k: 7 });
        for (let q = 0; q < asked; q++) {
          const query = scored.subarray(q * dimension, (q + 1) * dimension);
          const faults = faultsOf(hitsOf(together, q), searched, query, metric, () => true, 7);
          expect(faults, `${name}, ${metric}, dimension ${dimension}, query ${q}`).toEqual([]);
          const alone = codes.search(queries.subarray(q * dimension, (q + 1) * dimension), { k: 7 });
          expect(hitsOf(alone, 0)).toEqual(hitsOf(together, q));
          const scan = floats.search(queries.subarray(q * dimension, (q + 1) * dimension), { k: 7 });
          expect(hitsOf(scan, 0)).toEqual(hitsOf(together, q));
        }
        const panel = floats.search(queries, { k: 7 });
        expect([panel.rows, panel.scores]).toEqual([together.rows, together.scores]);
      }
    }
  });

  it('finds the 1,000 best, over several segments, in a batch larger than a group', async () => {
    const dimension = 24;
    const rows = vectorsOf('gaussian', 20_000, dimension, 3);
    const queries = vectorsOf('gaussian', 67, dimension, 4);
    const engine = await engineOf({ dimension, metric: 'inner-product' }, tier);
    engine.add(rows);
    const hits = engine.search(queries, { k: 1000 });
    for (const q of [0, 64, 66]) {
      const query = queries.subarray(q * dimension, (q + 1) * dimension);
      expect(faultsOf(hitsOf(hits, q), rows, query, 'inner-product', () => true, 1000)).toEqual([]);
      const few = engine.search(query, { k: 10 });
      expect(hitsOf(few, 0).rows).toEqual(hitsOf(hits, q).rows.slice(0, 10));
      expect(few.exactChecks[0]).toBeLessThan(400);
      expect(hits.exactChecks[q]).toBeLessThan(9000);
    }
  });

  it('finds only what filter, removals and radius leave', async () => {
    const dimension = 32;
    const count = 8000;
    const rows = vectorsOf('gaussian', count, dimension, 5);
    const query = vectorsOf('gaussian', 2, dimension, 6);
    for (const metric of METRICS) {
      const engine = await engineOf({ dimension, metric }, tier);
      engine.add(rows);
      const gone = new Set(Array.from({ length: 300 }, (_, i) => i * 23));
      expect(engine.remove(gone)).toBe(300);
      expect(engine.remove([23])).toBe(0);
      const searched = metric === 'cosine' ? unitRows(rows, dimension) : rows;
      const scored = metric === 'cosine' ? unitRows(query, dimension) : query;
      for (const keep of [1, 2, 100, 3000]) {
        const filter = bitmap(count, (row) => row % keep === 0);
        const allowed = (row: number): boolean => row % keep === 0 && !gone.has(row);
        const hits = engine.search(query, { k: 10, filter });
        expect(hits.width).toBe(keep === 3000 ? 2 : 10);
        for (const q of [0, 1]) {
          const one = scored.subarray(q * dimension, (q + 1) * dimension);
          expect(faultsOf(hitsOf(hits, q), searched, one, metric, allowed, 10)).toEqual([]);
          const radius = hits.scores[q * hits.width + 1]!;
          const near = engine.search(query.subarray(q * dimension, (q + 1) * dimension), { filter, radius, k: 5 });
          // The radius is a float32, the scores it is compared with are not: the hit that named it may be outside.
          expect([1, 2]).toContain(near.found[0]);
          expect(near.rows[0]).toBe(hits.rows[q * hits.width]);
          for (let i = near.found[0]!; i < near.width; i++) {
            expect([near.rows[i], near.scores[i]]).toEqual([-1, Number.NaN]);
          }
        }
      }
      const none = engine.search(query, { filter: new Uint32Array(bitmapWords(count)) });
      expect([none.width, ...none.found]).toEqual([0, 0, 0]);
    }
  });

  it('gives the same answers from codes that were kept', async () => {
    const dimension = 40;
    for (const metric of METRICS) {
      const rows = vectorsOf('norms of every size', 9000, dimension, 7);
      const engine = await codesOf(rows, { dimension, metric, seed: 5 }, tier);
      engine.remove([3]);
      const codes = engine.codes(0, engine.slots);
      const again = await engineOf(
        {
          dimension,
          metric,
          seed: 5,
          readRow: (row, into) => into.set(rows.subarray(row * dimension, (row + 1) * dimension)),
        },
        tier,
      );
      expect(again.codeFormat).toBe(engine.codeFormat);
      expect(again.addCodes(codes.subarray(0, 5 * again.codeBytes))).toBe(0);
      expect(again.addCodes(codes.subarray(5 * again.codeBytes))).toBe(5);
      again.remove([3]);
      const inside = await engineOf({ dimension, metric, seed: 5 }, tier);
      inside.addCodes(codes, rows);
      inside.remove([3]);
      const queries = vectorsOf('gaussian', 3, dimension, 8);
      expect(again.search(queries)).toEqual(engine.search(queries));
      expect(inside.search(queries).rows).toEqual(engine.search(queries).rows);
      expect(Buffer.compare(again.codes(0, 9000), codes)).toBe(0);
    }
  });

  it('visits lists until recall is met, exactly within them, and all of them for a filter', async () => {
    const dimension = 24;
    const random = randomStream(9);
    const centres = vectorsOf('gaussian', 40, dimension, 10);
    const count = 12_000;
    const rows = Float32Array.from(
      { length: count * dimension },
      (_, i) => centres[(Math.floor(i / dimension) % 40) * dimension + (i % dimension)]! + 0.4 * random.normal(),
    );
    for (const metric of METRICS) {
      const engine = await engineOf({ dimension, metric }, tier);
      engine.add(rows);
      engine.remove([1, 77]);
      const before = engine.search(rows.subarray(0, 3 * dimension), { k: 20 });
      const shares: number[] = [];
      const report = await engine.buildLists({ recall: 0.95, lists: 60, onProgress: (done) => shares.push(done) });
      expect(report).toEqual(engine.lists);
      expect(report.recall).toBeGreaterThanOrEqual(0.95);
      expect(report.probes).toBeLessThan(30);
      expect(report.curve.at(-1)).toEqual({ probes: 60, recall: 1 });
      expect(shares.at(-1)).toBe(1);
      const after = engine.search(rows.subarray(0, 3 * dimension), { k: 20 });
      expect([after.rows, after.scores]).toEqual([before.rows, before.scores]);
      const queries = rows.subarray(100 * dimension, 300 * dimension);
      const exact = engine.search(queries);
      const near = engine.search(queries, { mode: 'approximate' });
      let same = 0;
      for (let q = 0; q < 200; q++) {
        const found = new Set(hitsOf(near, q).rows);
        same += hitsOf(exact, q).rows.filter((row) => found.has(row)).length;
      }
      expect(same / 2000).toBeGreaterThan(0.9);
      const sum = (values: Int32Array): number => values.reduce((a, b) => a + b, 0);
      expect(sum(near.exactChecks)).toBeLessThan(sum(exact.exactChecks));
      const all = engine.search(queries, { mode: 'approximate', probes: 60 });
      expect([all.rows, all.scores]).toEqual([exact.rows, exact.scores]);
      // rows of one cluster, asked from others: fewer than k in the nearest lists
      const filter = bitmap(count, (row) => row % 400 === 13);
      const few = engine.search(queries, { mode: 'approximate', filter });
      expect(few.found.every((found) => found === 10)).toBe(true);
      // rows added later are in no list and still found
      const added = engine.add(rows.subarray(0, dimension).map((value) => -3 * value));
      const late = engine.search(engine.vector(added)!, { mode: 'approximate', k: 1 });
      expect(late.rows[0]).toBe(added);
      const unmoved = engine.search(queries);
      const moved = engine.compact();
      expect([moved[0], moved[1], moved[2], moved[added]]).toEqual([0, -1, 1, added - 2]);
      const compacted = engine.search(queries);
      expect(compacted.rows).toEqual(unmoved.rows.map((row) => moved[row]!));
      expect(compacted.scores).toEqual(unmoved.scores);
      expect(engine.lists).toBeUndefined();
    }
  });

  it('follows any sequence of add, replace, remove, lists and compact', async () => {
    const random = randomStream(23);
    for (const [round, metric] of METRICS.entries()) {
      const dimension = 5 + round;
      // Whole numbers: float64 is exact, so rows agree to the last tie (and under cosine through lengths of 1).
      const draw = (): Float32Array => {
        const vector = Float32Array.from({ length: dimension }, () => random.integer(7) - 3);
        return metric === 'cosine'
          ? Float32Array.from(vector, (_, j) => (j === random.integer(dimension) ? 1 : 0))
          : vector;
      };
      const engine = await engineOf({ dimension, metric }, tier);
      let model: (Float32Array | undefined)[] = [];
      for (let step = 0; step < 60; step++) {
        const kind = random.integer(10);
        if (kind < 4) {
          const vectors = Array.from({ length: random.integer(90) }, draw);
          expect(engine.add(vectors)).toBe(model.length);
          model.push(...vectors);
        } else if (kind < 6 && model.length > 0) {
          const row = random.integer(model.length);
          if (model[row]) {
            model[row] = draw();
            engine.replace(row, model[row]);
          } else expect(engine.vector(row)).toBeUndefined();
        } else if (kind < 8 && model.length > 0) {
          const gone = Array.from({ length: random.integer(9) }, () => random.integer(model.length));
          engine.remove(gone);
          for (const row of gone) model[row] = undefined;
        } else if (kind === 8 && model.length > 0) {
          await engine.buildLists({ lists: Math.min(4, model.length) });
        } else if (kind === 9) {
          const moved = engine.compact();
          const rows = [...moved].filter((row) => row >= 0);
          expect(rows).toEqual(rows.map((_, i) => i));
          model = model.filter((vector) => vector !== undefined);
        }
        const live = model.filter((vector) => vector !== undefined);
        expect([engine.slots, engine.size]).toEqual([model.length, live.length]);
        const matrix = new Float32Array(model.length * dimension);
        for (const [row, vector] of model.entries()) if (vector) matrix.set(vector, row * dimension);
        const query = draw();
        const hits = engine.search(query, { k: 6 });
        const allowed = (row: number): boolean => model[row] !== undefined;
        const [searched, scored] =
          metric === 'cosine' ? [unitRows(matrix, dimension), unitRows(query, dimension)] : [matrix, query];
        expect(faultsOf(hitsOf(hits, 0), searched, scored, metric, allowed, 6)).toEqual([]);
        if (metric === 'inner-product') {
          const order = [...model.keys()].filter(allowed);
          const score = (row: number): number => model[row]!.reduce((sum, value, j) => sum + value * query[j]!, 0);
          order.sort((a, b) => score(b) - score(a) || a - b);
          expect(Array.from(hitsOf(hits, 0).rows)).toEqual(order.slice(0, 6));
        }
      }
    }
  });
});

describe('search engine', () => {
  it('answers the example of its documentation', async () => {
    const engine = await engineOf({ dimension: 2 });
    engine.add(Float32Array.of(1, 0, 0, 1, 3, 4));
    const { rows, scores } = engine.search(Float32Array.of(0, 2), { k: 2 });
    expect([...rows]).toEqual([1, 2]);
    expect(scores[1]).toBeCloseTo(0.8, 6);
  });

  it('finds the same in both tiers, to the bit', async () => {
    const rows = vectorsOf('heavy tails', 3000, 100, 11);
    const [plain, relaxed] = [
      await codesOf(rows, { dimension: 100 }, 'plain'),
      await codesOf(rows, { dimension: 100 }, 'relaxed'),
    ];
    const queries = vectorsOf('gaussian', 9, 100, 12);
    const [a, b] = [plain.search(queries), relaxed.search(queries)];
    expect([a.rows, a.scores]).toEqual([b.rows, b.scores]);
  });

  it('reads only the rows that codes cannot exclude, and says how many', async () => {
    const rows = vectorsOf('gaussian', 20_000, 128, 13);
    const engine = await codesOf(rows, { dimension: 128 });
    expect(engine.rowBytes).toBeLessThanOrEqual(160);
    const hits = engine.search(vectorsOf('gaussian', 1, 128, 14));
    expect(hits.exactChecks[0]).toBe(engine.reads());
    expect(engine.reads()).toBeLessThan(200);
  });

  it.each(['as they lie', 'compacted on the way', 'in lists on the way'])(
    'answers alike while vectors come into memory, %s',
    async (way) => {
      const dimension = 64;
      const rows = vectorsOf('gaussian', 20_000, dimension, 17);
      const queries = vectorsOf('gaussian', 5, dimension, 18);
      const engine = await engineOf({ dimension });
      engine.add(rows);
      let numbers = Int32Array.from({ length: 20_000 }, (_, row) => row);
      let reads = 0;
      const late = await engineOf({
        dimension,
        readRow: (row, into) => {
          reads += 1;
          const number = numbers[row]!;
          into.set(rows.subarray(number * dimension, (number + 1) * dimension));
        },
        readRows: (first, end, into) => {
          for (let row = first; row < end; row++) {
            if (late.isRemoved(row)) continue;
            const number = numbers[row]!;
            into.set(rows.subarray(number * dimension, (number + 1) * dimension), (row - first) * dimension);
          }
        },
      });
      expect(late.addCodes(engine.codes(0, 20_000))).toBe(0);
      const same = (): void => {
        const [ours, theirs] = [late.search(queries, { k: 20 }), engine.search(queries, { k: 20 })];
        expect(ours).toEqual(theirs);
      };
      const removed = Array.from({ length: 3000 }, (_, i) => i * 5);
      for (const each of [engine, late]) each.remove(removed);
      same();
      expect(reads).toBeGreaterThan(0);
      expect(late.hold()).toBe(true);
      same();
      if (way === 'compacted on the way') {
        for (const each of [engine, late]) {
          const moved = each.compact();
          if (each === late) numbers = numbers.filter((_, row) => moved[row]! >= 0);
        }
        same();
      } else if (way === 'in lists on the way') {
        for (const each of [engine, late]) await each.buildLists({ lists: 8 });
        same();
      }
      while (late.hold()) same();
      expect(late.holdsVectors).toBe(true);
      reads = 0;
      same();
      const last = late.slots - 1;
      expect(late.vector(last)).toEqual(engine.vector(last));
      const more = vectorsOf('gaussian', 9000, dimension, 19);
      for (const each of [engine, late]) {
        each.add(more);
        each.replace(7, more.subarray(0, dimension));
      }
      same();
      expect([reads, late.hold(), late.holdsVectors]).toEqual([0, false, true]);
    },
  );

  it('takes no readRows without readRow', async () => {
    await expect(engineOf({ dimension: 2, readRows: () => undefined })).rejects.toThrow(code('NM_OPTION_INVALID'));
  });

  it('passes on what reading a row throws, and goes on afterwards', async () => {
    const rows = vectorsOf('gaussian', 200, 8, 15);
    let broken = true;
    const engine = await engineOf({
      dimension: 8,
      readRow: (row, into) => {
        if (broken) throw new Error('the disk is gone');
        into.set(rows.subarray(row * 8, row * 8 + 8));
      },
    });
    engine.add(rows);
    expect(() => engine.search(rows.subarray(0, 8))).toThrow('the disk is gone');
    broken = false;
    expect(engine.search(rows.subarray(0, 8)).rows[0]).toBe(0);
    expect(Array.from(engine.vector(3)!)).toEqual(Array.from(unitRows(rows.subarray(24, 32), 8)));
  });

  it('reads views into larger buffers and leaves them as they are', async () => {
    const buffer = vectorsOf('gaussian', 60, 6, 16).buffer as ArrayBuffer;
    const rows = new Float32Array(buffer, 24, 50 * 6);
    const kept = rows.slice();
    const engine = await engineOf({ dimension: 6 });
    engine.add(rows);
    const hits = engine.search([rows.subarray(42, 48), rows.subarray(0, 6)], { k: 1 });
    expect(Array.from(hits.rows)).toEqual([7, 0]);
    expect(rows).toEqual(kept);
  });

  it.each([
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
  ])('refuses %s and changes nothing', async (_, bad) => {
    const engine = await engineOf({ dimension: 2 });
    engine.add(Float32Array.of(1, 1));
    expect(() => engine.add(Float32Array.of(1, 2, 3, bad))).toThrow(
      expect.objectContaining({ code: 'NM_VECTOR_INVALID', message: expect.stringContaining('vector 1') }),
    );
    expect(() => engine.replace(0, Float32Array.of(bad, 0))).toThrow(code('NM_VECTOR_INVALID'));
    expect(() => engine.search(Float32Array.of(bad, 0))).toThrow(code('NM_VECTOR_INVALID'));
    expect([engine.size, ...engine.vector(0)!]).toEqual([1, Math.fround(Math.SQRT1_2), Math.fround(Math.SQRT1_2)]);
  });

  it('refuses vectors too long for float32 scores, other dimensions and other types', async () => {
    const engine = await engineOf({ dimension: 2, metric: 'l2' });
    engine.add(Float32Array.of(1e18, 0));
    expect(() => engine.add(Float32Array.of(1e18, 1e18))).toThrow(code('NM_VECTOR_INVALID'));
    expect(engine.search(Float32Array.of(-1e18, 0)).scores[0]).toBeCloseTo(2e18, -12);
    expect(() => engine.add(new Float32Array(5))).toThrow(code('NM_SHAPE_MISMATCH'));
    expect(() => engine.search([new Float32Array(3)])).toThrow(code('NM_SHAPE_MISMATCH'));
    expect(() => engine.add(new Float64Array(4) as unknown as Float32Array)).toThrow(code('NM_VECTOR_INVALID'));
    expect(() => engine.add([[1, 2]] as unknown as Float32Array[])).toThrow(code('NM_VECTOR_INVALID'));
    expect(engine.slots).toBe(1);
  });

  it('refuses options out of range', async () => {
    const engine = await engineOf({ dimension: 2, metric: 'l2' });
    engine.add(new Float32Array(80));
    const query = new Float32Array(2);
    for (const k of [0, 1001, 1.5, Number.NaN])
      expect(() => engine.search(query, { k })).toThrow(code('NM_OPTION_INVALID'));
    for (const radius of [-1, Number.NaN])
      expect(() => engine.search(query, { radius })).toThrow(code('NM_OPTION_INVALID'));
    expect(() => engine.search(query, { filter: new Uint32Array(1) })).toThrow(code('NM_OPTION_INVALID'));
    expect(() => engine.search(query, { filter: new Uint8Array(9) as unknown as Uint32Array })).toThrow('Uint8Array');
    expect(() => engine.search(query, { mode: 'approximate' })).toThrow(code('NM_OPTION_INVALID'));
    expect(() => engine.search(query, { mode: 'fast' as 'exact' })).toThrow(code('NM_OPTION_INVALID'));
    expect(() => engine.search(query, { probes: 1 })).toThrow(code('NM_OPTION_INVALID'));
    for (const row of [-1, 40, 0.5]) expect(() => engine.remove([0, row])).toThrow(code('NM_OPTION_INVALID'));
    expect(engine.size).toBe(40);
    engine.remove([1]);
    expect([engine.isRemoved(1), engine.isRemoved(0)]).toEqual([true, false]);
    expect(() => engine.replace(1, query)).toThrow(code('NM_OPTION_INVALID'));
    for (const options of [{ recall: 0 }, { recall: 1.1 }, { k: 1000 }, { lists: 41 }, { seed: -1 }]) {
      await expect(engine.buildLists(options)).rejects.toThrow(code('NM_OPTION_INVALID'));
    }
    const aborted = AbortSignal.abort(new Error('stopped'));
    await expect(engine.buildLists({ signal: aborted })).rejects.toThrow('stopped');
    const kernels = await loadRetrievalKernels();
    expect(() => createSearchEngine(kernels, { dimension: 0 })).toThrow(code('NM_OPTION_INVALID'));
    expect(() => createSearchEngine(kernels, { dimension: 2, metric: 'dot' as 'l2' })).toThrow(
      code('NM_OPTION_INVALID'),
    );
    expect(() => createSearchEngine(kernels, { dimension: 2, seed: 0.5 })).toThrow(code('NM_OPTION_INVALID'));
  });

  it('refuses codes that are cut short, damaged, or without their vectors', async () => {
    const engine = await engineOf({ dimension: 20, metric: 'l2' });
    const rows = vectorsOf('gaussian', 50, 20, 17);
    engine.add(rows);
    const codes = engine.codes(0, 50);
    const other = await engineOf({ dimension: 20, metric: 'l2' });
    expect(() => other.addCodes(codes.subarray(1), rows)).toThrow(code('NM_CODES_INVALID'));
    expect(() => other.addCodes(codes)).toThrow(code('NM_SHAPE_MISMATCH'));
    expect(() => other.addCodes(codes, rows.subarray(20))).toThrow(code('NM_SHAPE_MISMATCH'));
    expect(() =>
      other.addCodes(
        codes,
        rows.map((value, i) => (i === 30 ? Number.NaN : value)),
      ),
    ).toThrow(code('NM_VECTOR_INVALID'));
    const at = 17 * engine.codeBytes;
    for (const [byte, value] of [
      [3, 0xff],
      [7, 0xff],
      [11, 0xff],
      [15, 0x3f],
      [16, 0x80],
      [16 + 25, 1],
    ] as const) {
      const damaged = codes.slice();
      damaged[at + byte] = value;
      expect(() => other.addCodes(damaged, rows), `byte ${byte}`).toThrow(
        expect.objectContaining({ code: 'NM_CODES_INVALID', message: expect.stringContaining('record 17') }),
      );
    }
    expect(other.slots).toBe(0);
    other.addCodes(codes, rows);
    expect(other.search(rows.subarray(0, 20))).toEqual(engine.search(rows.subarray(0, 20)));
  });

  it('refuses more rows than a module can address, with NM_INDEX_FULL', async () => {
    const shape = { dimension: 128, stride: 128, l2: false, outside: false };
    const segments = new Segments(await loadRetrievalKernels(), shape);
    segments.reserve(1000);
    const { capacity } = segments;
    expect(capacity).toBeGreaterThanOrEqual(1000);
    expect(() => segments.reserve(2 ** 23)).toThrow(code('NM_INDEX_FULL'));
    expect(segments.capacity).toBe(capacity);
  });

  it('has no data segment in its memory', async () => {
    const { memory } = await loadRetrievalKernels();
    if (memory.buffer.byteLength === 0) memory.grow(1);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });
});
