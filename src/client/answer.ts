import { NearmissError } from '../errors.js';
import type { ErrorAnswer } from '../serve/messages.js';
import type { Refusal } from './service-error.js';

/** An answer that was read to its end. */
export interface Answer {
  /** Method and address that it answers, for messages. */
  readonly name: string;
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function parse({ bytes }: Answer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** The beginning of a body that is not what it should be, in one line. */
function beginning({ bytes }: Answer): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 200)).replace(/\s+/g, ' ').trim();
  return text === '' ? 'an empty body' : JSON.stringify(text.slice(0, 80));
}

/**
 * The object that a successful answer holds.
 *
 * @throws `NM_ANSWER_INVALID`
 */
export function readObject<Body extends object>(answer: Answer): Body {
  const value = parse(answer);
  if (typeof value === 'object' && value !== null) return value as Body;
  throw new NearmissError('NM_ANSWER_INVALID', `${answer.name}: found ${beginning(answer)}, allowed: JSON`);
}

/** What an answer that is no success says; what is not of our service gets the code `NM_ANSWER_INVALID`. */
export function readRefusal(answer: Answer): Omit<Refusal, 'retryAfter'> {
  const { name, status, headers } = answer;
  const { error } = (parse(answer) ?? {}) as Partial<ErrorAnswer>;
  const requestId = error?.requestId ?? headers.get('x-request-id') ?? undefined;
  if (typeof error?.code === 'string' && typeof error.message === 'string') {
    return { status, code: error.code, message: error.message, hint: error.hint, requestId };
  }
  const message = `${name}: found status ${status} and ${beginning(answer)}, allowed: an answer of a nearmiss service`;
  return { status, code: 'NM_ANSWER_INVALID', message, hint: undefined, requestId };
}
