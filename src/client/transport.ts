import { NearmissError } from '../errors.js';
import { type Answer, readRefusal } from './answer.js';
import { parseRetryAfter, pauseBefore, type RetryPolicy } from './retry.js';
import { ServiceError } from './service-error.js';

/** What goes to one route. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the service's address, without a slash in front, escaped. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whole, so that it can be sent again. */
  readonly body?: string | Blob | FormData;
  /** Whether doing it twice is the same as doing it once, and answered alike: then a lost connection is no reason to give up. */
  readonly repeatable: boolean;
  /** Statuses that are answers, beside 2xx. */
  readonly accept?: readonly number[];
}

export interface CallOptions {
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Longest time of the call with all its attempts and pauses, ms; the client's by default. */
  readonly timeout?: number;
}

export interface TransportOptions extends RetryPolicy {
  /** Ends in a slash. */
  readonly base: URL;
  readonly token: string | undefined;
  readonly timeout: number;
  readonly fetch: typeof fetch;
}

/** Sends calls, repeats what may be repeated, and turns refusals into errors. */
export class Transport {
  constructor(private readonly options: TransportOptions) {}

  /**
   * @throws `ServiceError` with the service's code; `NM_SERVICE_UNREACHABLE` if no whole answer came,
   *   `NM_SERVICE_TIMEOUT`, or the signal's reason
   */
  send(call: Call, { signal, timeout = this.options.timeout }: CallOptions = {}): Promise<Answer> {
    const name = `${call.method} ${new URL(call.path, this.options.base).href}`;
    return withDeadline(name, timeout, signal, (within, deadline) => this.repeat(call, name, within, deadline));
  }

  private async repeat(call: Call, name: string, signal: AbortSignal, deadline: number): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.attempt(call, name, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (attempt > this.options.retries || !mayRepeat(call, error)) throw error;
        const asked = error instanceof ServiceError ? error.retryAfter : undefined;
        const pause = pauseBefore(attempt, this.options, asked, Math.random);
        // No use in waiting for a time when it is too late: the caller can do something better with the error.
        if (performance.now() + pause >= deadline) throw error;
        await sleep(pause, signal);
      }
    }
  }

  private async attempt(call: Call, name: string, signal: AbortSignal): Promise<Answer> {
    const { base, token, fetch } = this.options;
    const headers = token === undefined ? call.headers : { ...call.headers, authorization: `Bearer ${token}` };
    let answer: Answer;
    try {
      const response = await fetch(new URL(call.path, base), {
        method: call.method,
        ...(headers === undefined ? {} : { headers }),
        ...(call.body === undefined ? {} : { body: call.body }),
        signal,
        // A redirect would turn POST into GET, or take the token elsewhere.
        redirect: 'error',
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      answer = { name, status: response.status, headers: response.headers, bytes };
    } catch (cause) {
      throw new NearmissError('NM_SERVICE_UNREACHABLE', `${name}: no whole answer came: ${reasonOf(cause)}`, { cause });
    }
    const { status } = answer;
    if ((status >= 200 && status < 300) || call.accept?.includes(status)) return answer;
    const retryAfter = parseRetryAfter(answer.headers.get('retry-after'), Date.now());
    throw new ServiceError({ ...readRefusal(answer), retryAfter });
  }
}

/** A service that answers 429 or 503 has done nothing; after a lost connection nobody knows. */
function mayRepeat(call: Call, error: unknown): boolean {
  if (error instanceof ServiceError) return error.status === 429 || error.status === 503;
  return call.repeatable && error instanceof NearmissError && error.code === 'NM_SERVICE_UNREACHABLE';
}

/** fetch says "fetch failed" and hides why. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  if (!(cause instanceof Error)) return message;
  return `${message}: ${cause.message || (cause as NodeJS.ErrnoException).code || cause.name}`;
}

async function withDeadline<Result>(
  name: string,
  timeout: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal, deadline: number) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  // Not AbortSignal.any: it holds on to signals that live long, and older browsers lack it.
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    controller.abort(new NearmissError('NM_SERVICE_TIMEOUT', `${name}: no answer within ${timeout} ms`));
  }, timeout);
  try {
    return await work(controller.signal, performance.now() + timeout);
  } catch (error) {
    throw timedOut || signal?.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

function sleep(time: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, time);
    signal.addEventListener('abort', abort, { once: true });
  });
}
