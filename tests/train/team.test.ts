import { describe, expect, it } from 'vitest';
import { encoderByName, initialWeights, type Weights } from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { openTrainerEncoder } from '../../src/train/features.js';

const graph = encoderByName('tiny-mobile');
const weights = initialWeights(graph, 1);

async function refusal(work: Promise<unknown>): Promise<NearmissError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NearmissError);
  return error as NearmissError;
}

describe('a team of workers', () => {
  it('that cannot start fails instead of waiting', async () => {
    const { 'stem.kernel': _, ...rest } = weights;
    const error = await refusal(
      openTrainerEncoder({ graph, weights: rest as Weights, size: 32, pool: 1, workers: 2 }).then((encoder) =>
        encoder.features(new Uint8Array(3072)),
      ),
    );
    expect(error.code).toBe('NM_WORKER_FAILED');
    expect(error.message).toMatch(/^training worker: ./);
  });

  it('that was closed answers no more requests', async () => {
    const encoder = await openTrainerEncoder({ graph, weights, size: 32, pool: 1, workers: 1 });
    await encoder.close();
    expect((await refusal(encoder.features(new Uint8Array(3072)))).code).toBe('NM_WORKER_FAILED');
  });
});
