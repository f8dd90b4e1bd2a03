import type { DeviceConfig } from '../device-config.js';
import type { Answer, BackendInfo, OwnBackend, Question, SearchBackend } from './backend.js';
import { fromFailure, type WorkerCalls, type WorkerMessage, type WorkerRequest } from './protocol.js';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Answers on this device: a worker decodes, embeds and searches, so that the page never waits. */
export class DeviceBackend implements SearchBackend {
  readonly own: OwnBackend = {
    add: (title) => this.#call('add', title),
    remove: (id) => this.#call('remove', id),
    list: () => this.#call('list'),
  };
  readonly #config: DeviceConfig;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #onProgress: (done: number, total: number | undefined) => void = () => undefined;
  #calls = 0;

  constructor(config: DeviceConfig) {
    this.#config = config;
    this.#worker = new Worker('worker.js', { type: 'module' });
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      const error = new Error(`The page's worker failed: ${event.message ?? 'worker.js could not be loaded'}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  open(onProgress: (done: number, total: number | undefined) => void): Promise<BackendInfo> {
    this.#onProgress = onProgress;
    return this.#call('open', this.#config);
  }

  async search(question: Question, k: number): Promise<Answer> {
    const start = performance.now();
    const answer = await this.#call('search', question, k);
    return { ...answer, total: performance.now() - start };
  }

  #call<Name extends keyof WorkerCalls>(
    call: Name,
    ...args: Parameters<WorkerCalls[Name]>
  ): Promise<ReturnType<WorkerCalls[Name]>> {
    const number = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      const request: WorkerRequest = { number, call, args };
      this.#worker.postMessage(request);
    });
  }

  #receive(message: WorkerMessage): void {
    if ('progress' in message) {
      this.#onProgress(...message.progress);
      return;
    }
    const waiting = this.#waiting.get(message.number);
    this.#waiting.delete(message.number);
    if ('failure' in message) waiting?.reject(fromFailure(message.failure));
    else waiting?.resolve(message.value);
  }
}
