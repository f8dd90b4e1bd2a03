import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type PgBoss from 'pg-boss';
import { NearmissError } from '../errors.js';
import { type Connections, optionalPackage } from './postgres-connection.js';
import type { PostgresStore } from './postgres-store.js';
import { checkWhole } from './vectors.js';

export interface ShareOptions {
  readonly store: PostgresStore;
  /** Names the work: processes that share one name share its files. At most 200 characters. */
  readonly name: string;
  /** The names of all files, each once; read by one process, which fills the queue. */
  readonly names: () => AsyncIterable<string>;
  /** Does the work of some files. Whatever it throws ends the call, and the files are taken up again. */
  readonly work: (names: readonly string[]) => Promise<void>;
  /** Files taken at a time, 1 … 1,000. Default 64. */
  readonly batch?: number;
  /**
   * Seconds after which files that were taken and not finished are given to others, 1 … 86,400. Default 120. Must be more
   * than a batch takes: files of a process that is only slow would be done twice, which costs time and nothing else.
   */
  readonly lease?: number;
  readonly signal?: AbortSignal;
  /** Called after each batch of this process, with the number of files that it has done. */
  readonly onProgress?: (done: number) => void;
}

export interface ShareResult {
  /** Files done by this process. */
  readonly done: number;
  /** Files, of whichever process, that failed again and again. */
  readonly failed: readonly string[];
}

/** Jobs put into the queue at a time. */
const FILL = 1000;
/** The process that fills the queue must show itself within so many seconds, or another takes over. */
const FILL_LEASE = 30;
const IDLE_MILLISECONDS = 300;
const RETRIES = 5;
const START_ATTEMPTS = 4;

/**
 * Does the work of many files together with other processes, on this machine and others, through a queue in the store's
 * database (pg-boss): each file is done once, and those of a process that was killed are taken up by others after `lease`
 * seconds. Returns when all files are done, by whomever; an interrupted call is gone on with by the next of that name.
 *
 * @throws `NM_POSTGRES_MISSING`, `NM_OPTION_INVALID`, the store's errors, what `work` throws, or the signal's reason
 */
export async function shareFiles(options: ShareOptions): Promise<ShareResult> {
  const { store, name, work, batch = 64, lease = 120, signal, onProgress } = options;
  checkWhole('batch', batch, 1, 1000);
  checkWhole('lease', lease, 1, 86_400);
  if (name === '' || name.length > 200 || name.includes('\0')) {
    throw new NearmissError('NM_OPTION_INVALID', `name: found ${JSON.stringify(name)}, allowed: 1 to 200 characters`);
  }
  signal?.throwIfAborted();
  const share = await Share.join(store, name, lease);
  const stop = new AbortController();
  // Fills the queue beside the work; a failure is seen at the end of the batch.
  let trouble: unknown;
  const filling = share.fill(options.names, stop.signal).catch((error: unknown) => {
    trouble = error;
  });
  try {
    let done = 0;
    for (;;) {
      signal?.throwIfAborted();
      if (trouble !== undefined) throw trouble;
      const jobs = await share.take(batch);
      if (jobs.length > 0) {
        await share.run(jobs, work);
        done += jobs.length;
        onProgress?.(done);
      } else if (await share.isDone(options.names, stop.signal)) {
        return { done, failed: await share.end() };
      } else await wait(IDLE_MILLISECONDS);
    }
  } finally {
    stop.abort();
    await filling;
    await share.leave();
  }
}

/** A job is a file. */
interface Work {
  readonly file: string;
}

class Share {
  readonly #store: PostgresStore;
  readonly #name: string;
  readonly #boss: PgBoss;
  readonly #jobs: string;
  readonly #lease: number;
  readonly #run: string;

  private constructor(store: PostgresStore, name: string, boss: PgBoss, jobs: string, lease: number, run: string) {
    this.#store = store;
    this.#name = name;
    this.#boss = boss;
    this.#jobs = jobs;
    this.#lease = lease;
    this.#run = run;
  }

  /** Joins the run of this name that is under way, or begins one. */
  static async join(store: PostgresStore, name: string, lease: number): Promise<Share> {
    const { default: Boss } = await optionalPackage('pg-boss', () => import('pg-boss'));
    const jobs = `${store.schema.slice(1, -1)}_jobs`;
    const boss = await startBoss(
      () => new Boss({ schema: jobs, supervise: false, schedule: false, db: executor(store.connections) }),
    );
    const [row] = await store.connections.use((session) =>
      session.query<{ run: string }>(
        `INSERT INTO ${store.schema}.shares (name) VALUES ($1)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING run`,
        [name],
      ),
    );
    return new Share(store, name, boss, jobs, lease, row!.run);
  }

  /** Puts all files into the queue, unless another process is at it or has done it. */
  async fill(names: () => AsyncIterable<string>, signal: AbortSignal): Promise<void> {
    if (!(await this.#extendFilling('filling_until < now() AND NOT filled'))) return;
    await this.#boss.createQueue(this.#run, {
      name: this.#run,
      expireInSeconds: this.#lease,
      retryLimit: RETRIES,
      retryDelay: 0,
    });
    let jobs: PgBoss.JobInsert[] = [];
    const flush = async (): Promise<void> => {
      await this.#boss.insert(jobs);
      jobs = [];
      await this.#extendFilling('true');
    };
    for await (const file of names()) {
      if (signal.aborted) return;
      jobs.push({ id: jobId(this.#run, file), name: this.#run, data: { file } });
      if (jobs.length === FILL) await flush();
    }
    if (jobs.length > 0) await flush();
    await this.#store.connections.use((session) =>
      session.query(`UPDATE ${this.#store.schema}.shares SET filled = true WHERE name = $1 AND run = $2`, [
        this.#name,
        this.#run,
      ]),
    );
  }

  /** Some files that no process has at the moment. */
  async take(count: number): Promise<PgBoss.Job<Work>[]> {
    return (await this.#boss.fetch<Work>(this.#run, { batchSize: count })) ?? [];
  }

  async run(jobs: readonly PgBoss.Job<Work>[], work: ShareOptions['work']): Promise<void> {
    const ids = jobs.map(({ id }) => id);
    try {
      await work(jobs.map(({ data }) => data.file));
    } catch (error) {
      // For others to try; where even that fails, the lease ends.
      await this.#boss.fail(this.#run, ids).catch(() => undefined);
      throw error;
    }
    await this.#boss.complete(this.#run, ids);
  }

  /** True if all files are in the queue and none is left to do. Takes back the files of processes that are gone. */
  async isDone(names: () => AsyncIterable<string>, signal: AbortSignal): Promise<boolean> {
    const [share] = await this.#store.connections.use((session) =>
      session.query<{ filled: boolean; idle: boolean }>(
        `SELECT filled, filling_until < now() AS idle FROM ${this.#store.schema}.shares WHERE name = $1 AND run = $2`,
        [this.#name, this.#run],
      ),
    );
    if (!share) return true; // another process has seen the end
    if (!share.filled) {
      if (share.idle) await this.fill(names, signal);
      return false;
    }
    await this.#boss.expire();
    return (await this.#boss.getQueueSize(this.#run, { before: 'completed' })) === 0;
  }

  /** Clears up after the last file, and returns those that failed. */
  async end(): Promise<string[]> {
    const failed = await this.#store.connections.use((session) =>
      session.query<{ file: string }>(
        `SELECT data ->> 'file' AS file FROM ${this.#jobs}.job WHERE name = $1 AND state = 'failed' ORDER BY 1`,
        [this.#run],
      ),
    );
    const ended = await this.#store.connections.use((session) =>
      session.query(`DELETE FROM ${this.#store.schema}.shares WHERE name = $1 AND run = $2 RETURNING 1`, [
        this.#name,
        this.#run,
      ]),
    );
    if (ended.length > 0) {
      await this.#store.connections.use((session) =>
        session.query(`DELETE FROM ${this.#jobs}.job WHERE name = $1`, [this.#run]),
      );
      await this.#boss.deleteQueue(this.#run);
    }
    return failed.map(({ file }) => file);
  }

  async leave(): Promise<void> {
    await this.#boss.stop({ graceful: false, wait: false, close: false });
  }

  /** Takes or keeps the filling of the queue for a while; false if it is another's. */
  async #extendFilling(condition: string): Promise<boolean> {
    const rows = await this.#store.connections.use((session) =>
      session.query(
        `UPDATE ${this.#store.schema}.shares SET filling_until = now() + interval '${FILL_LEASE} seconds'
         WHERE name = $1 AND run = $2 AND ${condition} RETURNING 1`,
        [this.#name, this.#run],
      ),
    );
    return rows.length > 0;
  }
}

/** Starts pg-boss, which makes its tables where there are none: of several that do so at once, all but one fail at first. */
async function startBoss(make: () => PgBoss): Promise<PgBoss> {
  for (let attempt = 1; ; attempt++) {
    const boss = make();
    boss.on('error', () => undefined); // calls reject by themselves
    try {
      return await boss.start();
    } catch (error) {
      if (error instanceof NearmissError || attempt === START_ATTEMPTS) throw error;
      await wait(IDLE_MILLISECONDS * attempt);
    }
  }
}

/** The same for each process, so that a file enters the queue of a run once. */
function jobId(run: string, file: string): string {
  const hex = createHash('sha256').update(`${run}\0${file}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** pg-boss on the store's own connections. */
function executor(connections: Connections): PgBoss.Db {
  return {
    executeSql: (text, values) =>
      connections.use(async ({ client }) => {
        // Several statements in one text have a result each, and may leave their own transaction behind.
        const results: unknown = await client.query(text, values).catch(async (error: unknown) => {
          await client.query('ROLLBACK').catch(() => undefined);
          throw error;
        });
        return Array.isArray(results)
          ? { rows: (results as { rows: unknown[] }[]).flatMap(({ rows }) => rows) }
          : (results as { rows: unknown[] });
      }),
  };
}
