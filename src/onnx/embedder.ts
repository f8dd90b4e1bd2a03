import type * as ort from 'onnxruntime-node';
import { NearmissError } from '../errors.js';
import { cardOf, type ModelCard } from './card.js';
import { readModel } from './file.js';
import { INPUT_NAME, OUTPUT_NAME } from './interface.js';
import { decodeModel } from './model.js';
import { createSession, loadRuntime } from './runtime.js';
import { fingerprint, SEAL_KEY, verifySeal } from './seal.js';

/** An exported encoder, ready to turn pictures into vectors. */
export interface Embedder {
  readonly card: ModelCard;
  /** Numbers in an embedding. */
  readonly dim: number;
  /** Width and height of the pictures in pixels. */
  readonly size: number;
  /** SHA-256 of the model file, hex: embeddings of different fingerprints must not be compared. */
  readonly fingerprint: string;
  /**
   * Unit-length embeddings float32 [count, dim] of pictures uint8 [count, size, size, 3], RGB without transparency;
   * zeros for a picture whose features are all zero. Calls are answered in order. `NM_SHAPE_MISMATCH` if the bytes are
   * not a whole number of pictures. Inference holds up the event loop for one batch at a time.
   */
  embed(pixels: Uint8Array, options?: EmbedOptions): Promise<Float32Array<ArrayBuffer>>;
  /** Frees the session once running calls are answered. Closing twice is allowed. */
  close(): Promise<void>;
}

export interface EmbedOptions {
  /** Looked at between batches. */
  readonly signal?: AbortSignal;
  /** Called after every batch with pictures done and pictures in all. */
  readonly onProgress?: (done: number, count: number) => void;
}

export interface EmbedderOptions {
  /** Threads of the session, 1 by default: more of them spin and slow down whatever else runs. */
  readonly threads?: number;
  /** Most pictures in one run of the model, 64 by default. */
  readonly batch?: number;
  /** What messages call the model when it is given as bytes; `model` by default. */
  readonly name?: string;
}

function positiveInteger(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new NearmissError('NM_OPTION_INVALID', `${option}: found ${value}, allowed: an integer of 1 or more`);
}

/** The card of a file whose checksum holds. */
function openCard(bytes: Uint8Array, name: string): ModelCard {
  const model = decodeModel(bytes, name);
  const sealed = model.metadataProps.some(({ key }) => key === SEAL_KEY);
  // A sound model of another program has neither card nor checksum: say so rather than call it damaged.
  if (model.graph && !sealed) cardOf(model, name);
  verifySeal(model, bytes, name);
  return cardOf(model, name);
}

function describe(values: readonly ort.InferenceSession.ValueMetadata[]): string {
  const one = (value: ort.InferenceSession.ValueMetadata): string =>
    value.isTensor ? `${value.name} ${value.type} [${value.shape.join(', ')}]` : `${value.name}, no tensor`;
  return values.map(one).join('; ');
}

/** The graph must take and give what the card says, with a free number of pictures. */
function checkInterface(session: ort.InferenceSession, card: ModelCard, name: string): void {
  const { inputSize, dim } = card;
  const check = (
    side: string,
    values: readonly ort.InferenceSession.ValueMetadata[],
    wanted: string,
    type: string,
    shape: readonly number[],
  ): void => {
    const [value] = values;
    const fits =
      values.length === 1 &&
      value?.isTensor === true &&
      value.name === wanted &&
      value.type === type &&
      value.shape.length === shape.length + 1 &&
      typeof value.shape[0] === 'string' &&
      shape.every((length, axis) => value.shape[axis + 1] === length);
    if (fits) return;
    const allowed = `${wanted} ${type} [batch, ${shape.join(', ')}]`;
    throw new NearmissError(
      'NM_MODEL_MISMATCH',
      `${name}: ${side}: found ${describe(values)}; allowed by its card: ${allowed}`,
    );
  };
  check('input', session.inputMetadata, INPUT_NAME, 'uint8', [inputSize, inputSize, 3]);
  check('output', session.outputMetadata, OUTPUT_NAME, 'float32', [dim]);
}

/**
 * Opens an .onnx file that `nearmiss export` wrote, by path or as bytes, in onnxruntime-node (loaded at this call).
 *
 * Errors: `NM_MODEL_MISSING` (no such file), `NM_MODEL_CORRUPT` (not ONNX, or its checksum fails),
 * `NM_MODEL_CARD_MISSING`, `NM_MODEL_CARD_INVALID`, `NM_MODEL_MISMATCH` (the graph is not what the card says),
 * `NM_ONNXRUNTIME_MISSING`, `NM_OPTION_INVALID`.
 *
 * @example
 * const embedder = await createEmbedder('encoder.onnx');
 * const vectors = await embedder.embed(pixels); // [pixels.length / (size * size * 3), embedder.dim]
 * await embedder.close();
 */
export async function createEmbedder(source: string | Uint8Array, options: EmbedderOptions = {}): Promise<Embedder> {
  const threads = positiveInteger('threads', options.threads ?? 1);
  const batch = positiveInteger('batch', options.batch ?? 64);
  const name = options.name ?? (typeof source === 'string' ? source : 'model');
  const bytes = typeof source === 'string' ? await readModel(source) : source;
  const card = openCard(bytes, name);
  const runtime = await loadRuntime();
  const session = await createSession(runtime, bytes, threads, name);
  try {
    checkInterface(session, card, name);
  } catch (error) {
    await session.release();
    throw error;
  }
  return new SessionEmbedder(runtime, session, card, fingerprint(bytes), batch);
}

class SessionEmbedder implements Embedder {
  readonly dim: number;
  readonly size: number;
  private closed = false;
  /** The newest call; the next one waits for it, however it ended. */
  private tail: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly runtime: typeof ort,
    private readonly session: ort.InferenceSession,
    readonly card: ModelCard,
    readonly fingerprint: string,
    private readonly batch: number,
  ) {
    this.dim = card.dim;
    this.size = card.inputSize;
  }

  embed(pixels: Uint8Array, options: EmbedOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    if (this.closed) return Promise.reject(new Error('the embedder is closed'));
    return this.enqueue(() => this.run(pixels, options));
  }

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.tail.then(task);
    this.tail = result.catch(() => undefined);
    return result;
  }

  private async run(pixels: Uint8Array, options: EmbedOptions): Promise<Float32Array<ArrayBuffer>> {
    const { dim, size } = this;
    const picture = size * size * 3;
    if (pixels.length % picture !== 0) {
      const allowed = `a multiple of ${picture} (${size} x ${size} x 3)`;
      throw new NearmissError('NM_SHAPE_MISMATCH', `pixels: found ${pixels.length} bytes, allowed: ${allowed}`);
    }
    const count = pixels.length / picture;
    const embeddings = new Float32Array(count * dim);
    for (let from = 0; from < count; from += this.batch) {
      options.signal?.throwIfAborted();
      const to = Math.min(count, from + this.batch);
      // A copy: onnxruntime refuses memory that threads share.
      const part = pixels.slice(from * picture, to * picture);
      const input = new this.runtime.Tensor('uint8', part, [to - from, size, size, 3]);
      const result = await this.session.run({ [INPUT_NAME]: input });
      embeddings.set(result[OUTPUT_NAME]?.data as Float32Array, from * dim);
      options.onProgress?.(to, count);
    }
    return embeddings;
  }

  async close(): Promise<void> {
    if (this.closed) return this.tail.then(() => undefined);
    this.closed = true;
    await this.enqueue(() => this.session.release());
  }
}
