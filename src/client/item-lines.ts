import { NearmissError } from '../errors.js';

/** Bounds of one request of many lines. */
export interface LineLimits {
  readonly lines: number;
  /** UTF-8. */
  readonly bytes: number;
}

/** Lines that go in one request. */
export interface LineBatch {
  readonly body: string;
  readonly count: number;
  /** Position of its first line among all, from 0. */
  readonly first: number;
}

/**
 * JSON lines of values, gathered to batches within limits (a single line may exceed `bytes`; the service judges it). Takes
 * the next value only when the last batch was asked for, so a source is never read further ahead than one batch.
 *
 * @throws `NM_ITEM_INVALID` for a value that JSON cannot hold, with its position
 */
export async function* lineBatches(
  values: Iterable<unknown> | AsyncIterable<unknown>,
  limits: LineLimits,
): AsyncGenerator<LineBatch, void, undefined> {
  const encoder = new TextEncoder();
  let lines: string[] = [];
  let bytes = 0;
  let first = 0;
  const batch = (): LineBatch => {
    const taken = { body: lines.join(''), count: lines.length, first };
    first += lines.length;
    lines = [];
    bytes = 0;
    return taken;
  };
  for await (const value of values) {
    const line = lineOf(value, first + lines.length);
    const length = encoder.encode(line).length;
    if (lines.length > 0 && (lines.length >= limits.lines || bytes + length > limits.bytes)) yield batch();
    lines.push(line);
    bytes += length;
  }
  if (lines.length > 0) yield batch();
}

function lineOf(value: unknown, position: number): string {
  let line: string | undefined;
  try {
    line = JSON.stringify(value);
  } catch (cause) {
    throw new NearmissError('NM_ITEM_INVALID', `item ${position}: ${(cause as Error).message}`, { cause });
  }
  if (line === undefined)
    throw new NearmissError('NM_ITEM_INVALID', `item ${position}: found ${typeof value}, allowed: an object`);
  return `${line}\n`;
}
