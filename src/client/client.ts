import { NearmissError } from '../errors.js';
import type {
  HealthAnswer,
  InfoAnswer,
  SearchAnswer,
  SearchAnswers,
  SearchBody,
  SearchSettings,
  StatsAnswer,
  Query as WireQuery,
} from '../serve/messages.js';
import { type Answer, readObject } from './answer.js';
import { Items } from './items.js';
import { asBase64, asBlob, type Picture } from './pictures.js';
import { type CallOptions, Transport } from './transport.js';

export interface ClientOptions {
  /** Where the service is: `http://127.0.0.1:8080`, or an address with a path in front of `v1/`. */
  readonly url: string | URL;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Longest time of a call with all its attempts and pauses, ms. Default 30,000. */
  readonly timeout?: number;
  /** Most attempts after the first, 0 … 100. Default 4. */
  readonly retries?: number;
  /** Bound of the first pause between attempts, ms; it doubles with each further one. Default 100. */
  readonly pause?: number;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
}

/** Exactly one of a picture, a vector [dimension] and the id of a stored item. */
export type Query = { readonly picture: Picture } | { readonly vector: ArrayLike<number> } | { readonly id: string };

export interface Embeddings {
  /** Names the encoder; give it to `search` and to `items.put` beside its vectors. */
  readonly fingerprint: string;
  readonly dimension: number;
  /** Float32 [dimension] of each picture, of length 1. */
  readonly vectors: readonly Float32Array<ArrayBuffer>[];
}

/**
 * A service, seen from afar. Every method rejects with a `NearmissError`: a `ServiceError` with the service's code where it
 * answered with one; `NM_SERVICE_UNREACHABLE`, `NM_SERVICE_TIMEOUT` or `NM_ANSWER_INVALID` where it did not; and with the
 * reason of `signal` where that ended the call. Calls that the service refused for now (429, 503) are made again after a
 * growing random pause, and never before the time that it names.
 */
export interface Client {
  /** Embeds pictures with the service's encoder. */
  embed(pictures: readonly Picture[], options?: CallOptions): Promise<Embeddings>;
  /** The best items for a query, best first. */
  search(query: Query, options?: SearchSettings & CallOptions): Promise<SearchAnswer>;
  /** The same for several queries in one call: a result each, in order. */
  searchMany(queries: readonly Query[], options?: SearchSettings & CallOptions): Promise<SearchAnswers>;
  readonly items: Items;
  /** The store and its encoder. */
  info(options?: CallOptions): Promise<InfoAnswer>;
  stats(options?: CallOptions): Promise<StatsAnswer>;
  /** Whether the process answers (`healthz`). */
  health(options?: CallOptions): Promise<HealthAnswer>;
  /** Whether it takes requests (`readyz`); that it does not is an answer too, and no error. */
  ready(options?: CallOptions): Promise<HealthAnswer>;
}

function invalid(option: string, found: unknown, allowed: string): NearmissError {
  return new NearmissError('NM_OPTION_INVALID', `${option}: found ${String(found)}, allowed: ${allowed}`);
}

function integer(option: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(option, value, `a whole number from ${least} to ${most}`);
}

/** The address with a slash at its end, so that paths are appended to it. */
function baseOf(url: string | URL): URL {
  let base: URL;
  try {
    base = new URL(url);
  } catch {
    throw invalid('url', url, 'an address such as http://127.0.0.1:8080');
  }
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw invalid('url', base.protocol, 'http: or https:');
  // fetch refuses them, and messages must not show them.
  if (base.username || base.password) throw invalid('url', 'a user name or password', 'the option `token`');
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  base.search = '';
  base.hash = '';
  return base;
}

/**
 * A client of `nearmiss serve`, for browsers and for Node. Opens nothing: it needs no closing.
 *
 * @throws `NM_OPTION_INVALID`
 * @example
 * const client = createClient({ url: 'http://127.0.0.1:8080' });
 * await client.items.put('shoe.jpg', { picture: await readFile('shoe.jpg'), metadata: { shelf: 3 } });
 * const { hits } = await client.search({ picture: query }, { k: 5 });
 */
export function createClient(options: ClientOptions): Client {
  const { url, token, timeout = 30_000, retries = 4, pause = 100, fetch: given } = options;
  // What is no header value would fail in fetch, with the token in the message.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) throw invalid('token', 'other characters', 'visible ASCII');
  const transport = new Transport({
    base: baseOf(url),
    token,
    timeout: integer('timeout', timeout, 1, 2 ** 31 - 1),
    retries: integer('retries', retries, 0, 100),
    pause: integer('pause', pause, 0, 60_000),
    // A browser's fetch wants to be called on the window.
    fetch: given ?? ((input, init) => globalThis.fetch(input, init)),
  });
  return new ServiceClient(transport);
}

class ServiceClient implements Client {
  readonly items: Items;

  constructor(private readonly transport: Transport) {
    this.items = new Items(transport);
  }

  async embed(pictures: readonly Picture[], options?: CallOptions): Promise<Embeddings> {
    const body = new FormData();
    for (const [i, picture] of pictures.entries()) body.append('picture', asBlob(picture), `${i}`);
    const headers = { accept: 'application/octet-stream' };
    const call = { method: 'POST', path: 'v1/embed', headers, body, repeatable: true } as const;
    return readEmbeddings(await this.transport.send(call, options), pictures.length);
  }

  async search(query: Query, options: SearchSettings & CallOptions = {}): Promise<SearchAnswer> {
    const { signal, timeout, ...settings } = options;
    const { filter, ...short } = settings;
    if ('picture' in query && filter === undefined) {
      // A third less than base64, and not parsed.
      const parameters = Object.entries(short).map(([name, value]): [string, string] => [name, String(value)]);
      return this.ask(`v1/search?${new URLSearchParams(parameters)}`, asBlob(query.picture), options);
    }
    return this.ask('v1/search', { ...(await wireQuery(query)), ...settings }, options);
  }

  async searchMany(queries: readonly Query[], options: SearchSettings & CallOptions = {}): Promise<SearchAnswers> {
    const { signal, timeout, ...settings } = options;
    return this.ask('v1/search', { queries: await Promise.all(queries.map(wireQuery)), ...settings }, options);
  }

  private async ask<Body extends object>(path: string, body: Blob | SearchBody, options: CallOptions): Promise<Body> {
    const json = !(body instanceof Blob);
    const headers = { 'content-type': json ? 'application/json' : 'application/octet-stream' };
    const call = { method: 'POST', path, headers, body: json ? JSON.stringify(body) : body, repeatable: true } as const;
    return readObject<Body>(await this.transport.send(call, options));
  }

  info(options?: CallOptions): Promise<InfoAnswer> {
    return this.get('v1/info', options);
  }

  stats(options?: CallOptions): Promise<StatsAnswer> {
    return this.get('v1/stats', options);
  }

  health(options?: CallOptions): Promise<HealthAnswer> {
    return this.get('healthz', options);
  }

  ready(options?: CallOptions): Promise<HealthAnswer> {
    return this.get('readyz', options, [503]);
  }

  private async get<Body extends object>(path: string, options?: CallOptions, accept: number[] = []): Promise<Body> {
    return readObject<Body>(await this.transport.send({ method: 'GET', path, repeatable: true, accept }, options));
  }
}

/** Float32 [count, dimension], little-endian, as every platform that runs JavaScript has them. */
function readEmbeddings({ name, headers, bytes }: Answer, count: number): Embeddings {
  const dimension = Number(headers.get('x-nearmiss-dimension') ?? Number.NaN);
  const fingerprint = headers.get('x-nearmiss-fingerprint');
  if (fingerprint === null || bytes.length !== count * dimension * 4) {
    const found = `${bytes.length} bytes of dimension ${dimension}, encoder ${fingerprint}`;
    throw new NearmissError('NM_ANSWER_INVALID', `${name}: found ${found}, allowed: float32 of ${count} pictures`);
  }
  const vectors = Array.from(
    { length: count },
    (_, i) => new Float32Array(bytes.buffer.slice(i * dimension * 4, (i + 1) * dimension * 4)),
  );
  return { fingerprint, dimension, vectors };
}

async function wireQuery(query: Query): Promise<WireQuery> {
  if ('picture' in query) return { picture: await asBase64(query.picture) };
  if ('vector' in query) return { vector: Array.from(query.vector) };
  return { id: query.id };
}
