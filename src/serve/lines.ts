import type { Readable } from 'node:stream';
import { NearmissError } from '../errors.js';

/** A line of a body; `bytes` is undefined where it was longer than allowed, and left out. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly bytes: Buffer | undefined;
}

export interface LineOptions {
  readonly maxBytes: number;
  /** Longest pause between bytes while they are waited for, ms. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

const NEWLINE = 10;
const RETURN = 13;

/**
 * Lines of a stream, without their ends; empty ones are left out but counted. The stream is read no further than lines are
 * asked for, so whoever sends is held up by whoever reads. Leaving early leaves the stream open, so that it can be answered.
 *
 * @throws `NM_REQUEST_TIMEOUT`, `NM_REQUEST_INVALID` where the stream breaks off, or the signal's reason
 */
export async function* readLines(stream: Readable, { maxBytes, timeout, signal }: LineOptions): AsyncGenerator<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let length = 0;
  let tooLong = false;
  const finish = (): Line | undefined => {
    number += 1;
    const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
    const line = whole.at(-1) === RETURN ? whole.subarray(0, -1) : whole;
    const skipped = tooLong;
    parts = [];
    length = 0;
    tooLong = false;
    if (skipped) return { number, bytes: undefined };
    return line.length > 0 ? { number, bytes: line } : undefined;
  };
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > maxBytes) {
      tooLong = true;
      parts = [];
    } else parts.push(part);
  };
  for await (const chunk of chunksOf(stream, timeout, signal)) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      const line = finish();
      if (line) yield line;
    }
    if (from < chunk.length) add(chunk.subarray(from));
  }
  if (length > 0) {
    const line = finish();
    if (line) yield line;
  }
}

async function* chunksOf(stream: Readable, timeout: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const iterator = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  for (;;) {
    signal.throwIfAborted();
    const next = await within(iterator.next(), timeout, signal);
    if (next.done) return;
    yield next.value;
  }
}

/** The next chunk, unless it takes too long or is no longer wanted. */
function within<Value>(next: Promise<Value>, timeout: number, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const timer = setTimeout(
      () => reject(new NearmissError('NM_REQUEST_TIMEOUT', `body: nothing came for ${timeout} ms`)),
      timeout,
    );
    signal.addEventListener('abort', abort, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    };
    next.then(
      (value) => {
        settle();
        resolve(value);
      },
      (cause: unknown) => {
        settle();
        reject(new NearmissError('NM_REQUEST_INVALID', 'body: found its end missing', { cause }));
      },
    );
  });
}
