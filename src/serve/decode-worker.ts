// Thread of the embedding service that decodes and resizes pictures, several at a time.
import { parentPort, workerData } from 'node:worker_threads';
import { loadSharp } from '../images/decode.js';
import type { Fit } from '../images/resize.js';
import { decodeServed, type ServedPictureLimits } from './served-picture.js';
import { answerWith } from './thread-side.js';

export type DecodeThreadData = ServedPictureLimits;

export interface DecodeMessage {
  /** The encoded file. */
  readonly file: Uint8Array<ArrayBuffer>;
  readonly size: number;
  readonly fit: Fit;
}

export interface DecodeAnswer {
  /** uint8 [size, size, 3]. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** Time from the message's arrival, ms. */
  readonly ms: number;
}

const limits = workerData as DecodeThreadData;
void answerWith<true, DecodeMessage, DecodeAnswer>(parentPort!, async () => {
  // Its absence shows now, not with the first request.
  await loadSharp();
  return {
    ready: true,
    answer: async ({ file, size, fit }) => {
      const begun = performance.now();
      const pixels = await decodeServed(file, { size, fit }, limits);
      return { answer: { pixels, ms: performance.now() - begun }, transfer: [pixels.buffer] };
    },
    close: async () => undefined,
  };
});
