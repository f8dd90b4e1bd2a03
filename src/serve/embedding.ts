import { availableParallelism } from 'node:os';
import { NearmissError } from '../errors.js';
import type { ModelCard } from '../onnx/card.js';
import { Admission, closingError } from './admission.js';
import type { DecodeAnswer } from './decode-worker.js';
import { startDecoding } from './decoding.js';
import { EmbeddingJob } from './embedding-job.js';
import { type EmbeddingOptions, type EmbeddingSettings, embeddingSettings } from './embedding-options.js';
import type { CrewStats, EmbeddingStats } from './embedding-stats.js';
import { ServedModel } from './served-model.js';
import type { Stage } from './stage.js';

export type { EmbeddingOptions, EmbeddingStage } from './embedding-options.js';
export type { CrewStats, EmbeddingStats } from './embedding-stats.js';

/**
 * Embeds pictures in threads of its own; the event loop only passes buffers on. Requests are answered by the model that
 * was current when they were made.
 *
 * Besides what each says, requests are rejected with: `NM_OVERLOADED` (at once where too much is in work, or when
 * `timeout` is over), `NM_REQUEST_TOO_LARGE`, `NM_EMBEDDING_UNAVAILABLE` (threads end and end again),
 * `NM_SERVICE_CLOSING`, or the signal's reason.
 */
export interface EmbeddingService {
  readonly card: ModelCard;
  /** Numbers in an embedding. */
  readonly dim: number;
  /** Width and height of the model's pictures in pixels. */
  readonly size: number;
  /** SHA-256 of the model file, hex. */
  readonly fingerprint: string;
  /** Whether requests can be answered now. */
  readonly ready: boolean;
  /**
   * Unit-length embeddings float32 [count, dim] of pictures uint8 [count, size, size, 3], RGB on white. The pixels are read
   * until the promise settles: do not change them before. `NM_SHAPE_MISMATCH`.
   */
  embedPixels(pixels: Uint8Array, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Unit-length embeddings float32 [count, dim] of encoded pictures (PNG, JPEG, WebP, AVIF, GIF), decoded and resized as for
   * training. The files are read until the promise settles. `NM_PICTURE_INVALID`, which names the picture by its index
   * where there are several; the others are then not answered either.
   */
  embedPictures(files: readonly Uint8Array[], signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  stats(): EmbeddingStats;
  /**
   * Puts another model in place: new threads start on it first, then new requests go there, and the old threads end when
   * theirs are answered. Rejected, with everything as it was, as `startEmbedding` is and by `accept`.
   */
  reload(model: string | Uint8Array): Promise<void>;
  /**
   * Takes no more requests, answers those in work, then ends the threads.
   *
   * @param grace how long that may take, ms, 10,000 by default; then they are rejected with `NM_SERVICE_CLOSING`
   */
  close(grace?: number): Promise<void>;
}

/**
 * Starts the threads of an embedding service and resolves when they are ready.
 *
 * Errors: as `createEmbedder`'s for the model, what `accept` throws, `NM_OPTION_INVALID`, `NM_OPTION_UNKNOWN`.
 *
 * @example
 * const service = await startEmbedding({ model: 'encoder.onnx' });
 * const embeddings = await service.embedPictures([png, jpeg]); // [2, dim]
 * await service.close();
 */
export async function startEmbedding(options: EmbeddingOptions): Promise<EmbeddingService> {
  return ThreadedEmbedding.start(options.model, embeddingSettings(options, availableParallelism()));
}

/** Time after which a thread that has not started is given up, ms. */
const START_TIMEOUT = 30_000;

/** What has been embedded, by whatever model. */
interface Counts {
  batches: number;
  embedded: number;
  largestBatch: number;
}

class ThreadedEmbedding implements EmbeddingService {
  private readonly admission: Admission;
  private reloading: Promise<unknown> = Promise.resolve();
  /** Replaced models that still answer. */
  private readonly retiring = new Set<Promise<void>>();
  private closing: Promise<void> | undefined;

  private constructor(
    private model: ServedModel,
    private readonly decoding: Stage<EmbeddingJob, true, DecodeAnswer>,
    private readonly settings: EmbeddingSettings,
    private readonly counts: Counts,
  ) {
    this.admission = new Admission(settings);
  }

  static async start(source: string | Uint8Array, settings: EmbeddingSettings): Promise<ThreadedEmbedding> {
    const counts: Counts = { batches: 0, embedded: 0, largestBatch: 0 };
    const model = await startModel(source, settings, counts);
    try {
      const decoding = await startDecoding({
        file: settings.threadFiles.decode,
        threads: settings.decoders,
        limits: {
          maxBytes: settings.maxPictureBytes,
          maxPixels: settings.maxPicturePixels,
          maxSeconds: settings.maxDecodeSeconds,
        },
        startTimeout: START_TIMEOUT,
        answerTimeout: settings.hungAfter,
        onWait: (ms) => settings.onStage('decode-wait', ms),
        onDecoded: (ms) => settings.onStage('decode', ms),
        onRestart: (reason) => settings.onRestart('decoding', reason),
      });
      return new ThreadedEmbedding(model, decoding, settings, counts);
    } catch (error) {
      await model.retire();
      throw error;
    }
  }

  get card(): ModelCard {
    return this.model.card;
  }

  get dim(): number {
    return this.model.dim;
  }

  get size(): number {
    return this.model.size;
  }

  get fingerprint(): string {
    return this.model.fingerprint;
  }

  get ready(): boolean {
    return !this.closing && this.model.stage.threads.ready > 0 && this.decoding.threads.ready > 0;
  }

  async embedPixels(pixels: Uint8Array, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { pictureBytes, size, stage } = this.model;
    if (pixels.length % pictureBytes !== 0) {
      const allowed = `a multiple of ${pictureBytes} (${size} x ${size} x 3)`;
      throw new NearmissError('NM_SHAPE_MISMATCH', `pixels: found ${pixels.length} bytes, allowed: ${allowed}`);
    }
    if (pixels.length === 0) return new Float32Array();
    const bytes = pixels.length + this.embeddingBytes(pixels.length / pictureBytes);
    this.admission.check(pixels.length / pictureBytes, bytes, signal);
    const job = this.begin([], pixels, bytes, signal);
    for (let index = 0; index < job.pictures; index++) stage.add(job, index);
    return job.answer;
  }

  async embedPictures(files: readonly Uint8Array[], signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    if (files.length === 0) return new Float32Array();
    const pixelBytes = files.length * this.model.pictureBytes;
    const bytes = files.reduce((sum, file) => sum + file.length, pixelBytes + this.embeddingBytes(files.length));
    this.admission.check(files.length, bytes, signal);
    const job = this.begin([...files], new Uint8Array(pixelBytes), bytes, signal);
    for (let index = 0; index < files.length; index++) this.decoding.add(job, index);
    return job.answer;
  }

  private embeddingBytes(pictures: number): number {
    return pictures * this.model.dim * Float32Array.BYTES_PER_ELEMENT;
  }

  private begin(
    files: readonly Uint8Array[],
    pixels: Uint8Array,
    bytes: number,
    signal: AbortSignal | undefined,
  ): EmbeddingJob {
    const { model } = this;
    const job = new EmbeddingJob(model, files, pixels, bytes, signal, (ended) => {
      this.admission.leave(ended);
      if (files.length > 0) this.decoding.drop(ended);
      model.end(ended);
    });
    this.admission.enter(job);
    model.begin(job);
    return job;
  }

  stats(): EmbeddingStats {
    const { admission, counts } = this;
    const crew = ({
      queued,
      running,
      threads,
    }: Pick<typeof this.decoding, 'queued' | 'running' | 'threads'>): CrewStats => ({
      queued,
      running,
      threads: threads.count,
      ready: threads.ready,
      restarts: threads.restarts,
    });
    const decoding = crew(this.decoding);
    const embedding = crew(this.model.stage);
    return {
      ready: this.ready,
      requests: admission.requests,
      pictures: admission.pictures,
      bytes: admission.bytes,
      queued: decoding.queued + embedding.queued,
      running: decoding.running + embedding.running,
      decoding,
      embedding,
      ...counts,
      shed: admission.shed,
      timedOut: admission.timedOut,
    };
  }

  reload(source: string | Uint8Array): Promise<void> {
    const reload = this.reloading.then(async () => {
      if (this.closing) throw closingError();
      const model = await startModel(source, this.settings, this.counts);
      const replaced = this.closing ? model : this.model;
      if (!this.closing) this.model = model;
      const retired = replaced.retire().finally(() => this.retiring.delete(retired));
      this.retiring.add(retired);
      if (this.closing) throw closingError();
    });
    this.reloading = reload.catch(() => undefined);
    return reload;
  }

  close(grace = 10_000): Promise<void> {
    this.closing ??= this.end(grace);
    return this.closing;
  }

  private async end(grace: number): Promise<void> {
    await this.admission.close(grace);
    await this.reloading;
    await Promise.all([this.decoding.close(), this.model.retire(), ...this.retiring]);
  }
}

/** Starts a model's threads and shows it to `accept`; no thread is left if that refuses it. */
async function startModel(
  source: string | Uint8Array,
  settings: EmbeddingSettings,
  counts: Counts,
): Promise<ServedModel> {
  const model = await ServedModel.start(source, {
    file: settings.threadFiles.embed,
    threads: settings.workers,
    sessionThreads: settings.sessionThreads,
    batch: settings.maxBatch,
    startTimeout: START_TIMEOUT,
    answerTimeout: settings.hungAfter,
    onWait: (ms) => settings.onStage('embed-wait', ms),
    onBatch: (pictures, ms) => {
      counts.batches++;
      counts.embedded += pictures;
      counts.largestBatch = Math.max(counts.largestBatch, pictures);
      settings.onBatch(pictures);
      settings.onStage('embed', ms);
    },
    onRestart: (reason) => settings.onRestart('embedding', reason),
  });
  try {
    await settings.accept(model.card, model.fingerprint);
    return model;
  } catch (error) {
    await model.retire();
    throw error;
  }
}
