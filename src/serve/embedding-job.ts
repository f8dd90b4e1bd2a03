import type { Fit } from '../images/resize.js';
import type { Entrant } from './admission.js';
import type { StageJob } from './stage.js';

/** What a request needs to know of the model that embeds it. */
export interface JobModel {
  readonly dim: number;
  readonly size: number;
  readonly fit: Fit;
  /** Bytes of a picture's pixels. */
  readonly pictureBytes: number;
  readonly stage: { add(job: EmbeddingJob, index: number): void };
}

/** One request on its way: its pictures are decoded (or came as pixels) and embedded in any order. */
export class EmbeddingJob implements Entrant, StageJob {
  /** float32 [pictures, dim], filled as the pictures are embedded. */
  readonly embeddings: Float32Array<ArrayBuffer>;
  readonly answer: Promise<Float32Array<ArrayBuffer>>;
  readonly pictures: number;
  private left: number;
  private ended = false;
  private settle!: {
    readonly resolve: (embeddings: Float32Array<ArrayBuffer>) => void;
    readonly reject: (reason: unknown) => void;
  };

  /**
   * @param model what embeds it
   * @param files its encoded pictures; none where it came as pixels
   * @param pixels uint8 [pictures, size, size, 3], at least one; of files, where they are put when they are decoded
   * @param bytes what it holds until it is answered
   */
  constructor(
    readonly model: JobModel,
    readonly files: readonly Uint8Array[],
    readonly pixels: Uint8Array,
    readonly bytes: number,
    readonly signal: AbortSignal | undefined,
    private readonly onEnd: (job: EmbeddingJob) => void,
  ) {
    this.pictures = pixels.length / model.pictureBytes;
    this.left = this.pictures;
    this.embeddings = new Float32Array(this.left * model.dim);
    this.answer = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
  }

  /** Whether it has been answered, in whatever way. */
  get over(): boolean {
    return this.ended;
  }

  /** Takes the embedding of picture `index`; answers the request when it was the last. */
  embedded(index: number, embedding: Float32Array): void {
    if (this.ended) return;
    this.embeddings.set(embedding, index * this.model.dim);
    this.left--;
    if (this.left > 0) return;
    this.end();
    this.settle.resolve(this.embeddings);
  }

  readonly fail = (reason: unknown): void => {
    if (this.ended) return;
    this.end();
    this.settle.reject(reason);
  };

  private end(): void {
    this.ended = true;
    this.onEnd(this);
  }
}
