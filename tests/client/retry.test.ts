import { describe, expect, it } from 'vitest';
import { parseRetryAfter, pauseBefore } from '../../src/client/retry.js';

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');

  it('reads seconds', () => {
    expect(parseRetryAfter('0', now)).toBe(0);
    expect(parseRetryAfter(' 120 ', now)).toBe(120_000);
  });

  it('reads the three forms of dates that HTTP has, those gone by as now', () => {
    expect(parseRetryAfter('Fri, 02 Jan 2026 03:04:35 GMT', now)).toBe(30_000);
    expect(parseRetryAfter('Friday, 02-Jan-26 03:04:35 GMT', now)).toBe(30_000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:00 GMT', now)).toBe(0);
  });

  it.each([null, '', 'soon', '-1', '1.5', '0x10', '1e3', 'NaN', '2026-01-02'])('takes no notice of %s', (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined();
  });
});

describe('pauseBefore', () => {
  const policy = { retries: 9, pause: 100 };

  it('doubles the bound of a random pause, up to ten seconds', () => {
    const bounds = [1, 2, 3, 4, 20].map((attempt) => pauseBefore(attempt, policy, undefined, () => 1));
    expect(bounds).toEqual([100, 200, 400, 800, 10_000]);
    expect(pauseBefore(3, policy, undefined, () => 0.25)).toBe(100);
    expect(pauseBefore(3, policy, undefined, () => 0)).toBe(0);
  });

  it('comes on top of what the service asked for, never below it', () => {
    expect(pauseBefore(1, policy, 2000, () => 0)).toBe(2000);
    expect(pauseBefore(2, policy, 2000, () => 0.5)).toBe(2100);
  });
});
