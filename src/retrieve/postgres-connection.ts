import { setTimeout as wait } from 'node:timers/promises';
import type { Pool, PoolClient, PoolConfig, QueryResult } from 'pg';
import { NearmissError } from '../errors.js';

export interface ConnectionOptions {
  /** Connections at a time, 1 … 100. Default 4. */
  readonly poolSize?: number;
  /** Longest a statement may take, ms, 0 (no limit) … 86,400,000. Default 60,000. */
  readonly statementTimeout?: number;
  /** How long to go on trying where the server cannot be reached, ms, 0 … 600,000. Default 10,000. */
  readonly retryFor?: number;
}

/** A connection in use. */
export interface Session {
  /** Runs SQL that is prepared once a connection; `name` stands for its text. */
  prepared<Row>(name: string, text: string, values: readonly unknown[]): Promise<Row[]>;
  /** Runs SQL as it is. */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  readonly client: PoolClient;
}

/** SQLSTATEs after which the same work may well succeed on another try. */
const BUSY = new Set(['40001', '40P01', '55P03']);
/** The server went away, or is coming up. */
const AWAY = new Set([
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
const AWAY_TEXT =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|connection is closed/i;
const FIRST_DELAY = 50;
const LONGEST_DELAY = 2000;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function isAway(error: unknown): boolean {
  const code = codeOf(error);
  return AWAY.has(code) || (error instanceof Error && AWAY_TEXT.test(error.message));
}

/** The driver, which is an optional dependency; `NM_POSTGRES_MISSING` without it. */
export async function optionalPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new NearmissError('NM_POSTGRES_MISSING', `PostgreSQL needs the package ${name}, which is not installed`, {
      cause,
    });
  }
}

/** A pool of connections to one database, which survives that the server goes away for a while. */
export class Connections {
  /** The place without its password, for messages. */
  readonly place: string;
  readonly #pool: Pool;
  readonly #retryFor: number;
  readonly #prefixes = new WeakMap<PoolClient, string>();
  #prefix = 0;

  private constructor(place: string, pool: Pool, retryFor: number) {
    this.place = place;
    this.#pool = pool;
    this.#retryFor = retryFor;
  }

  static async open(url: string, options: ConnectionOptions): Promise<Connections> {
    const { poolSize = 4, statementTimeout = 60_000, retryFor = 10_000 } = options;
    const { default: pg } = await optionalPackage('pg', () => import('pg'));
    const config: PoolConfig = {
      connectionString: url,
      max: poolSize,
      connectionTimeoutMillis: 10_000,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      allowExitOnIdle: true,
      application_name: 'nearmiss',
      // The server stops a statement; where the network has gone silent, the client gives up a little later.
      ...(statementTimeout > 0 ? { statement_timeout: statementTimeout, query_timeout: statementTimeout + 5000 } : {}),
    };
    const pool = new pg.Pool(config);
    // An idle connection that breaks is replaced on the next use, which is what the pool does once it is told.
    pool.on('error', () => undefined);
    return new Connections(placeOf(url), pool, retryFor);
  }

  /**
   * Runs `body` on a connection, again from the start where the connection is lost or the server says to try again: it
   * must be safe to repeat.
   *
   * @throws `NM_STORE_UNREACHABLE`, `NM_STORE_BUSY`, `NM_STORE_TIMEOUT`, `NM_STORE_WRITE_FAILED`, or what `body` throws
   */
  async use<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const until = performance.now() + this.#retryFor;
    for (let delay = FIRST_DELAY; ; delay = Math.min(2 * delay, LONGEST_DELAY)) {
      try {
        return await this.#once(body);
      } catch (error) {
        const again = isAway(error) || BUSY.has(codeOf(error));
        // Spread out, so that many clients do not come back at the same moment.
        const pause = delay * (0.5 + Math.random());
        if (!again || performance.now() + pause > until) throw this.#coded(error);
        await wait(pause);
      }
    }
  }

  /** As `use`, in a transaction; an error undoes it. */
  transaction<T>(body: (session: Session) => Promise<T>, kind: 'READ ONLY' | 'READ WRITE' = 'READ WRITE'): Promise<T> {
    return this.use(async (session) => {
      await session.query(`BEGIN ${kind}`);
      try {
        const result = await body(session);
        await session.query('COMMIT');
        return result;
      } catch (error) {
        await session.query('ROLLBACK').catch(() => undefined); // a lost connection has rolled back by itself
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #once<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken = false;
    const fail = (): void => {
      broken = true;
    };
    client.on('error', fail);
    try {
      return await body(this.#session(client));
    } catch (error) {
      broken ||= isAway(error) || (error instanceof Error && error.message === 'Query read timeout');
      throw error;
    } finally {
      client.off('error', fail);
      client.release(broken);
    }
  }

  #session(client: PoolClient): Session {
    // Unique to the connection: behind a pooler, connections that share a server session must not meet in a name.
    let prefix = this.#prefixes.get(client);
    if (prefix === undefined) {
      prefix = `nm_${Math.random().toString(36).slice(2, 10)}_${this.#prefix++}_`;
      this.#prefixes.set(client, prefix);
    }
    const rows = <Row>(result: QueryResult): Row[] => result.rows as Row[];
    return {
      client,
      prepared: async (name, text, values) =>
        rows(await client.query({ name: `${prefix}${name}`, text, values: [...values] })),
      query: async (text, values) => rows(await client.query(text, values === undefined ? undefined : [...values])),
    };
  }

  #coded(error: unknown): unknown {
    if (error instanceof NearmissError || !(error instanceof Error)) return error;
    const code = codeOf(error);
    const as = (errorCode: ConstructorParameters<typeof NearmissError>[0], what: string): NearmissError =>
      new NearmissError(errorCode, `${this.place}: ${what} (${error.message})`, { cause: error });
    if (isAway(error)) return as('NM_STORE_UNREACHABLE', 'the server cannot be reached');
    if (BUSY.has(code)) return as('NM_STORE_BUSY', 'other writers were in the way');
    if (code === '57014' || error.message === 'Query read timeout') {
      return as('NM_STORE_TIMEOUT', 'the statement took longer than statementTimeout allows');
    }
    if (code.startsWith('28')) return as('NM_STORE_UNREACHABLE', 'the server refuses this user');
    if (code === '3D000') return as('NM_STORE_MISSING', 'there is no such database');
    if (code === '42501' || code === '25006') return as('NM_STORE_READ_ONLY', 'this user may not write here');
    if (code.startsWith('53') || code === '58030') return as('NM_STORE_WRITE_FAILED', 'the server has no room');
    return error;
  }
}

/** A connection string without its password. */
export function placeOf(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    for (const key of [...parsed.searchParams.keys()]) if (key !== 'schema') parsed.searchParams.delete(key);
    return parsed.href;
  } catch {
    return 'postgres://…';
  }
}
