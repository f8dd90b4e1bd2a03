import { NearmissError } from '../errors.js';
import type { ModelCard } from '../onnx/card.js';

/** Parts of a picture's way: waiting for a decoding thread, decoding, waiting for the encoder, a batch's run of the model. */
export type EmbeddingStage = 'decode-wait' | 'decode' | 'embed-wait' | 'embed';

export interface EmbeddingOptions {
  /** An .onnx file that `nearmiss export` wrote, or its bytes. */
  readonly model: string | Uint8Array;
  /** Looks at a model before it is used, at the start and at each reload; what it throws refuses the model. */
  readonly accept?: (card: ModelCard, fingerprint: string) => void | Promise<void>;
  /** Threads that run the model, one session each. Default: one less than the processors, at least 1. */
  readonly workers?: number;
  /** Threads of onnxruntime in each session, 1 by default: more of them spin and slow down whatever else runs. */
  readonly sessionThreads?: number;
  /** Threads that decode pictures. Default: half as many as `workers`, at least 1. */
  readonly decoders?: number;
  /** Most pictures in one run of the model. Default 16. */
  readonly maxBatch?: number;
  /** Most pictures of all requests in work; more are refused. Default 1,024. */
  readonly maxPictures?: number;
  /** Most bytes that all requests in work hold, files and pixels. Default 128 MiB. */
  readonly maxBytes?: number;
  /** How long a request may take, ms. Default 10,000. */
  readonly timeout?: number;
  /** Largest encoded picture, bytes. Default 16 MiB. */
  readonly maxPictureBytes?: number;
  /** Largest picture, width x height, checked in its header. Default 50 million. */
  readonly maxPicturePixels?: number;
  /** Longest decoding of a picture, whole seconds, as `DecodeOptions.maxSeconds`. Default 5. */
  readonly maxDecodeSeconds?: number;
  /** A thread that gives no answer for so long is taken for hung and replaced, ms. Default 15,000. */
  readonly hungAfter?: number;
  /** Called with the time of each stage, ms: for each picture, `embed` for each batch. */
  readonly onStage?: (stage: EmbeddingStage, ms: number) => void;
  /** Called with the size of each batch. */
  readonly onBatch?: (pictures: number) => void;
  /** Called when a thread ended by itself and is replaced. */
  readonly onRestart?: (thread: 'embedding' | 'decoding', reason: Error) => void;
  /** Built files of the threads, in place of nearmiss's own; tests put some there that fail. */
  readonly threadFiles?: { readonly embed?: URL; readonly decode?: URL };
}

/** Options with their defaults filled in. */
export interface EmbeddingSettings extends Required<Omit<EmbeddingOptions, 'model' | 'threadFiles'>> {
  readonly threadFiles: Readonly<Record<'embed' | 'decode', URL>>;
}

// The threads are always the built files: sources cannot be loaded into a thread.
const built = (name: string): URL => new URL(`../../dist/serve/${name}.js`, import.meta.url);

type NumberOption = {
  [Name in keyof EmbeddingSettings]: EmbeddingSettings[Name] extends number ? Name : never;
}[keyof EmbeddingSettings];

const MOST: Readonly<Record<NumberOption, number>> = {
  workers: 64,
  sessionThreads: 64,
  decoders: 64,
  maxBatch: 1024,
  maxPictures: 1_000_000,
  maxBytes: 2 ** 40,
  timeout: 3_600_000,
  maxPictureBytes: 2 ** 31 - 1,
  maxPicturePixels: 2 ** 30,
  maxDecodeSeconds: 3600,
  hungAfter: 3_600_000,
};

const OTHERS: readonly string[] = ['model', 'accept', 'onStage', 'onBatch', 'onRestart', 'threadFiles'];

/**
 * Options with their defaults filled in.
 *
 * @param processors how many the machine has for this process
 * @throws `NM_OPTION_INVALID`, `NM_OPTION_UNKNOWN`
 */
export function embeddingSettings(options: EmbeddingOptions, processors: number): EmbeddingSettings {
  for (const [name, value] of Object.entries(options)) {
    if (OTHERS.includes(name) || value === undefined) continue;
    const most = Object.hasOwn(MOST, name) ? MOST[name as NumberOption] : undefined;
    if (most === undefined) {
      const allowed = [...OTHERS, ...Object.keys(MOST)].join(', ');
      throw new NearmissError('NM_OPTION_UNKNOWN', `embedding: found ${JSON.stringify(name)}, allowed: ${allowed}`);
    }
    if (Number.isInteger(value) && value >= 1 && value <= most) continue;
    const allowed = `a whole number from 1 to ${most}`;
    throw new NearmissError('NM_OPTION_INVALID', `embedding.${name}: found ${String(value)}, allowed: ${allowed}`);
  }
  const workers = options.workers ?? Math.max(1, processors - 1);
  const { embed = built('embed-worker'), decode = built('decode-worker') } = options.threadFiles ?? {};
  return {
    accept: options.accept ?? (() => undefined),
    workers,
    sessionThreads: options.sessionThreads ?? 1,
    decoders: options.decoders ?? Math.max(1, Math.floor(workers / 2)),
    maxBatch: options.maxBatch ?? 16,
    maxPictures: options.maxPictures ?? 1024,
    maxBytes: options.maxBytes ?? 128 * 1024 * 1024,
    timeout: options.timeout ?? 10_000,
    maxPictureBytes: options.maxPictureBytes ?? 16 * 1024 * 1024,
    maxPicturePixels: options.maxPicturePixels ?? 50_000_000,
    maxDecodeSeconds: options.maxDecodeSeconds ?? 5,
    hungAfter: options.hungAfter ?? 15_000,
    onStage: options.onStage ?? (() => undefined),
    onBatch: options.onBatch ?? (() => undefined),
    onRestart: options.onRestart ?? (() => undefined),
    threadFiles: { embed, decode },
  };
}
