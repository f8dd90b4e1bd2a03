import { describe, expect, it } from 'vitest';
import type { Hits, SearchOptions, Store } from '../../src/retrieve/index.js';
import { SearchQueue } from '../../src/serve/search-queue.js';

/** A store that notes the searches it is asked for and takes some ms a query; a query's first number is its hit's id. */
function fakeStore(
  msPerQuery = 0,
  failing = new Set<number>(),
): { readonly store: Store; readonly searches: number[][] } {
  const searches: number[][] = [];
  const search = async (queries: readonly Float32Array[], { k = 10 }: SearchOptions): Promise<Hits[]> => {
    const names = queries.map((query) => query[0]!);
    searches.push(names);
    const end = performance.now() + msPerQuery * queries.length;
    while (performance.now() < end);
    if (names.some((name) => failing.has(name))) throw new Error('refused');
    return names.map((name) => [{ id: `${name}`, score: k, metadata: {} }]);
  };
  return { store: { search } as unknown as Store, searches };
}

const query = (name: number): Float32Array => Float32Array.of(name);
const ids = (lists: readonly Hits[]): string[] => lists.map(([hit]) => hit!.id);

describe('SearchQueue', () => {
  it('brings what waits together, and gives each its own answer', async () => {
    const { store, searches } = fakeStore();
    const queue = new SearchQueue(store, { concurrency: 1, budget: 1000 });
    const answers = await Promise.all([
      queue.search([query(1)], { k: 5 }),
      queue.search([query(2), query(3)], { k: 5 }),
      queue.search([query(4)], { k: 5 }),
    ]);
    expect(answers.map(ids)).toEqual([['1'], ['2', '3'], ['4']]);
    expect(searches).toEqual([[1, 2, 3, 4]]);
    expect(queue.length).toBe(0);
  });

  it('keeps searches of different settings apart', async () => {
    const { store, searches } = fakeStore();
    const queue = new SearchQueue(store, { concurrency: 1, budget: 1000 });
    const filter = { op: 'eq', field: 'a', value: 1 } as const;
    const [a, b, c] = await Promise.all([
      queue.search([query(1)], { k: 5 }),
      queue.search([query(2)], { k: 6 }),
      queue.search([query(3)], { k: 5, filter }),
    ]);
    expect([a, b, c].map((lists) => lists![0]![0]!.score)).toEqual([5, 6, 5]);
    expect(searches).toEqual([[1], [2], [3]]);
  });

  it('divides large requests by what queries take, and lets others through between', async () => {
    const { store, searches } = fakeStore(4);
    const queue = new SearchQueue(store, { concurrency: 1, budget: 4 });
    // It learns what a query takes.
    for (let i = 0; i < 20; i++) await queue.search([query(0)], {});
    searches.length = 0;
    const order: string[] = [];
    const large = queue
      .search(
        Array.from({ length: 10 }, (_, i) => query(i)),
        {},
      )
      .then((lists) => {
        order.push('large');
        return lists;
      });
    const small = queue.search([query(99)], {}).then(() => order.push('small'));
    await Promise.all([large, small]);
    expect(order).toEqual(['small', 'large']);
    expect(ids(await large)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
    expect(Math.max(...searches.map(({ length }) => length))).toBe(1);
  });

  it('fails the request whose query is refused, and no other', async () => {
    const { store } = fakeStore(0, new Set([2]));
    const queue = new SearchQueue(store, { concurrency: 1, budget: 1000 });
    const [a, b, c] = await Promise.allSettled([1, 2, 3].map((name) => queue.search([query(name)], {})));
    expect([a!.status, b!.status, c!.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('does not search for those that went away while they waited', async () => {
    const { store, searches } = fakeStore();
    const queue = new SearchQueue(store, { concurrency: 1, budget: 1000 });
    const controller = new AbortController();
    const gone = queue.search([query(1)], {}, controller.signal);
    const stays = queue.search([query(2)], {});
    controller.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    await stays;
    expect(searches).toEqual([[2]]);
  });

  it('has several searches under way where the store can take them, and answers in order', async () => {
    let running = 0;
    let most = 0;
    const search = async (queries: readonly Float32Array[]): Promise<Hits[]> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 20 - 2 * queries[0]![0]!));
      running -= 1;
      return queries.map((each) => [{ id: `${each[0]}`, score: 0, metadata: {} }]);
    };
    const queue = new SearchQueue({ search } as unknown as Store, { concurrency: 3, budget: 1 });
    const lists = await queue.search(
      Array.from({ length: 8 }, (_, i) => query(i)),
      {},
    );
    expect(ids(lists)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(most).toBe(3);
  });
});
