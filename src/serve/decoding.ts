import { NearmissError } from '../errors.js';
import type { DecodeAnswer } from './decode-worker.js';
import type { EmbeddingJob } from './embedding-job.js';
import type { ServedPictureLimits } from './served-picture.js';
import { Stage, type StageOptions, type Unit } from './stage.js';

/** Pictures that a thread decodes at once: as many as libuv has threads. */
const CONCURRENCY = 4;

export interface DecodingOptions
  extends Pick<
    StageOptions<EmbeddingJob, DecodeAnswer>,
    'file' | 'threads' | 'startTimeout' | 'answerTimeout' | 'onRestart'
  > {
  readonly limits: ServedPictureLimits;
  readonly onWait: (ms: number) => void;
  readonly onDecoded: (ms: number) => void;
}

/** Starts the threads that decode; a decoded picture goes on to its request's model. */
export async function startDecoding(options: DecodingOptions): Promise<Stage<EmbeddingJob, true, DecodeAnswer>> {
  const { limits, onWait, onDecoded } = options;
  const { stage } = await Stage.start<EmbeddingJob, true, DecodeAnswer>({
    ...options,
    name: 'the decoder',
    data: limits,
    batch: 1,
    concurrency: CONCURRENCY,
    pack,
    deliver: ([unit], { pixels, ms }) => {
      onDecoded(ms);
      const { job, index } = unit!;
      if (job.over) return;
      job.pixels.set(pixels, index * job.model.pictureBytes);
      job.model.stage.add(job, index);
    },
    fail: ({ job, index }, error) => job.fail(job.pictures > 1 ? ofPicture(index, error) : error),
    onSend: ([unit]) => onWait(performance.now() - unit!.since),
  });
  return stage;
}

function pack([unit]: readonly Unit<EmbeddingJob>[]): { message: object; transfer: ArrayBuffer[] } {
  const { job, index } = unit!;
  // A copy: the picture is put to another thread if this one ends, and a Buffer may share its memory with others.
  const file = new Uint8Array(job.files[index]!);
  return { message: { file, size: job.model.size, fit: job.model.fit }, transfer: [file.buffer] };
}

/** The error with the picture's place in its request. */
function ofPicture(index: number, error: Error): Error {
  if (!(error instanceof NearmissError)) return error;
  return new NearmissError(error.code, `pictures[${index}]: ${error.message}`, { cause: error });
}
