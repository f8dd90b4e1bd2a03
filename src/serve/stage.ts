import { NearmissError } from '../errors.js';
import { FairQueue } from './fair-queue.js';
import { type ServiceThread, ThreadEnded } from './service-thread.js';
import { type CrewOptions, ThreadCrew } from './thread-crew.js';

/** A request: `over` once it has been answered, in whatever way. */
export interface StageJob {
  readonly over: boolean;
}

/** One picture of a request at a stage. */
export interface Unit<Job> {
  readonly job: Job;
  /** Index of the picture in its request. */
  readonly index: number;
  /** When it began to wait, ms. */
  readonly since: number;
  /** Whether a thread has ended over it before. */
  readonly retried: boolean;
}

export interface StageOptions<Job, Answer>
  extends Pick<CrewOptions, 'file' | 'data' | 'threads' | 'startTimeout' | 'answerTimeout'> {
  /** What messages call the threads. */
  readonly name: string;
  /** Most pictures in a message. */
  readonly batch: number;
  /**
   * Most messages that a thread holds. A thread that has one gets another only when a whole batch waits, so that small
   * batches are not sent ahead of what could still join them.
   */
  readonly concurrency: number;
  /** The message for some pictures, and which of its buffers move to the thread. */
  readonly pack: (units: readonly Unit<Job>[]) => {
    readonly message: object;
    readonly transfer: readonly ArrayBuffer[];
  };
  readonly deliver: (units: readonly Unit<Job>[], answer: Answer) => void;
  /** Ends the request that a picture belongs to; may be called for one that has ended. */
  readonly fail: (unit: Unit<Job>, error: Error) => void;
  /** Called with each message's pictures when it is sent. */
  readonly onSend: (units: readonly Unit<Job>[]) => void;
  readonly onRestart: (reason: Error) => void;
}

/**
 * Pictures on their way through a crew of threads. There is no timer: what arrives while the threads are busy makes the
 * next batch, and a lonely picture is sent at the end of the turn of the event loop in which it came.
 *
 * When a thread ends over its messages, each of their pictures is put once more to a thread that has nothing else, so that
 * one that ends threads takes no other down with it; if it happens again the request fails with `NM_EMBEDDING_UNAVAILABLE`.
 */
export class Stage<Job extends StageJob, Ready, Answer> {
  private readonly queue = new FairQueue<Job, Unit<Job>>();
  private retries: Unit<Job>[] = [];
  /** Threads that have a picture of `retries`, and get nothing else meanwhile. */
  private readonly alone = new Set<ServiceThread<Ready, Answer>>();
  private crew!: ThreadCrew<Ready, Answer>;
  private scheduled: NodeJS.Immediate | undefined;
  private sent = 0;

  private constructor(private readonly options: StageOptions<Job, Answer>) {}

  /** Starts the threads; rejected with what the first of them that does not start says. */
  static async start<Job extends StageJob, Ready, Answer>(
    options: StageOptions<Job, Answer>,
  ): Promise<{ readonly stage: Stage<Job, Ready, Answer>; readonly ready: Ready }> {
    const stage = new Stage<Job, Ready, Answer>(options);
    const { crew, ready } = await ThreadCrew.start<Ready, Answer>({
      ...options,
      onReady: () => stage.crew && stage.dispatch(),
      onEnd: options.onRestart,
      onFailing: (reason) => stage.failAll(reason),
    });
    stage.crew = crew;
    return { stage, ready };
  }

  /** Pictures that wait for a thread. */
  get queued(): number {
    return this.queue.length + this.retries.length;
  }

  /** Pictures that a thread has. */
  get running(): number {
    return this.sent;
  }

  get threads(): { readonly count: number; readonly ready: number; readonly restarts: number } {
    return { count: this.options.threads, ready: this.crew.ready, restarts: this.crew.restarts };
  }

  /** Puts a picture at the end of the queue; its request fails at once where threads cannot be kept running. */
  add(job: Job, index: number): void {
    const unit = { job, index, since: performance.now(), retried: false };
    if (this.crew.failing) {
      this.options.fail(unit, this.unavailable('do not start'));
      return;
    }
    this.queue.add(job, unit);
    if (this.queue.length >= this.options.batch) this.dispatch();
    else if (!this.scheduled && this.crew.idlest(1, this.alone)) this.scheduled = setImmediate(() => this.dispatch());
  }

  /** Forgets a request's pictures that wait; answers about the others are ignored by `deliver` and `fail`. */
  drop(job: Job): void {
    this.queue.remove(job);
    if (this.retries.length > 0) this.retries = this.retries.filter((unit) => unit.job !== job);
  }

  private dispatch(): void {
    clearImmediate(this.scheduled);
    this.scheduled = undefined;
    const { batch, concurrency } = this.options;
    for (;;) {
      const retry = this.retries.length > 0;
      if (!retry && this.queue.length === 0) return;
      const room = !retry && this.queue.length >= batch ? concurrency : 1;
      const thread = this.crew.idlest(room, this.alone);
      if (!thread) return;
      if (retry) this.alone.add(thread);
      this.send(thread, retry ? this.retries.splice(0, 1) : this.queue.take(batch));
    }
  }

  private send(thread: ServiceThread<Ready, Answer>, units: readonly Unit<Job>[]): void {
    this.options.onSend(units);
    this.sent += units.length;
    const { message, transfer } = this.options.pack(units);
    const done = (): void => {
      this.sent -= units.length;
      this.alone.delete(thread);
    };
    thread.ask(message, transfer).then(
      (answer) => {
        done();
        this.crew.worked(thread);
        // The thread first: it need not wait until the answers are given out.
        this.dispatch();
        this.options.deliver(units, answer);
      },
      (error: Error) => {
        done();
        if (error instanceof ThreadEnded) this.retry(units, error);
        else for (const unit of units) this.options.fail(unit, error);
        this.dispatch();
      },
    );
  }

  private retry(units: readonly Unit<Job>[], reason: Error): void {
    for (const unit of units) {
      if (unit.job.over) continue;
      if (unit.retried) this.options.fail(unit, this.unavailable(`ended twice (${reason.message})`));
      else if (this.crew.failing) this.options.fail(unit, this.unavailable(`do not start (${reason.message})`));
      else this.retries.push({ ...unit, since: performance.now(), retried: true });
    }
  }

  private failAll(reason: Error): void {
    const error = this.unavailable(`do not start (${reason.message})`);
    for (const unit of [...this.retries.splice(0), ...this.queue.take(this.queue.length)]) {
      this.options.fail(unit, error);
    }
  }

  private unavailable(what: string): NearmissError {
    return new NearmissError('NM_EMBEDDING_UNAVAILABLE', `the threads of ${this.options.name} ${what}`);
  }

  /** Ends the threads. Pictures that wait or run are not answered any more: end their requests first. */
  async close(): Promise<void> {
    clearImmediate(this.scheduled);
    await this.crew.close();
  }
}
