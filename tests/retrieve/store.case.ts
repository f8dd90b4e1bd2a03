import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { type Field, type Filter, matches, type Scalar } from '../../src/retrieve/filter.js';
import type { Item, JsonObject } from '../../src/retrieve/items.js';
import type { Store, StoreEncoder } from '../../src/retrieve/store.js';
import { METRICS } from '../../src/retrieve/vectors.js';
import { bruteForce, gaussian } from './oracle.js';

/** One place where a store lives; every `open` is another connection to it, as another process would have. */
export interface StorePlace {
  open(options?: { readonly create?: StoreEncoder; readonly readOnly?: boolean }): Promise<Store>;
  remove(): Promise<void>;
}

export const ENCODER: StoreEncoder = { fingerprint: 'sha256:encoder-a', dimension: 4, metric: 'inner-product' };
export const code = (expected: string): unknown => expect.objectContaining({ code: expected });

export function item(id: string, vector: readonly number[], metadata?: JsonObject, hash?: string): Item {
  return {
    id,
    vector: Float32Array.from(vector),
    ...(metadata === undefined ? {} : { metadata }),
    ...(hash === undefined ? {} : { hash }),
  };
}

/** Metadata of many kinds, for filters: values of every type, missing, nested and in lists. */
export const SPECIMENS: readonly JsonObject[] = [
  {},
  { a: 1 },
  { a: 2, b: 'x' },
  { a: 2.5, b: 'y' },
  { a: -7, b: null },
  { a: '1', b: ['x', 'y'] },
  { a: 'x', 'b.c': 1 },
  { a: true, b: { c: 1 } },
  { a: false, b: { c: 'x' } },
  { a: null, b: { c: { d: 2 } } },
  { a: [1], b: { 0: 'x' } },
  { a: 'x\0', b: 'x\u0001' },
  { a: '\uffff', b: '🙂' },
  { a: 1e300, b: '' },
];

const arbitraryField = fc.constantFrom<Field>('a', 'b', 'b.c', ['b', 'c'], ['b', 'c', 'd'], ['b', '0'], 'z');
const arbitraryValue = fc.constantFrom<Scalar>(
  ...[0, 1, 2, 2.5, -7, 1e300, true, false, null, '', '1', 'x', 'y', 'x\0', 'x\u0001', '\uffff', '🙂'],
);
const arbitraryBound = fc.constantFrom<'gt' | 'gte' | 'lt' | 'lte'>('gt', 'gte', 'lt', 'lte');

/** Any filter over the specimens. */
export const arbitraryFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => {
  const numbers = fc.dictionary(arbitraryBound, fc.constantFrom(-7, 0, 1, 2, 2.5), { minKeys: 1 });
  const strings = fc.dictionary(arbitraryBound, fc.constantFrom('', '1', 'x', 'x\0', '\uffff', '🙂'), { minKeys: 1 });
  const filters = fc.array(tie('filter'), { maxLength: 3 });
  return {
    filter: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'filter' },
      fc.record({ op: fc.constant('eq' as const), field: arbitraryField, value: arbitraryValue }),
      fc.record({ op: fc.constant('ne' as const), field: arbitraryField, value: arbitraryValue }),
      fc.record({
        op: fc.constant('in' as const),
        field: arbitraryField,
        values: fc.array(arbitraryValue, { maxLength: 4 }),
      }),
      fc
        .tuple(arbitraryField, fc.oneof(numbers, strings))
        .map(([field, bounds]) => ({ op: 'range' as const, field, ...bounds })),
      fc.record({ op: fc.constant('exists' as const), field: arbitraryField }),
      fc.record({ op: fc.constant('and' as const), filters }),
      fc.record({ op: fc.constant('or' as const), filters }),
      fc.record({ op: fc.constant('not' as const), filter: tie('filter') }),
    ),
  };
}).filter;

/**
 * What every store does, whatever keeps its items.
 *
 * @param thrift divides the number of random cases, for stores that are slow or differ little from one that has them all
 */
export function describeStore(name: string, newPlace: () => Promise<StorePlace>, thrift = 1): void {
  describe(`${name}: what every store does`, () => {
    const cleanup: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const step of cleanup.splice(0).reverse()) await step();
    });
    const place = async (): Promise<StorePlace> => {
      const made = await newPlace();
      cleanup.push(() => made.remove());
      return made;
    };
    const opened = async (at: StorePlace, options: Parameters<StorePlace['open']>[0] = {}): Promise<Store> => {
      const store = await at.open(options);
      cleanup.push(() => store.close());
      return store;
    };
    const created = async (encoder: StoreEncoder = ENCODER): Promise<Store> =>
      opened(await place(), { create: encoder });

    it('gives back what was written, after reopening too', async () => {
      const at = await place();
      const store = await opened(at, {
        create: { ...ENCODER, modelPath: 'models/a.onnx', modelCard: { layers: [1, 2], name: 'ä' } },
      });
      const metadata = { path: 'träume/日本/🙂.png', nested: { a: [1, null, true, 'x\0y'] }, empty: '' };
      expect(
        await store.upsert([item('日本/🙂 café.png', [1, -2, 0.1, 3e-39], metadata, 'h1'), item('b', [0, 0, 0, 1])]),
      ).toEqual({ added: 2, updated: 0 });
      await store.close();
      const again = await opened(at);
      expect(again.info).toEqual({
        ...ENCODER,
        schema: expect.any(Number),
        modelPath: 'models/a.onnx',
        modelCard: { layers: [1, 2], name: 'ä' },
      });
      expect(await again.count()).toBe(2);
      expect(await again.get('日本/🙂 café.png')).toEqual({
        id: '日本/🙂 café.png',
        vector: Float32Array.of(1, -2, 0.1, 3e-39),
        metadata,
        hash: 'h1',
      });
      expect(await again.get('b')).toEqual({ id: 'b', vector: Float32Array.of(0, 0, 0, 1), metadata: {} });
      expect(await again.get('c')).toBeUndefined();
      // an id in another normal form is another id
      expect(await again.get('日本/🙂 café.png'.normalize('NFD'))).toBeUndefined();
      expect(await again.hashes(['b', '日本/🙂 café.png', 'c'])).toEqual(
        new Map([
          ['b', null],
          ['日本/🙂 café.png', 'h1'],
        ]),
      );
    });

    it('searches exactly: one query, several, and more hits than items', async () => {
      const store = await created({ fingerprint: 'f', dimension: 24, metric: 'inner-product' });
      const rows = gaussian(300 * 24, randomStream(31));
      const ids = Array.from({ length: 300 }, (_, i) => `item ${i}`);
      await store.upsert(
        ids.map((id, i) => ({ id, vector: rows.subarray(i * 24, (i + 1) * 24), metadata: { place: i } })),
      );
      const queries = Array.from({ length: 5 }, (_, i) => gaussian(24, randomStream(32, i)));
      const lists = await store.search(queries, { k: 7 });
      for (const [i, query] of queries.entries()) {
        const best = bruteForce(rows, query, 24, 7).map((row) => ids[row]);
        expect(lists[i]!.map(({ id }) => id)).toEqual(best);
        const hits = await store.search(query, { k: 7 });
        expect(hits.map(({ id }) => id)).toEqual(best);
        expect(hits.map(({ metadata }) => `item ${metadata['place']}`)).toEqual(best);
        for (const [at, { score }] of hits.entries()) expect(score).toBeCloseTo(lists[i]![at]!.score, 4);
      }
      expect(await store.search(queries[0]!, { k: 1000 })).toHaveLength(300);
      expect(await store.search(queries[0]!)).toHaveLength(10);
      expect(await store.search([], { k: 3 })).toEqual([]);
    });

    it('finds nothing in an empty store', async () => {
      const store = await created();
      expect(await store.search(new Float32Array(4), { k: 5 })).toEqual([]);
      expect(await store.search([new Float32Array(4), new Float32Array(4)], { k: 5 })).toEqual([[], []]);
    });

    it('scores cosines where the metric says so, and gives vectors back as they were', async () => {
      const store = await created({ fingerprint: 'f', dimension: 2 });
      await store.upsert([item('a', [30, 40]), item('zero', [0, 0])]);
      const hits = await store.search(Float32Array.of(0, 7), { k: 2 });
      expect(hits.map(({ id }) => id)).toEqual(['a', 'zero']);
      expect(hits[0]!.score).toBeCloseTo(0.8, 6);
      expect((await store.get('a'))!.vector).toEqual(Float32Array.of(30, 40));
    });

    it('returns equal scores in the order of insertion, also after updates and reopening', async () => {
      const at = await place();
      const store = await opened(at, { create: ENCODER });
      for (const id of ['d', 'a', 'c', 'b']) await store.upsert([item(id, [1, 1, 1, 1])]);
      await store.search(Float32Array.of(1, 0, 0, 0));
      await store.upsert([item('d', [1, 5, 1, 1])]);
      await store.delete(['c']);
      await store.upsert([item('c', [1, 2, 3, 4])]);
      const order = ['d', 'a', 'b', 'c'];
      expect((await store.search(Float32Array.of(1, 0, 0, 0))).map(({ id }) => id)).toEqual(order);
      await store.close();
      expect((await (await opened(at)).search(Float32Array.of(1, 0, 0, 0))).map(({ id }) => id)).toEqual(order);
    });

    it('follows any sequence of writes, its own and those of another connection', async () => {
      const write = fc.record({
        by: fc.integer({ min: 0, max: 1 }),
        kind: fc.constantFrom('upsert', 'delete', 'search', 'compact'),
        ids: fc.uniqueArray(fc.integer({ min: 0, max: 25 }), { maxLength: 8 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(write, { maxLength: 10 }), async (writes) => {
          const at = await newPlace();
          const stores = [await at.open({ create: ENCODER }), await at.open()];
          const random = randomStream(33, writes.length);
          const model = new Map<string, Float32Array>();
          const probe = Float32Array.of(3, -2, 1, 5);
          const check = async (store: Store): Promise<void> => {
            const entries = [...model];
            const matrix = new Float32Array(entries.flatMap(([, vector]) => Array.from(vector)));
            const best = bruteForce(matrix, probe, 4, 6).map((row) => entries[row]![0]);
            expect((await store.search(probe, { k: 6 })).map(({ id }) => id)).toEqual(best);
            expect(await store.count()).toBe(model.size);
          };
          for (const { by, kind, ids } of writes) {
            const store = stores[by]!;
            const names = ids.map((id) => `id${id}`);
            if (kind === 'upsert') {
              const items = names.map((id) =>
                item(
                  id,
                  Array.from({ length: 4 }, () => random.integer(5) - 2),
                ),
              );
              const known = names.filter((id) => model.has(id)).length;
              expect(await store.upsert(items)).toEqual({ added: names.length - known, updated: known });
              for (const { id, vector } of items) model.set(id, vector);
            } else if (kind === 'delete') {
              expect(await store.delete(names)).toBe(names.filter((id) => model.delete(id)).length);
            } else if (kind === 'compact') await store.compact();
            else await check(store);
          }
          for (const store of stores) await check(store);
          for (const store of stores) await store.close();
          await at.remove();
        }),
        { numRuns: Math.ceil(15 / thrift) },
      );
    });

    it.each<[string, unknown, string]>([
      ['an empty id', [{ id: '', vector: new Float32Array(4) }], 'NM_ITEM_INVALID'],
      ['an id that is a number', [{ id: 7, vector: new Float32Array(4) }], 'NM_ITEM_INVALID'],
      ['an id of 1,025 bytes', [{ id: `${'é'.repeat(512)}x`, vector: new Float32Array(4) }], 'NM_ITEM_INVALID'],
      ['an id with NUL', [{ id: 'a\0b', vector: new Float32Array(4) }], 'NM_ITEM_INVALID'],
      ['an id that is not Unicode', [{ id: 'a\ud800', vector: new Float32Array(4) }], 'NM_ITEM_INVALID'],
      ['an id twice', [item('x', [1, 2, 3, 4]), item('x', [1, 2, 3, 4])], 'NM_ITEM_DUPLICATE'],
      ['another dimension', [item('x', [1, 2, 3])], 'NM_SHAPE_MISMATCH'],
      ['NaN', [item('x', [1, 2, Number.NaN, 3])], 'NM_VECTOR_INVALID'],
      ['infinity', [item('x', [1, 2, Number.POSITIVE_INFINITY, 3])], 'NM_VECTOR_INVALID'],
      ['an array as vector', [{ id: 'x', vector: [1, 2, 3, 4] }], 'NM_VECTOR_INVALID'],
      ['metadata that is a list', [{ ...item('x', [1, 2, 3, 4]), metadata: [] }], 'NM_ITEM_INVALID'],
      ['metadata with NaN', [{ ...item('x', [1, 2, 3, 4]), metadata: { a: { b: Number.NaN } } }], 'NM_ITEM_INVALID'],
      ['metadata with a date', [{ ...item('x', [1, 2, 3, 4]), metadata: { a: new Date(0) } }], 'NM_ITEM_INVALID'],
      ['metadata with undefined', [{ ...item('x', [1, 2, 3, 4]), metadata: { a: undefined } }], 'NM_ITEM_INVALID'],
      ['metadata over 64 KiB', [item('x', [1, 2, 3, 4], { a: 'x'.repeat(65_536) })], 'NM_ITEM_INVALID'],
      ['a hash over 128 bytes', [item('x', [1, 2, 3, 4], {}, 'x'.repeat(129))], 'NM_ITEM_INVALID'],
      ['a misspelt field', [{ ...item('x', [1, 2, 3, 4]), meta: {} }], 'NM_ITEM_INVALID'],
    ])('refuses %s and changes nothing', async (_, items, expected) => {
      const store = await created();
      await store.upsert([item('x', [9, 9, 9, 9]), item('y', [1, 1, 1, 1])]);
      const batch = [item('new', [1, 0, 0, 0]), ...(items as Item[])];
      await expect(store.upsert(batch)).rejects.toThrow(code(expected));
      expect(await store.ids()).toEqual(['x', 'y']);
      expect((await store.get('x'))!.vector).toEqual(Float32Array.of(9, 9, 9, 9));
      await expect(store.search(Float32Array.of(1, 0, 0, 0), { k: 3 })).resolves.toHaveLength(2);
    });

    it('takes ids of 1,024 bytes and metadata that refers to one object twice, not to itself', async () => {
      const store = await created();
      const shared = { a: 1 };
      await store.upsert([item('é'.repeat(512), [0, 0, 0, 0], { one: shared, two: shared })]);
      const loop: Record<string, JsonObject> = {};
      loop['self'] = loop;
      await expect(store.upsert([item('x', [0, 0, 0, 0], loop)])).rejects.toThrow(code('NM_ITEM_INVALID'));
      expect((await store.get('é'.repeat(512)))!.metadata).toEqual({ one: { a: 1 }, two: { a: 1 } });
    });

    it('keeps to the encoder that filled it', async () => {
      const at = await place();
      const store = await opened(at, { create: ENCODER });
      const other = { fingerprint: 'sha256:encoder-b' };
      await expect(store.upsert([item('x', [1, 2, 3, 4])], other)).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
      await expect(store.search(new Float32Array(4), other)).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
      expect(() => store.checkEncoder('')).toThrow(code('NM_ENCODER_MISMATCH'));
      await store.upsert([item('x', [1, 2, 3, 4])], { fingerprint: ENCODER.fingerprint });
      for (const change of [other, { dimension: 5 }, { metric: 'cosine' as const }]) {
        await expect(at.open({ create: { ...ENCODER, ...change } })).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
      }
      const again = await opened(at, { create: ENCODER });
      expect(await again.search(new Float32Array(4), { fingerprint: ENCODER.fingerprint })).toHaveLength(1);
    });

    it('refuses queries and settings out of range', async () => {
      const store = await created();
      await expect(store.search(new Float32Array(3))).rejects.toThrow(code('NM_SHAPE_MISMATCH'));
      await expect(store.search(new Float32Array(8))).rejects.toThrow(code('NM_SHAPE_MISMATCH'));
      await expect(store.search(Float32Array.of(1, 2, 3, Number.NaN))).rejects.toThrow(code('NM_VECTOR_INVALID'));
      for (const k of [0, 1001, 2.5]) {
        await expect(store.search(new Float32Array(4), { k })).rejects.toThrow(code('NM_OPTION_INVALID'));
      }
      await expect(store.delete(['ok', ''])).rejects.toThrow(code('NM_ITEM_INVALID'));
    });

    it('reads vectors and queries that are views into larger buffers', async () => {
      const store = await created();
      const buffer = Float32Array.of(9, 9, 9, 1, 2, 3, 4, 9, 0, 0, 0, 1, 9);
      await store.upsert([
        { id: 'a', vector: buffer.subarray(3, 7) },
        { id: 'b', vector: buffer.subarray(8, 12) },
      ]);
      expect((await store.get('a'))!.vector).toEqual(Float32Array.of(1, 2, 3, 4));
      const hits = await store.search(buffer.subarray(3, 7), { k: 2 });
      expect(hits.map(({ id, score }) => [id, score])).toEqual([
        ['a', 30],
        ['b', 4],
      ]);
    });

    it('pages through ids in byte order', async () => {
      const store = await created();
      const names = ['z', 'a', 'é', 'B', '🙂', '～', 'a/1'];
      await store.upsert(names.map((id) => item(id, [0, 0, 0, 0])));
      const paged: string[] = [];
      for (;;) {
        const after = paged[paged.length - 1];
        const page = await store.ids({ limit: 2, ...(after === undefined ? {} : { after }) });
        if (page.length === 0) break;
        paged.push(...page);
      }
      expect(paged).toEqual(['B', 'a', 'a/1', 'z', 'é', '～', '🙂']);
    });

    it('prunes what was not kept, or nothing when cancelled', async () => {
      const store = await created();
      await store.upsert(['a', 'b', 'c', 'd'].map((id) => item(id, [1, 0, 0, 0])));
      const cancelled = await store.prune();
      await cancelled.keep(['a']);
      await cancelled.cancel();
      expect(await store.count()).toBe(4);
      const pruning = await store.prune();
      await pruning.keep(['d', 'b']);
      await pruning.keep(['b', 'unknown']);
      expect(await pruning.finish()).toBe(2);
      expect(await store.ids()).toEqual(['b', 'd']);
      expect((await store.search(Float32Array.of(1, 0, 0, 0))).map(({ id }) => id)).toEqual(['b', 'd']);
    });

    it('gives whole items page by page, in byte order', async () => {
      const store = await created();
      for (const id of ['b', 'a', 'é']) await store.upsert([item(id, [1, 2, 3, 4], { name: id }, `hash ${id}`)]);
      expect((await store.items({ limit: 2 })).map(({ id }) => id)).toEqual(['a', 'b']);
      expect(await store.items({ after: 'b' })).toEqual([
        { id: 'é', vector: Float32Array.of(1, 2, 3, 4), metadata: { name: 'é' }, hash: 'hash é' },
      ]);
      await expect(store.items({ limit: 0 })).rejects.toThrow(code('NM_OPTION_INVALID'));
    });

    it('gives distances under l2, nearest first', async () => {
      const store = await created({ fingerprint: 'f', dimension: 2, metric: 'l2' });
      await store.upsert([item('far', [10, 0]), item('near', [0, 1]), item('same', [3, 4]), item('also', [3, 4])]);
      const hits = await store.search(Float32Array.of(3, 4), { k: 3 });
      expect(hits.map(({ id }) => id)).toEqual(['same', 'also', 'near']);
      for (const [at, score] of [0, 0, Math.sqrt(18)].entries()) expect(hits[at]!.score).toBeCloseTo(score, 5);
      const within = await store.search(Float32Array.of(3, 4), { radius: 5 });
      expect(within.map(({ id }) => id)).toEqual(['same', 'also', 'near']);
    });

    it.each(METRICS)('keeps the hits whose score, as it was given, is the radius: %s', async (metric) => {
      const store = await created({ fingerprint: 'f', dimension: 30, metric });
      const vectors = gaussian(20 * 30, randomStream(35));
      await store.upsert(
        Array.from({ length: 20 }, (_, i) => ({ id: `id${i}`, vector: vectors.subarray(i * 30, (i + 1) * 30) })),
      );
      for (const query of [gaussian(30, randomStream(36)), new Float32Array(30)]) {
        const all = await store.search(query, { k: 30 });
        for (const { score } of all) {
          const within = await store.search(query, { k: 30, radius: score });
          expect(within).toEqual(all.filter((hit) => (metric === 'l2' ? hit.score <= score : hit.score >= score)));
        }
      }
      if (metric === 'l2') {
        await expect(store.search(new Float32Array(30), { radius: -1 })).rejects.toThrow(code('NM_OPTION_INVALID'));
      }
    });

    it('leaves out hits beyond the radius, and no hit upon it', async () => {
      const store = await created();
      await store.upsert([1, 2, 3, 4].map((x) => item(`id${x}`, [x, 0, 0, 0])));
      const query = Float32Array.of(1, 0, 0, 0);
      expect((await store.search(query, { radius: 3 })).map(({ id }) => id)).toEqual(['id4', 'id3']);
      expect((await store.search(query, { radius: 3, k: 1 })).map(({ id }) => id)).toEqual(['id4']);
      expect(await store.search([query, query], { radius: 5 })).toEqual([[], []]);
      await expect(store.search(query, { radius: Number.NaN })).rejects.toThrow(code('NM_OPTION_INVALID'));
      await expect(store.search(query, { mode: 'fast' as 'exact' })).rejects.toThrow(code('NM_OPTION_INVALID'));
    });

    it('finds with any filter what a look at every item finds', async () => {
      const store = await created();
      const random = randomStream(34);
      const items = Array.from({ length: 120 }, (_, i) =>
        item(
          `id${i}`,
          Array.from({ length: 4 }, () => random.integer(5) - 2),
          SPECIMENS[random.integer(SPECIMENS.length)],
        ),
      );
      await store.upsert(items);
      const probe = Float32Array.of(3, -2, 1, 5);
      await fc.assert(
        fc.asyncProperty(arbitraryFilter, fc.integer({ min: 1, max: 20 }), async (filter, k) => {
          const live = items.filter(({ metadata }) => matches(filter, metadata!));
          const matrix = new Float32Array(live.flatMap(({ vector }) => Array.from(vector)));
          const best = bruteForce(matrix, probe, 4, k).map((row) => live[row]!.id);
          expect((await store.search(probe, { k, filter })).map(({ id }) => id)).toEqual(best);
        }),
        { numRuns: Math.ceil(60 / thrift) },
      );
    });

    it('knows what a filter of nothing means, before any other', async () => {
      const store = await created();
      await store.upsert([item('a', [1, 2, 3, 4]), item('b', [1, 2, 3, 4])]);
      const found = async (op: 'and' | 'or'): Promise<number> =>
        (await store.search(new Float32Array(4), { filter: { op, filters: [] } })).length;
      expect([await found('and'), await found('or')]).toEqual([2, 0]);
      await store.upsert([item('c', [1, 2, 3, 4])]);
      expect([await found('and'), await found('or')]).toEqual([3, 0]);
    });

    it('filters by what the metadata are now, after updates, removals and writes of others', async () => {
      const at = await place();
      const store = await opened(at, { create: ENCODER });
      const other = await opened(at);
      const filter: Filter = { op: 'eq', field: 'kind', value: 'cat' };
      const found = async (by: Store): Promise<string[]> =>
        (await by.search(Float32Array.of(1, 0, 0, 0), { filter })).map(({ id }) => id);
      const kinds = (kind: string, ...ids: string[]): Item[] => ids.map((id) => item(id, [1, 1, 1, 1], { kind }));
      await store.upsert([...kinds('cat', 'a', 'b'), ...kinds('dog', 'c', 'd')]);
      for (const by of [store, other]) expect(await found(by)).toEqual(['a', 'b']);
      await other.upsert([...kinds('dog', 'a'), ...kinds('cat', 'd', 'e')]);
      for (const by of [store, other]) expect(await found(by)).toEqual(['b', 'd', 'e']);
      await store.delete(['b', 'c']);
      await store.compact();
      for (const by of [store, other]) expect(await found(by)).toEqual(['d', 'e']);
      const both: Filter = { op: 'and', filters: [filter, { op: 'exists', field: 'more' }] };
      expect(await store.search(new Float32Array(4), { filter: both })).toEqual([]);
    });

    it.each<[string, unknown]>([
      ['another operator', { op: 'like', field: 'a', value: 'x' }],
      ['a misspelt key', { op: 'eq', field: 'a', vaule: 1 }],
      ['no value', { op: 'eq', field: 'a' }],
      ['a list as value', { op: 'eq', field: 'a', value: [1] }],
      ['NaN', { op: 'ne', field: 'a', value: Number.NaN }],
      ['a field that is a number', { op: 'exists', field: 3 }],
      ['an empty path', { op: 'exists', field: [] }],
      ['a range without bounds', { op: 'range', field: 'a' }],
      ['a range from a number to a string', { op: 'range', field: 'a', gt: 1, lt: 'x' }],
      ['values that are no list', { op: 'in', field: 'a', values: 'abc' }],
      ['a fault deep inside', { op: 'not', filter: { op: 'and', filters: [{ op: 'exists' }] } }],
      ['too many conditions', { op: 'or', filters: Array(300).fill({ op: 'exists', field: 'a' }) }],
      ['text', 'a = 1'],
    ])('refuses a filter with %s', async (_, filter) => {
      const store = await created();
      await expect(store.search(new Float32Array(4), { filter: filter as Filter })).rejects.toThrow(
        code('NM_FILTER_INVALID'),
      );
    });

    it('tells its size', async () => {
      const store = await created();
      await store.upsert([item('a', [1, 2, 3, 4])]);
      const { items, bytes, freeBytes } = await store.stats();
      expect(items).toBe(1);
      expect(bytes).toBeGreaterThan(100);
      expect(freeBytes).toBeGreaterThanOrEqual(0);
    });

    it('is filled anew by another encoder, all at once, and goes on where that was interrupted', async () => {
      const at = await place();
      const store = await opened(at, { create: ENCODER });
      const bystander = await opened(at);
      await store.upsert([item('a', [1, 2, 3, 4], { old: true }, 'h'), item('b', [1, 1, 1, 1])]);
      await bystander.search(Float32Array.of(1, 0, 0, 0));
      const next: StoreEncoder = { fingerprint: 'sha256:encoder-b', dimension: 2, metric: 'l2' };
      const first = await store.reembed(next);
      await first.store.upsert([item('a', [3, 4], { old: false }, 'h2')]);
      await expect(first.finish()).rejects.toThrow(code('NM_REEMBED_INCOMPLETE'));
      await first.close();
      expect((await store.search(Float32Array.of(1, 0, 0, 0))).map(({ id }) => id)).toEqual(['a', 'b']);
      const second = await store.reembed(next);
      expect(await second.store.ids()).toEqual(['a']);
      await second.finish({ drop: true });
      for (const stale of [store, bystander]) {
        await expect(stale.upsert([item('c', [1, 2, 3, 4])])).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
        await expect(stale.search(Float32Array.of(1, 0, 0, 0))).rejects.toThrow(code('NM_ENCODER_MISMATCH'));
        await stale.close();
      }
      const again = await opened(at, { create: next });
      expect(again.info).toMatchObject(next);
      expect(await again.count()).toBe(1);
      expect(await again.get('a')).toEqual({
        id: 'a',
        vector: Float32Array.of(3, 4),
        metadata: { old: false },
        hash: 'h2',
      });
      await again.upsert([item('d', [0, 0])]);
      expect((await again.search(Float32Array.of(0, 1))).map(({ id }) => id)).toEqual(['d', 'a']);
    });

    it('refuses writes when opened for reading, and all calls when closed', async () => {
      const at = await place();
      const store = await opened(at, { create: ENCODER });
      await store.upsert([item('a', [1, 2, 3, 4])]);
      const reader = await opened(at, { readOnly: true });
      for (const call of [
        () => reader.upsert([item('b', [1, 2, 3, 4])]),
        () => reader.delete(['a']),
        () => reader.compact(),
        () => reader.prune(),
      ]) {
        await expect(call()).rejects.toThrow(code('NM_STORE_READ_ONLY'));
      }
      expect(await reader.search(new Float32Array(4))).toHaveLength(1);
      await store.upsert([item('b', [1, 2, 3, 4])]);
      expect(await reader.search(new Float32Array(4))).toHaveLength(2);
      await reader.close();
      await reader.close();
      for (const call of [() => reader.search(new Float32Array(4)), () => reader.get('a'), () => reader.count()]) {
        await expect(call()).rejects.toThrow(code('NM_STORE_CLOSED'));
      }
    });
  });
}
