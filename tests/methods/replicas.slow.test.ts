import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { initialWeights, tinyResnet, tinyResnetLab } from '../../src/encoders/index.js';
import { NO_AUGMENTATION } from '../../src/images/index.js';
import { methodByName, resolveMethodOptions } from '../../src/methods/index.js';
import { hcl, instance, moco } from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { BatchOrder } from '../../src/train/batches.js';
import { allocateExchange } from '../../src/train/exchange.js';
import { Replica } from '../../src/train/replica.js';
import { Team } from '../../src/train/team.js';

/** Hashes are compared: megabytes compared number by number take long. */
const sha256 = (data: Float32Array): string => createHash('sha256').update(data).digest('hex');

function randomPixels(count: number): Uint8Array {
  const random = randomStream(4, count);
  return Uint8Array.from({ length: count * 32 * 32 * 3 }, () => random.integer(256));
}

describe('data-parallel gradients', () => {
  const cases = [
    ['simclr', hcl()],
    ['moco', moco({ temperature: 0.2, capacity: 20 })],
    ['instance', instance({ temperature: 0.2, draws: 12 })],
    ['cmc', instance({ temperature: 0.2, draws: 12 })],
  ] as const;

  it.each(cases)('of %s add up to those of one replica', async (method, objective) => {
    // Both replicas get the same pictures (as different items), so that their batch norms see what one replica sees.
    const graph = methodByName(method).heads === 2 ? tinyResnetLab() : tinyResnet();
    const pictures = { size: 32, data: randomPixels(4) };
    const rows = Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3);
    let seed = 0;
    const halves = (): string[] => {
      const items = new BatchOrder({ seed, items: 8, batch: 8 }).at(0);
      const of = (from: number): string =>
        [...items.subarray(from, from + 4)]
          .map((i) => rows[i])
          .sort()
          .join();
      return [of(0), of(4)];
    };
    while (halves()[0] !== halves()[1]) seed++;
    const moments: Float32Array[] = [];
    for (const replicas of [1, 2]) {
      const team = await Team.start({
        graph,
        weights: initialWeights(graph, 1),
        replica: 0,
        exchange: allocateExchange({
          replicas,
          views: 16,
          dim: graph.head[2],
          values: Replica.exchangedValues(graph),
        }),
        sources: [pictures, pictures],
        rows,
        recipe: NO_AUGMENTATION,
        method,
        methodOptions: resolveMethodOptions(methodByName(method), {}, 'test'),
        objective,
        seed,
        batch: 8,
        learningRate: 1e-3,
        warmup: 0,
        weightDecay: 0,
        updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
      });
      await team.run({ from: 0, to: 1, steps: 10 }, () => undefined);
      moments.push((await team.state()).optimiser['m']!);
      await team.close();
    }
    const [one, two] = moments as [Float32Array, Float32Array];
    const largest = one.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const difference = one.reduce((most, value, i) => Math.max(most, Math.abs(value - two[i]!)), 0);
    expect(largest).toBeGreaterThan(1e-6);
    expect(difference / largest).toBeLessThan(2e-3);
  });

  it('are those of one replica with synchronised batch norms, whatever the shares', async () => {
    // Sixteen different pictures: each replica's own statistics would differ from the batch's.
    const graph = tinyResnet();
    const pictures = { size: 32, data: randomPixels(16) };
    const train = async (replicas: number, syncBatchNorm: boolean): Promise<Float32Array[]> => {
      const team = await Team.start({
        graph,
        weights: initialWeights(graph, 1),
        replica: 0,
        exchange: allocateExchange({ replicas, views: 32, dim: graph.head[2], values: Replica.exchangedValues(graph) }),
        sources: [pictures, pictures],
        rows: Int32Array.from({ length: 16 }, (_, i) => i),
        recipe: NO_AUGMENTATION,
        method: 'simclr',
        methodOptions: {},
        objective: hcl(),
        seed: 3,
        batch: 16,
        learningRate: 1e-3,
        warmup: 0,
        weightDecay: 0,
        syncBatchNorm,
        updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
      });
      try {
        await team.run({ from: 0, to: 1, steps: 10 }, () => undefined);
        const states = await team.states();
        // Replicas stay equal to the bit.
        expect(new Set(states.map((state) => sha256(state.optimiser['m']!))).size).toBe(1);
        const running = Object.entries(states[0]!.weights).filter(([name]) => /\.(mean|variance)$/.test(name));
        return [states[0]!.optimiser['m']!, Float32Array.from(running.flatMap(([, { data }]) => [...data]))];
      } finally {
        await team.close();
      }
    };
    const distance = (a: Float32Array, b: Float32Array): number => {
      const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest;
    };
    const [gradient, running] = (await train(1, false)) as [Float32Array, Float32Array];
    const [ownGradient] = (await train(2, false)) as [Float32Array, Float32Array];
    const [commonGradient, commonRunning] = (await train(2, true)) as [Float32Array, Float32Array];
    expect(distance(gradient, commonGradient)).toBeLessThan(2e-3);
    expect(distance(running, commonRunning)).toBeLessThan(1e-5);
    expect(distance(gradient, ownGradient)).toBeGreaterThan(2e-2);
  }, 180_000);
});
