import { describe, expect, it } from 'vitest';
import { FairQueue } from '../../src/serve/fair-queue.js';

function queueOf(...owners: readonly (readonly [owner: string, count: number])[]): FairQueue<string, string> {
  const queue = new FairQueue<string, string>();
  for (const [owner, count] of owners) for (let i = 0; i < count; i++) queue.add(owner, `${owner}${i}`);
  return queue;
}

describe('FairQueue', () => {
  it('gives a lonely owner everything, in order', () => {
    const queue = queueOf(['a', 5]);
    expect(queue.take(3)).toEqual(['a0', 'a1', 'a2']);
    expect(queue.take(3)).toEqual(['a3', 'a4']);
    expect(queue.take(3)).toEqual([]);
    expect(queue.length).toBe(0);
  });

  it('shares evenly, and gives on what small owners leave', () => {
    const queue = queueOf(['a', 100], ['b', 1], ['c', 100]);
    const taken = queue.take(9);
    expect(taken.slice(0, 7)).toEqual(['a0', 'a1', 'a2', 'b0', 'c0', 'c1', 'c2']);
    expect(taken).toHaveLength(9);
    expect(queue.length).toBe(192);
  });

  it('lets owners of one item pass by an owner of many', () => {
    const queue = queueOf(['bulk', 1000]);
    expect(queue.take(4)).toEqual(['bulk0', 'bulk1', 'bulk2', 'bulk3']);
    for (const owner of 'abcdef') queue.add(owner, owner);
    const next = [...queue.take(4), ...queue.take(4)];
    expect(next.filter((item) => item.length === 1).sort()).toEqual([...'abcdef']);
  });

  it('serves every owner in turn when there are more owners than places', () => {
    const queue = queueOf(['a', 2], ['b', 2], ['c', 2]);
    expect([queue.take(2), queue.take(2), queue.take(2)]).toEqual([
      ['a0', 'b0'],
      ['c0', 'a1'],
      ['b1', 'c1'],
    ]);
  });

  it('forgets an owner', () => {
    const queue = queueOf(['a', 3], ['b', 1]);
    queue.remove('a');
    queue.remove('nobody');
    expect(queue.length).toBe(1);
    expect(queue.take(9)).toEqual(['b0']);
  });
});
