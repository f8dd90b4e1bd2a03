import type { Fit } from '../images/resize.js';
import type { ModelCard } from '../onnx/card.js';
import { readModel } from '../onnx/file.js';
import type { EmbedAnswer, EmbedThreadData, EmbedThreadReady } from './embed-worker.js';
import type { EmbeddingJob, JobModel } from './embedding-job.js';
import { Stage, type StageOptions, type Unit } from './stage.js';

/** How a model's threads are run. */
export interface ServedModelOptions
  extends Pick<
    StageOptions<EmbeddingJob, EmbedAnswer>,
    'file' | 'threads' | 'batch' | 'startTimeout' | 'answerTimeout' | 'onRestart'
  > {
  /** onnxruntime's threads in each of them. */
  readonly sessionThreads: number;
  readonly onWait: (ms: number) => void;
  readonly onBatch: (pictures: number, ms: number) => void;
}

/** A model and the threads that run it. Requests that began with it end with it, whatever replaces it. */
export class ServedModel implements JobModel {
  readonly dim: number;
  readonly size: number;
  readonly fit: Fit;
  /** Bytes of a picture's pixels. */
  readonly pictureBytes: number;
  private readonly jobs = new Set<EmbeddingJob>();
  private onIdle: () => void = () => undefined;

  private constructor(
    readonly card: ModelCard,
    readonly fingerprint: string,
    readonly stage: Stage<EmbeddingJob, EmbedThreadReady, EmbedAnswer>,
  ) {
    this.dim = card.dim;
    this.size = card.inputSize;
    this.fit = card.fit ?? 'pad';
    this.pictureBytes = card.inputSize * card.inputSize * 3;
  }

  /** Reads the file once and starts the threads on it; rejected as `createEmbedder` is. */
  static async start(source: string | Uint8Array, options: ServedModelOptions): Promise<ServedModel> {
    const bytes = typeof source === 'string' ? await readModel(source) : source;
    const model = new SharedArrayBuffer(bytes.length);
    new Uint8Array(model).set(bytes);
    const name = typeof source === 'string' ? source : 'model';
    const data: EmbedThreadData = { model, name, threads: options.sessionThreads, batch: options.batch };
    const { stage, ready } = await Stage.start<EmbeddingJob, EmbedThreadReady, EmbedAnswer>({
      ...options,
      name: 'the encoder',
      data,
      // The next batch is there when the thread ends one.
      concurrency: 2,
      pack,
      deliver: (units, { embeddings, ms }) => {
        options.onBatch(units.length, ms);
        const dim = embeddings.length / units.length;
        units.forEach(({ job, index }, row) => {
          job.embedded(index, embeddings.subarray(row * dim, (row + 1) * dim));
        });
      },
      fail: ({ job }, error) => job.fail(error),
      onSend: (units) => {
        const now = performance.now();
        for (const { since } of units) options.onWait(now - since);
      },
    });
    return new ServedModel(ready.card, ready.fingerprint, stage);
  }

  begin(job: EmbeddingJob): void {
    this.jobs.add(job);
  }

  end(job: EmbeddingJob): void {
    this.stage.drop(job);
    this.jobs.delete(job);
    if (this.jobs.size === 0) this.onIdle();
  }

  /** Ends the threads when all requests that began with it have ended. */
  async retire(): Promise<void> {
    if (this.jobs.size > 0) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    await this.stage.close();
  }
}

function pack(units: readonly Unit<EmbeddingJob>[]): { message: object; transfer: ArrayBuffer[] } {
  const bytes = units[0]!.job.model.pictureBytes;
  const pixels = new Uint8Array(units.length * bytes);
  units.forEach(({ job, index }, row) => {
    pixels.set(job.pixels.subarray(index * bytes, (index + 1) * bytes), row * bytes);
  });
  return { message: { pixels }, transfer: [pixels.buffer] };
}
