// Thread of the embedding service that runs the model: pixels in, embeddings out, one batch after the other.
import { parentPort, workerData } from 'node:worker_threads';
import type { ModelCard } from '../onnx/card.js';
import { createEmbedder } from '../onnx/embedder.js';
import { answerWith } from './thread-side.js';

export interface EmbedThreadData {
  /** The .onnx file, shared by the threads. */
  readonly model: SharedArrayBuffer;
  /** What messages call it. */
  readonly name: string;
  /** onnxruntime's threads. */
  readonly threads: number;
  /** Most pictures in a message. */
  readonly batch: number;
}

export interface EmbedThreadReady {
  readonly card: ModelCard;
  readonly fingerprint: string;
}

/** uint8 [count, size, size, 3]. */
export interface EmbedMessage {
  readonly pixels: Uint8Array<ArrayBuffer>;
}

export interface EmbedAnswer {
  /** float32 [count, dim]. */
  readonly embeddings: Float32Array<ArrayBuffer>;
  /** Time the model took, ms. */
  readonly ms: number;
}

const { model, name, threads, batch } = workerData as EmbedThreadData;
void answerWith<EmbedThreadReady, EmbedMessage, EmbedAnswer>(parentPort!, async () => {
  // A copy: onnxruntime refuses memory that threads share.
  const embedder = await createEmbedder(new Uint8Array(model).slice(), { threads, batch, name });
  const { card, fingerprint, size } = embedder;
  // The first runs are the slow ones: memory is laid out then.
  for (const count of [batch, 1]) await embedder.embed(new Uint8Array(count * size * size * 3));
  return {
    ready: { card, fingerprint },
    answer: async ({ pixels }) => {
      const begun = performance.now();
      const embeddings = await embedder.embed(pixels);
      return { answer: { embeddings, ms: performance.now() - begun }, transfer: [embeddings.buffer] };
    },
    close: () => embedder.close(),
  };
});
