import { ServiceThread, type ThreadOptions } from './service-thread.js';

/** Milliseconds before a thread that ended without answering anything is started again, doubled each time. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 5000;
/** So many starts in a row without an answer, and the crew counts as failing. */
const FAILING = 3;
/** A thread that was ready for so long, ms, has started well even if nobody asked it anything. */
const SETTLED = 5000;

export interface CrewOptions extends Omit<ThreadOptions, 'onEnd'> {
  readonly threads: number;
  /** A thread is ready for messages. */
  readonly onReady: () => void;
  /** A thread ended by itself and will be replaced. */
  readonly onEnd: (reason: Error) => void;
  /** No thread is there and the last ones ended at once. */
  readonly onFailing: (reason: Error) => void;
}

/** One of the crew's places: the thread in it, and how often in a row threads in it ended without an answer. */
interface Place<Ready, Answer> {
  thread: ServiceThread<Ready, Answer> | undefined;
  ready: boolean;
  readySince: number;
  failures: number;
  restart: NodeJS.Timeout | undefined;
}

/** A fixed number of threads that run the same file; one that ends is replaced, ever more slowly if it ends at once. */
export class ThreadCrew<Ready, Answer> {
  private readonly places: Place<Ready, Answer>[];
  private closed = false;
  private ended = 0;

  private constructor(private readonly options: CrewOptions) {
    this.places = Array.from({ length: options.threads }, () => ({
      thread: undefined,
      ready: false,
      readySince: 0,
      failures: 0,
      restart: undefined,
    }));
  }

  /** Starts all threads; rejected with the first one's failure, and none is left, if one does not start. */
  static async start<Ready, Answer>(
    options: CrewOptions,
  ): Promise<{ readonly crew: ThreadCrew<Ready, Answer>; readonly ready: Ready }> {
    const crew = new ThreadCrew<Ready, Answer>(options);
    try {
      const [ready] = await Promise.all(crew.places.map((place) => crew.fill(place, true)));
      return { crew, ready: ready! };
    } catch (error) {
      await crew.close();
      throw error;
    }
  }

  /** Threads that are ready. */
  get ready(): number {
    return this.places.filter((place) => place.ready).length;
  }

  /** Threads that ended by themselves so far. */
  get restarts(): number {
    return this.ended;
  }

  /** Whether no thread is there and starting them has failed repeatedly. */
  get failing(): boolean {
    return this.places.every(({ ready, failures }) => !ready && failures >= FAILING);
  }

  /** The ready thread with the fewest unanswered messages, if one has fewer than `most`; never one of `except`. */
  idlest(most: number, except: ReadonlySet<ServiceThread<Ready, Answer>>): ServiceThread<Ready, Answer> | undefined {
    let best: ServiceThread<Ready, Answer> | undefined;
    let fewest = most;
    for (const { thread, ready } of this.places) {
      if (!ready || !thread || thread.running >= fewest || except.has(thread)) continue;
      best = thread;
      fewest = thread.running;
    }
    return best;
  }

  /** Says that a thread does its work: its place starts without delay if it ends. */
  worked(thread: ServiceThread<Ready, Answer>): void {
    for (const place of this.places) if (place.thread === thread) place.failures = 0;
  }

  private fill(place: Place<Ready, Answer>, first: boolean): Promise<Ready> {
    const thread = new ServiceThread<Ready, Answer>({
      ...this.options,
      onEnd: (reason) => {
        if (first && !place.ready) return;
        this.replace(place, reason);
      },
    });
    place.thread = thread;
    place.restart = undefined;
    return thread.ready.then((value) => {
      if (!this.closed && place.thread === thread) {
        place.ready = true;
        place.readySince = performance.now();
        this.options.onReady();
      }
      return value;
    });
  }

  private replace(place: Place<Ready, Answer>, reason: Error): void {
    if (place.ready && performance.now() - place.readySince > SETTLED) place.failures = 0;
    place.thread = undefined;
    place.ready = false;
    if (this.closed) return;
    this.ended++;
    const delay = place.failures === 0 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (place.failures - 1));
    place.failures++;
    place.restart = setTimeout(() => void this.fill(place, false).catch(() => undefined), delay);
    this.options.onEnd(reason);
    if (this.failing) this.options.onFailing(reason);
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const place of this.places) clearTimeout(place.restart);
    await Promise.all(this.places.map(({ thread }) => thread?.close()));
    for (const place of this.places) place.ready = false;
  }
}
