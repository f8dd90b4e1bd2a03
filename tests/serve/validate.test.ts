import { describe, expect, it } from 'vitest';
import type { NearmissError } from '../../src/errors.js';
import { searchBody } from '../../src/serve/schemas.js';
import { checkerOf } from '../../src/serve/validate.js';

const check = checkerOf(searchBody);

function refusal(value: unknown): string {
  try {
    check(value, 'body');
  } catch (error) {
    expect((error as NearmissError).code).toBe('NM_REQUEST_INVALID');
    return (error as NearmissError).message;
  }
  return 'taken';
}

describe('a request that does not fit', () => {
  it.each<[unknown, string]>([
    [{ ids: ['a'] }, 'body: found "ids", which is not known here'],
    [{ queries: [{ id: 'a' }, { id: 'b', k: 3 }] }, 'body.queries.1: found "k", which is not known here'],
    [JSON.parse('{"__proto__":{"k":1},"id":"a"}'), 'body: found "__proto__", which is not known here'],
    [{ vector: Array(16_385).fill(0) }, 'body.vector: found a list of 16385, allowed: at most 16384'],
    [{ id: 'a', k: 0 }, 'body.k: found 0, it must be >= 1'],
    [{ id: 'a', filter: { op: 'eq', anything: 1 } }, 'taken'],
  ])('%j is told the place, what was found and what is allowed', (value, message) => {
    expect(refusal(value)).toBe(message);
  });

  it('is refused at its first fault, not after a list of a million', () => {
    const used = (work: () => void): number => {
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e3;
    };
    const many = { vector: Array(1_000_000).fill('1') };
    const names = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, 1]));
    // Gathering every error takes seconds.
    expect(used(() => refusal(many))).toBeLessThan(500);
    expect(used(() => refusal(names))).toBeLessThan(500);
  });
});
