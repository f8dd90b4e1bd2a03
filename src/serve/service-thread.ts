import { Worker } from 'node:worker_threads';
import { type ErrorCode, NearmissError } from '../errors.js';

/** An error on its way between threads, which keep neither class nor code of an Error. */
export interface SentError {
  readonly message: string;
  readonly code?: ErrorCode;
  readonly stack?: string;
}

/** What a service thread posts: that it is ready, or why not; then one answer to each message, in any order. */
export type ThreadMessage<Ready, Answer> =
  | { readonly type: 'ready'; readonly value: Ready }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'refused'; readonly id: number; readonly error: SentError };

/** The message that asks a thread to free what it holds and end by itself. */
export const END = 'end';

export function sentError(error: unknown): SentError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message, ...(error instanceof NearmissError && { code: error.code }), ...(stack && { stack }) };
}

function receivedError({ message, code, stack }: SentError): Error {
  if (code) return new NearmissError(code, message, { cause: stack });
  return new NearmissError('NM_WORKER_FAILED', `embedding thread: ${message}`, {
    hint: 'Report it; the message says what failed.',
    cause: stack,
  });
}

/** That a thread ended before it answered: the message may be put to another. */
export class ThreadEnded extends Error {}

export interface ThreadOptions {
  /** The built file that the thread runs. */
  readonly file: URL;
  readonly data: unknown;
  /** How long it may take to start, ms. */
  readonly startTimeout: number;
  /** How long an answer may take, ms; the thread is then taken for hung and ended. */
  readonly answerTimeout: number;
  /** Called once when it ends without having been asked to, after `ready` and all that wait were rejected. */
  readonly onEnd: (reason: Error) => void;
}

interface Question<Answer> {
  readonly asked: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread and the messages that it has not answered. */
export class ServiceThread<Ready, Answer> {
  /** What it says when it is ready; rejected if it does not start, with the code of the thread's own error if it has one. */
  readonly ready: Promise<Ready>;
  private readonly worker: Worker;
  /** By id, the oldest first. */
  private readonly unanswered = new Map<number, Question<Answer>>();
  private nextId = 0;
  private ended = false;
  private watch: NodeJS.Timeout | undefined;

  constructor(private readonly options: ThreadOptions) {
    this.worker = new Worker(options.file, { workerData: options.data });
    this.ready = new Promise((resolve, reject) => {
      const start = setTimeout(() => {
        this.end(new ThreadEnded(`no sign of life within ${options.startTimeout} ms`));
      }, options.startTimeout);
      this.failStart = (reason) => {
        clearTimeout(start);
        reject(reason);
      };
      this.worker.on('message', (message: ThreadMessage<Ready, Answer>) => {
        if (message.type === 'ready') {
          clearTimeout(start);
          resolve(message.value);
        } else if (message.type === 'failed') this.end(receivedError(message.error));
        else this.settle(message);
      });
    });
    this.ready.catch(() => undefined);
    this.worker.on('error', (cause) => this.end(new ThreadEnded(cause.message, { cause })));
    this.worker.on('messageerror', (cause) => this.end(new ThreadEnded('an answer cannot be read', { cause })));
    this.worker.on('exit', (code) => this.end(new ThreadEnded(`ended with code ${code}`)));
  }

  private failStart: (reason: Error) => void = () => undefined;

  /** Messages without an answer. */
  get running(): number {
    return this.unanswered.size;
  }

  /** The thread's answer to a message, whose buffers in `transfer` move there; `ThreadEnded` if none will come. */
  ask(message: object, transfer: readonly ArrayBuffer[]): Promise<Answer> {
    if (this.ended) return Promise.reject(new ThreadEnded('it has ended'));
    this.watch ??= setTimeout(this.look, this.options.answerTimeout);
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      this.unanswered.set(id, { asked: performance.now(), resolve, reject });
      this.worker.postMessage({ id, ...message }, transfer);
    });
  }

  /** Ends a thread whose oldest message has waited too long; else looks again when it would have. */
  private readonly look = (): void => {
    this.watch = undefined;
    const [oldest] = this.unanswered.values();
    if (!oldest) return;
    const left = this.options.answerTimeout - (performance.now() - oldest.asked);
    if (left > 0) this.watch = setTimeout(this.look, Math.ceil(left));
    else this.end(new ThreadEnded(`no answer within ${this.options.answerTimeout} ms`));
  };

  private settle(message: Extract<ThreadMessage<Ready, Answer>, { readonly id: number }>): void {
    const waiting = this.unanswered.get(message.id);
    this.unanswered.delete(message.id);
    if (message.type === 'answer') waiting?.resolve(message.answer);
    else waiting?.reject(receivedError(message.error));
  }

  private end(reason: Error): void {
    if (this.ended) return;
    this.stop(reason);
    // It may be hung inside native code, so nobody waits for this.
    void this.worker.terminate();
    this.options.onEnd(reason);
  }

  private stop(reason: Error): void {
    this.ended = true;
    clearTimeout(this.watch);
    this.failStart(reason);
    for (const { reject } of this.unanswered.values()) reject(reason);
    this.unanswered.clear();
  }

  /** Ends the thread; what it has not answered is rejected. Resolves when it is gone, within about a second. */
  async close(): Promise<void> {
    if (this.ended) return;
    this.stop(new ThreadEnded('it was closed'));
    const gone = new Promise((resolve) => this.worker.once('exit', resolve));
    this.worker.postMessage(END);
    const timer = setTimeout(() => void this.worker.terminate(), 1000);
    const late = new Promise((resolve) => setTimeout(resolve, 1500).unref());
    await Promise.race([gone, late]);
    clearTimeout(timer);
  }
}
