import { ERRORS, type ErrorCode, NearmissError } from '../errors.js';

/** What the service said when it refused. */
export interface Refusal {
  /** HTTP status. */
  readonly status: number;
  /** One of nearmiss's codes; a newer service may have one that this version does not know. */
  readonly code: string;
  readonly message: string;
  /** Absent where the service gave none. */
  readonly hint: string | undefined;
  /** Finds the request in the service's log. */
  readonly requestId?: string | undefined;
  /** How long the service asked to wait, ms. */
  readonly retryAfter?: number | undefined;
}

/** Our own hint, if we know the code. */
function hintOf(code: string): string {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].hint : '';
}

/** The service answered, with an error: `code`, `message` and `hint` are its own, `status` is the HTTP status. */
export class ServiceError extends NearmissError {
  /** Finds the request in the service's log. */
  readonly requestId: string | undefined;
  /** How long the service asked to wait before another attempt, ms. */
  readonly retryAfter: number | undefined;

  constructor(refusal: Refusal) {
    const { code, message, hint, status } = refusal;
    super(code as ErrorCode, message, { hint: hint ?? hintOf(code), status });
    this.name = 'ServiceError';
    this.requestId = refusal.requestId;
    this.retryAfter = refusal.retryAfter;
  }
}
