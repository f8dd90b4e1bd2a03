/** How often, and after which pauses, a call is made again. */
export interface RetryPolicy {
  /** Most attempts after the first. */
  readonly retries: number;
  /** Bound of the first pause, ms; it doubles with every further one. */
  readonly pause: number;
}

/** No pause that the client chooses by itself is longer, ms. */
const LONGEST_PAUSE = 10_000;

/**
 * What a `Retry-After` header asks for, in ms from `now` (ms since 1970): it holds seconds or a date. Undefined if there is
 * none or it says neither.
 */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse takes nearly anything for a date; HTTP's begin with a weekday.
  const date = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * The pause in ms before attempt number `attempt` (1 is the first repetition): random between 0 and a bound that doubles
 * ("full jitter"), so that clients that were refused together do not come back together. What the server asked for comes
 * on top, never below it.
 *
 * @param random gives numbers in [0, 1)
 */
export function pauseBefore(
  attempt: number,
  policy: RetryPolicy,
  retryAfter: number | undefined,
  random: () => number,
): number {
  const bound = Math.min(LONGEST_PAUSE, policy.pause * 2 ** (attempt - 1));
  return (retryAfter ?? 0) + random() * bound;
}
