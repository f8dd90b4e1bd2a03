import type { Worker } from 'node:worker_threads';
import { NearmissError } from '../errors.js';
import { compileTraining, type TrainingModule, type TrainingTier } from '../kernels/index.js';
import { builtWorker } from './built-worker.js';
import { breakExchange, clearStop, type ExchangeBuffers, requestStop } from './exchange.js';
import type { ReplicaOptions, ReplicaState, StepFigures } from './replica.js';
import type { WorkerAnswers, WorkerData, WorkerMessage, WorkerRequest } from './worker.js';

/** Pictures embedded by one request; bounds a worker's memory. */
const FEATURE_CHUNK = 128;

/** One worker thread and the requests it has not answered yet. */
class Member {
  /** Whether its kernels fuse multiply-adds; rejected where it does not start. */
  readonly ready: Promise<boolean>;
  private readonly worker: Worker;
  private readonly waiting: { resolve: (value: never) => void; reject: (error: Error) => void }[] = [];
  private ended = false;

  constructor(data: WorkerData, onStep: (figures: StepFigures) => void, onFailure: () => void) {
    this.worker = builtWorker('worker.js', data);
    this.ready = new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        this.ended = true;
        reject(error);
        for (const { reject } of this.waiting.splice(0)) reject(error);
        onFailure();
      };
      this.worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'ready') resolve(message.fusesMultiplyAdd);
        else if (message.type === 'step') onStep(message.figures);
        else if (message.type === 'answer') this.waiting.shift()?.resolve(message.value as never);
        else {
          const cause = { cause: message.stack };
          const error = message.code
            ? new NearmissError(message.code, message.message, cause)
            : new NearmissError('NM_WORKER_FAILED', `training worker: ${message.message}`, cause);
          this.waiting.shift()?.reject(error);
          if (!message.broken) onFailure();
        }
      });
      this.worker.on('error', (cause) => {
        fail(new NearmissError('NM_WORKER_FAILED', `training worker: ${cause.message}`, { cause }));
      });
      this.worker.on('exit', (code) => {
        if (!this.ended) fail(new NearmissError('NM_WORKER_FAILED', `training worker ended with code ${code}`));
      });
    });
    this.ready.catch(() => undefined);
  }

  request<R extends WorkerRequest>(request: R): Promise<WorkerAnswers[R['type']]> {
    if (this.ended) return Promise.reject(new NearmissError('NM_WORKER_FAILED', 'a training worker has ended'));
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.worker.postMessage(request);
    });
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.worker.terminate();
  }
}

/** The worker threads of a run, driven as one. */
export class Team {
  private readonly members: readonly Member[];
  private readonly exchange: ExchangeBuffers;
  private onStep: (figures: StepFigures) => void = () => undefined;

  /** SIMD tier of all members' kernels. */
  readonly tier: TrainingTier;

  private fused = false;

  private constructor(options: ReplicaOptions, { tier, module }: TrainingModule) {
    this.exchange = options.exchange;
    this.tier = tier;
    this.members = Array.from({ length: options.exchange.replicas }, (_, replica) => {
      const data: WorkerData = { replica: { ...options, replica }, kernels: { tier, module } };
      return new Member(
        data,
        (figures) => this.onStep(figures),
        () => breakExchange(this.exchange),
      );
    });
  }

  /** Starts one worker a replica and waits until all have their backend. */
  static async start(options: ReplicaOptions, tier?: TrainingTier): Promise<Team> {
    // Compiled here for all: each thread's own probe could come out differently, and replicas must be equal to the bit.
    const team = new Team(options, await compileTraining(tier ? { tier } : {}));
    try {
      const [fused] = await Promise.all(team.members.map((member) => member.ready));
      team.fused = fused!;
    } catch (error) {
      await team.close();
      throw error;
    }
    return team;
  }

  /** True where the kernels' multiply-adds round once: all that the bits of results depend on in a tier. */
  get fusesMultiplyAdd(): boolean {
    return this.fused;
  }

  /**
   * Steps `from` … `to - 1` of a run of `steps`; resolves with the step that comes next, earlier than `to` when
   * `signal` aborts.
   */
  async run(
    range: { readonly from: number; readonly to: number; readonly steps: number },
    onStep: (figures: StepFigures) => void,
    signal?: AbortSignal,
  ): Promise<number> {
    clearStop(this.exchange);
    if (signal?.aborted) return range.from;
    const stop = (): void => requestStop(this.exchange);
    signal?.addEventListener('abort', stop, { once: true });
    this.onStep = onStep;
    try {
      const answers = await Promise.allSettled(
        this.members.map((member) => member.request({ type: 'run', ...range } as const)),
      );
      return settled(answers)[0]!;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /**
   * Pooled features float32 [count, pool · pool · channels] of uint8 pictures [count, size, size, 3]. The result does
   * not depend on the number of members.
   */
  features(pictures: Uint8Array, size: number, pool: 1 | 2): Promise<Float32Array> {
    return this.embed(pictures, size, (member, chunk) =>
      member.request({ type: 'features', pictures: chunk, size, pool }),
    );
  }

  /** Projections z float32 [count, head output], unit length, of uint8 pictures: what the loss compares. */
  projections(pictures: Uint8Array, size: number): Promise<Float32Array> {
    return this.embed(pictures, size, (member, chunk) =>
      member.request({ type: 'projections', pictures: chunk, size }),
    );
  }

  /** One row a picture; the members take chunks in turn. */
  private async embed(
    pictures: Uint8Array,
    size: number,
    ask: (member: Member, chunk: Uint8Array) => Promise<Float32Array>,
  ): Promise<Float32Array> {
    const bytes = size * size * 3;
    const count = pictures.length / bytes;
    if (!Number.isInteger(count)) {
      const allowed = `a multiple of ${bytes} (${size}x${size}x3)`;
      throw new NearmissError('NM_SHAPE_MISMATCH', `pictures: found ${pictures.length} bytes, allowed: ${allowed}`);
    }
    const parts: Float32Array[] = [];
    let next = 0;
    const work = async (member: Member): Promise<void> => {
      while (next < count) {
        const from = next;
        next += FEATURE_CHUNK;
        // A copy of the chunk: a view would send the whole buffer.
        const chunk = pictures.slice(from * bytes, Math.min(count, from + FEATURE_CHUNK) * bytes);
        parts[from / FEATURE_CHUNK] = await ask(member, chunk);
      }
    };
    await Promise.all(this.members.map(work));
    const width = (parts[0]?.length ?? 0) / Math.min(count, FEATURE_CHUNK);
    const all = new Float32Array(count * width);
    parts.forEach((part, index) => {
      all.set(part, index * FEATURE_CHUNK * width);
    });
    return all;
  }

  /** Fits the running statistics of all replicas to one batch of pictures, without training. */
  async calibrate(pictures: Uint8Array, size: number): Promise<void> {
    await Promise.all(this.members.map((member) => member.request({ type: 'calibrate', pictures, size })));
  }

  /** The state of replica 0; all are equal. */
  state(): Promise<ReplicaState> {
    return this.members[0]!.request({ type: 'state' });
  }

  /** The states of all replicas, to show that they are equal. */
  states(): Promise<ReplicaState[]> {
    return Promise.all(this.members.map((member) => member.request({ type: 'state' })));
  }

  async restore(state: ReplicaState): Promise<void> {
    await Promise.all(this.members.map((member) => member.request({ type: 'restore', state })));
  }

  memory(): Promise<WorkerAnswers['memory'][]> {
    return Promise.all(this.members.map((member) => member.request({ type: 'memory' })));
  }

  async close(): Promise<void> {
    breakExchange(this.exchange);
    await Promise.all(this.members.map((member) => member.close()));
  }
}

/** All values, or the first failure that is a cause rather than a consequence of another's. */
function settled<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  const failures = results.filter((result) => result.status === 'rejected').map((result) => result.reason as Error);
  const cause = failures.find((error) => !error.message.includes('another training worker')) ?? failures[0];
  if (cause) throw cause;
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}
