import type { Hits, SearchOptions, Store } from '../retrieve/index.js';

export interface SearchQueueOptions {
  /** Searches of the store at once: 1 where they run on this thread. */
  readonly concurrency: number;
  /** How long one search of the store may hold up the event loop, ms; never less than one query. Default 4. */
  readonly budget?: number;
  /** Hears of every search of the store how many queries it had. */
  readonly onSearch?: (queries: number) => void;
}

/** Most queries of one search of the store. */
const MOST = 64;

/** By how much a search makes the least time of the ones before it longer. */
const FORGET = 1.05;

interface Task {
  readonly queries: readonly Float32Array[];
  readonly options: SearchOptions;
  /** Equal for tasks that may share a search. */
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  readonly results: Hits[];
  /** Queries that have been given to the store. */
  begun: number;
  /** Queries that are answered. */
  answered: number;
  readonly resolve: (results: Hits[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A run of a task's queries. */
interface Slice {
  readonly task: Task;
  readonly from: number;
  readonly to: number;
}

/**
 * Brings queries that wait at the same time to the store together, as many as fit a budget of time by what earlier ones
 * took: they share the reading of the vectors, and the event loop gets its turn between searches. Large requests are
 * divided and take turns with others.
 */
export class SearchQueue {
  private readonly waiting: Task[] = [];
  private running = 0;
  private flushing = false;
  /** Least time of a query lately, ms: others are longer where something else held the processor. */
  private cost = 1;

  constructor(
    private readonly store: Store,
    private readonly settings: SearchQueueOptions,
  ) {}

  /** Queries that wait. */
  get length(): number {
    return this.waiting.reduce((sum, { queries, begun }) => sum + queries.length - begun, 0);
  }

  /**
   * Hits of each query, as `Store.search` gives them.
   *
   * @throws what the store throws, or the signal's reason while the task waits
   */
  search(queries: readonly Float32Array[], options: SearchOptions, signal?: AbortSignal): Promise<Hits[]> {
    const key = JSON.stringify([options.k, options.radius, options.mode, options.fingerprint, options.filter]);
    return new Promise((resolve, reject) => {
      this.waiting.push({ queries, options, key, signal, results: [], begun: 0, answered: 0, resolve, reject });
      this.flushSoon();
    });
  }

  /** After this turn of the event loop, so that what else it reads comes along; an idle loop turns at once. */
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      while (this.running < this.settings.concurrency && this.waiting.length > 0) void this.run(this.next());
    });
  }

  private next(): Slice[] {
    const { budget = 4 } = this.settings;
    const most = Math.max(1, Math.min(MOST, Math.floor(budget / this.cost)));
    const slices: Slice[] = [];
    const unfinished: Task[] = [];
    let count = 0;
    for (let i = 0; i < this.waiting.length && count < most; ) {
      const task = this.waiting[i]!;
      if (task.signal?.aborted) {
        this.waiting.splice(i, 1);
        task.reject(task.signal.reason);
        continue;
      }
      if (slices.length > 0 && slices[0]!.task.key !== task.key) {
        i += 1;
        continue;
      }
      this.waiting.splice(i, 1);
      const to = Math.min(task.queries.length, task.begun + most - count);
      slices.push({ task, from: task.begun, to });
      count += to - task.begun;
      task.begun = to;
      if (to < task.queries.length) unfinished.push(task);
    }
    this.waiting.push(...unfinished);
    return slices;
  }

  private async run(slices: readonly Slice[]): Promise<void> {
    if (slices.length === 0) return;
    this.running += 1;
    try {
      await this.searchTogether(slices);
    } catch (error) {
      // One request's query must not fail another's.
      if (slices.length === 1) this.fail(slices[0]!.task, error);
      else for (const slice of slices) await this.searchTogether([slice]).catch((own) => this.fail(slice.task, own));
    } finally {
      this.running -= 1;
      if (this.waiting.length > 0) this.flushSoon();
    }
  }

  private async searchTogether(slices: readonly Slice[]): Promise<void> {
    const queries = slices.flatMap(({ task, from, to }) => task.queries.slice(from, to));
    const start = performance.now();
    const lists = await this.store.search(queries, slices[0]!.task.options);
    const time = performance.now() - start;
    this.cost = Math.max(0.001, Math.min(time / queries.length, this.cost * FORGET));
    this.settings.onSearch?.(queries.length);
    let at = 0;
    for (const { task, from, to } of slices) {
      for (let query = from; query < to; query++) task.results[query] = lists[at++]!;
      task.answered += to - from;
      if (task.answered === task.queries.length) task.resolve(task.results);
    }
  }

  private fail(task: Task, error: unknown): void {
    const at = this.waiting.indexOf(task);
    if (at >= 0) this.waiting.splice(at, 1);
    task.reject(error);
  }
}
