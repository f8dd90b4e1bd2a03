import { NearmissError } from '../errors.js';
import type { Store } from '../retrieve/index.js';
import type { EmbeddingOptions } from './embedding.js';

/** Bounds that keep one client, or all of them, from taking the service down. */
export interface ServiceLimits {
  /** Bytes of a request's body; of a line in `POST /v1/items`. Default 16 MiB. */
  readonly maxBodyBytes: number;
  /** Pictures or queries in one request. Default 64. */
  readonly maxBatch: number;
  /** Hits a query. Default 100, at most 1,000. */
  readonly maxK: number;
  /** Hits of all queries of a request. Default 2,000. */
  readonly maxHits: number;
  /** Requests in work at once; more are answered 503. Default 256. */
  readonly maxConcurrent: number;
  /** Bytes of the bodies of requests in work; more are answered 503. Default 256 MiB. */
  readonly maxPendingBytes: number;
  /** How long a body may take to come and, of a stream of items, how long it may pause, ms. Default 15,000. */
  readonly bodyTimeout: number;
  /** How long an answer may take once the body is there, ms; later it is 503. Default 10,000. */
  readonly answerTimeout: number;
  /** Requests a second that one client (token, else address) may send on average over 10 s; 0: any. Default 0. */
  readonly rateLimit: number;
}

/** What `nearmissService` serves, and how. */
export interface ServiceOptions {
  /**
   * An SQLite file, the URL of a PostgreSQL database, or what opens a store; opened again by each reload, and closed with
   * the app.
   */
  readonly store: string | (() => Promise<Store>);
  /** The .onnx file that filled the store, read again by each reload. Without it, vectors and ids are searched only. */
  readonly model?: string;
  /** Settings of the encoder's workers. */
  readonly embedding?: Omit<EmbeddingOptions, 'model'>;
  /**
   * Token lines (`docs/serve.md`), or what reads them, at start and at each reload. Without any, requests need no token: leave
   * them out only where something else guards the routes.
   */
  readonly tokens?: readonly string[] | (() => Promise<readonly string[]>);
  /**
   * Names under which the service answers (`Host` header, without port); others are refused, which keeps web pages from
   * reaching it by a name of theirs. Default: any.
   */
  readonly hosts?: readonly string[];
  /** A folder whose pictures are the thumbnails of items named by their paths in it; listed at start and at each reload. */
  readonly pictures?: string;
  /** Opens the store for reading only. Default false. */
  readonly readOnly?: boolean;
  /** Serve the search page at `/`. Default true. */
  readonly page?: boolean;
  /** Title of the search page. */
  readonly title?: string;
  readonly limits?: Partial<ServiceLimits>;
}

const DEFAULTS: ServiceLimits = {
  maxBodyBytes: 16 * 1024 * 1024,
  maxBatch: 64,
  maxK: 100,
  maxHits: 2000,
  maxConcurrent: 256,
  maxPendingBytes: 256 * 1024 * 1024,
  bodyTimeout: 15_000,
  answerTimeout: 10_000,
  rateLimit: 0,
};

const RANGES: Readonly<Record<keyof ServiceLimits, readonly [least: number, most: number]>> = {
  maxBodyBytes: [1024, 1024 ** 3],
  maxBatch: [1, 1000],
  maxK: [1, 1000],
  maxHits: [1, 1_000_000],
  maxConcurrent: [1, 100_000],
  maxPendingBytes: [1024, 2 ** 40],
  bodyTimeout: [10, 3_600_000],
  answerTimeout: [10, 3_600_000],
  rateLimit: [0, 1_000_000],
};

/**
 * Limits with their defaults filled in.
 *
 * @throws `NM_OPTION_UNKNOWN`, `NM_OPTION_INVALID`
 */
export function serviceLimits(given: Partial<ServiceLimits> = {}): ServiceLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(RANGES, name)) {
      const known = Object.keys(RANGES).join(', ');
      throw new NearmissError('NM_OPTION_UNKNOWN', `limits: found ${JSON.stringify(name)}, allowed: ${known}`);
    }
    const [least, most] = RANGES[name as keyof ServiceLimits];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    const allowed = `a whole number from ${least} to ${most}`;
    throw new NearmissError('NM_OPTION_INVALID', `limits.${name}: found ${String(value)}, allowed: ${allowed}`);
  }
  return { ...DEFAULTS, ...given };
}
