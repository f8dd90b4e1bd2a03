import { execFileSync } from 'node:child_process';
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

  it('starts in a program given on the command line', () => {
    const dist = (path: string): string => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
    const program = `
      import { encoderByName, initialWeights } from ${dist('encoders/index.js')};
      import { openTrainerEncoder } from ${dist('train/index.js')};
      const graph = encoderByName('tiny-mobile');
      const encoder = await openTrainerEncoder({ graph, weights: initialWeights(graph, 1), size: 32, pool: 1, workers: 1 });
      console.log((await encoder.features(new Uint8Array(3072))).length);
      await encoder.close();`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(output.trim()).toBe(String(graph.featureChannels));
  });

  it('that was closed answers no more requests', async () => {
    const encoder = await openTrainerEncoder({ graph, weights, size: 32, pool: 1, workers: 1 });
    await encoder.close();
    expect((await refusal(encoder.features(new Uint8Array(3072)))).code).toBe('NM_WORKER_FAILED');
  });
});
