import { describe, expect, it } from 'vitest';
import { floats, loadTrainingKernels, standaloneHeap, type TrainingKernels } from '../../src/kernels/index.js';
import { randomStream } from '../../src/random.js';
import { clipGradients } from '../../src/train/gradient-clip.js';
import type { OptimiserSettings, Parameter } from '../../src/train/optimiser.js';
import { createOptimiser } from '../../src/train/optimisers.js';
import { ParameterUpdates, type UpdateSettings } from '../../src/train/updates.js';
import { WeightAverage } from '../../src/train/weight-average.js';

const LENGTHS = [1, 3, 4, 5, 11, 700];
const TOTAL = LENGTHS.reduce((a, b) => a + b);
const STEPS = 12;

const random = (length: number, ...key: number[]): Float32Array => {
  const stream = randomStream(91, ...key);
  return Float32Array.from({ length }, () => stream.normal());
};

/** Tensors of odd lengths, 4 bytes off a vector's boundary, each second one a bias. */
function tensors(kernels: TrainingKernels): { parameters: Parameter[]; read: () => number[] } {
  const parameters = LENGTHS.map((length, i) => {
    const address = kernels.heap.malloc(4 * length + 8) + 4;
    floats(kernels.heap, address, length).set(random(length, i));
    return { address: () => address, length, plain: i % 2 === 1 };
  });
  const read = (): number[] => parameters.flatMap((p) => [...floats(kernels.heap, p.address(), p.length)]);
  return { parameters, read };
}

const gradientsAt = (step: number): Float32Array => random(TOTAL, 50, step).map((v, i) => v * 10 ** ((i % 4) - 2));
const rateAt = (step: number): number => 0.05 / (1 + step);
const DECAY = 0.1;

/** The optimisers as their papers and PyTorch's or SimCLR's code have them, in float64, one tensor at a time. */
class Reference {
  readonly weights: number[][];
  private readonly first: number[][];
  private readonly second: number[][];

  constructor(private readonly settings: OptimiserSettings) {
    this.weights = LENGTHS.map((length, i) => [...random(length, i)]);
    this.first = LENGTHS.map((length) => new Array<number>(length).fill(0));
    this.second = LENGTHS.map((length) => new Array<number>(length).fill(0));
  }

  step(t: number, gradients: ArrayLike<number>, rate: number): void {
    let offset = 0;
    for (const [i, weights] of this.weights.entries()) {
      const g = weights.map((_, k) => gradients[offset + k]!);
      offset += weights.length;
      this.tensor(t, weights, g, this.first[i]!, this.second[i]!, rate, i % 2 === 1);
    }
  }

  private tensor(t: number, w: number[], g: number[], m: number[], v: number[], rate: number, plain: boolean): void {
    const { settings } = this;
    if (settings.kind === 'adam' || settings.kind === 'adamw') {
      const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = settings;
      w.forEach((weight, k) => {
        const slope = g[k]! + (settings.kind === 'adam' ? DECAY * weight : 0);
        m[k] = beta1 * m[k]! + (1 - beta1) * slope;
        v[k] = beta2 * v[k]! + (1 - beta2) * slope * slope;
        const kept = settings.kind === 'adamw' ? weight * (1 - rate * DECAY) : weight;
        const corrected = Math.sqrt(v[k]! / (1 - beta2 ** (t + 1))) + epsilon;
        w[k] = kept - (rate * m[k]!) / (1 - beta1 ** (t + 1)) / corrected;
      });
      return;
    }
    const { momentum = 0.9, nesterov = false } = settings;
    const decayed = g.map((slope, k) => slope + (settings.kind === 'lars' && plain ? 0 : DECAY) * w[k]!);
    let scale = 1;
    if (settings.kind === 'lars' && !plain) {
      scale = ((settings.trust ?? 0.001) * Math.hypot(...w)) / Math.hypot(...decayed);
    }
    // PyTorch has the rate outside the velocity, SimCLR inside; it matters where the rate changes.
    const [inside, outside] = settings.kind === 'lars' ? [rate * scale, 1] : [1, rate];
    w.forEach((weight, k) => {
      const slope = inside * decayed[k]!;
      m[k] = momentum * m[k]! + slope;
      w[k] = weight - outside * (nesterov ? momentum * m[k]! + slope : m[k]!);
    });
  }
}

const SETTINGS: readonly OptimiserSettings[] = [
  { kind: 'adam' },
  { kind: 'adam', beta1: 0.5, beta2: 0.9, epsilon: 1e-4 },
  { kind: 'adamw' },
  { kind: 'sgd' },
  { kind: 'sgd', momentum: 0 },
  { kind: 'sgd', momentum: 0.8, nesterov: true },
  { kind: 'lars' },
  { kind: 'lars', momentum: 0.5, nesterov: true, trust: 0.02 },
];

describe.each(['plain', 'relaxed'] as const)('optimisers, %s SIMD', async (tier) => {
  const kernels = await loadTrainingKernels(standaloneHeap(), { tier });
  const { heap } = kernels;
  const address = heap.malloc(4 * TOTAL);

  it.each(SETTINGS)('%j follows its float64 reference', (settings) => {
    const { parameters, read } = tensors(kernels);
    const optimiser = createOptimiser(kernels, settings, parameters);
    const reference = new Reference(settings);
    for (let t = 0; t < STEPS; t++) {
      floats(heap, address, TOTAL).set(gradientsAt(t));
      optimiser.apply(address, { update: t, learningRate: rateAt(t), weightDecay: DECAY });
      reference.step(t, gradientsAt(t), rateAt(t));
    }
    const expected = reference.weights.flat();
    const start = LENGTHS.flatMap((length, i) => [...random(length, i)]);
    read().forEach((weight, k) => {
      // Weights of a few units after a dozen roundings.
      expect(Math.abs(weight - expected[k]!)).toBeLessThan(3e-6 * (1 + Math.abs(expected[k]!)));
      expect(weight).not.toBe(start[k]);
    });
    optimiser.dispose();
  });

  it.each(SETTINGS)('%j goes on from a saved state to the bit, and refuses one that does not fit', (settings) => {
    const run = (stopAt?: number): number[] => {
      const { parameters, read } = tensors(kernels);
      let optimiser = createOptimiser(kernels, settings, parameters);
      for (let t = 0; t < STEPS; t++) {
        if (t === stopAt) {
          const state = optimiser.state();
          optimiser.dispose();
          optimiser = createOptimiser(kernels, settings, parameters);
          optimiser.restore(state);
        }
        floats(heap, address, TOTAL).set(gradientsAt(t));
        optimiser.apply(address, { update: t, learningRate: rateAt(t), weightDecay: DECAY });
      }
      const corrupt = expect.objectContaining({ code: 'NM_CHECKPOINT_CORRUPT' });
      expect(() => optimiser.restore({})).toThrow(corrupt);
      expect(() => optimiser.restore({ m: new Float32Array(2), velocity: new Float32Array(2) })).toThrow(corrupt);
      optimiser.dispose();
      return read();
    };
    expect(run(7)).toEqual(run());
  });

  it('LARS takes the plain rate for a tensor of zeros, or without a gradient', () => {
    const at = heap.malloc(8);
    const parameter = { address: () => at, length: 2, plain: false };
    for (const [weights, slopes, expected] of [
      [
        [0, 0],
        [1, -2],
        [-0.5, 1],
      ],
      [
        [1, 2],
        [0, 0],
        [1, 2],
      ],
    ] as const) {
      floats(heap, at, 2).set(weights);
      floats(heap, address, 2).set(slopes);
      const optimiser = createOptimiser(kernels, { kind: 'lars' }, [parameter]);
      optimiser.apply(address, { update: 0, learningRate: 0.5, weightDecay: 0 });
      expect([...floats(heap, at, 2)]).toEqual(expected);
      optimiser.dispose();
    }
  });

  it('clips to the global norm, and leaves smaller gradients and NaN alone', () => {
    const gradients = gradientsAt(3);
    const norm = Math.hypot(...gradients);
    floats(heap, address, TOTAL).set(gradients);
    expect(Math.abs(clipGradients(kernels, address, TOTAL, norm * 1.01) / norm - 1)).toBeLessThan(1e-6);
    expect(floats(heap, address, TOTAL)).toEqual(gradients);
    clipGradients(kernels, address, TOTAL, 0.25);
    const clipped = floats(heap, address, TOTAL);
    expect(Math.hypot(...clipped)).toBeCloseTo(0.25, 6);
    clipped.forEach((v, k) => {
      expect(Math.abs(v - (0.25 * gradients[k]!) / norm)).toBeLessThan(1e-6);
    });
    clipped[5] = Number.NaN;
    const before = clipped.slice();
    expect(clipGradients(kernels, address, TOTAL, 0.1)).toBeNaN();
    expect(floats(heap, address, TOTAL)).toEqual(before);
  });

  const run = (
    settings: Omit<UpdateSettings, 'ema'>,
    steps: number,
    gradients: (step: number) => Float32Array,
    stopAt?: number,
  ): { weights: number[]; updates: number } => {
    const { parameters, read } = tensors(kernels);
    let updates = new ParameterUpdates(kernels, settings, parameters);
    let done = 0;
    for (let step = 0; step < steps; step++) {
      if (step === stopAt) {
        const state = updates.state();
        updates.dispose();
        updates = new ParameterUpdates(kernels, settings, parameters);
        updates.restore(state);
      }
      const last = step === steps - 1;
      const change = { step, last, gradients: gradients(step), learningRate: 0.01, weightDecay: DECAY };
      if (updates.apply(change)) done++;
    }
    updates.dispose();
    return { weights: read(), updates: done };
  };

  it('accumulates steps into the update of their mean, and a rest at the end', () => {
    const sgd = { optimiser: { kind: 'sgd' }, clip: 0 } as const;
    const mean = (steps: readonly number[]): Float32Array =>
      random(TOTAL, 0).map((_, k) => steps.reduce((sum, step) => sum + gradientsAt(step)[k]!, 0) / steps.length);
    const whole = run({ ...sgd, accumulate: 1 }, 3, (update) =>
      mean(
        [
          [0, 1, 2],
          [3, 4, 5],
          [6, 7],
        ][update]!,
      ),
    );
    const parts = run({ ...sgd, accumulate: 3 }, 8, gradientsAt);
    expect(parts.updates).toBe(3);
    parts.weights.forEach((weight, k) => {
      expect(Math.abs(weight - whole.weights[k]!)).toBeLessThan(1e-6 * (1 + Math.abs(weight)));
    });
  });

  it('resumes in the middle of an accumulation to the bit', () => {
    const settings = { optimiser: { kind: 'adam' }, clip: 1, accumulate: 4 } as const;
    const whole = run(settings, 10, gradientsAt);
    expect(run(settings, 10, gradientsAt, 6)).toEqual(whole);
    const updates = new ParameterUpdates(kernels, settings, tensors(kernels).parameters);
    const { accumulated: _, ...rest } = updates.state();
    expect(() => updates.restore(rest)).toThrow(expect.objectContaining({ code: 'NM_CHECKPOINT_CORRUPT' }));
    updates.dispose();
  });

  it('averages weights exponentially from their first values on', () => {
    const first = random(TOTAL, 7);
    const average = new WeightAverage(kernels, first);
    const expected = [...first];
    for (let t = 0; t < 5; t++) {
      const weights = random(TOTAL, 8, t);
      floats(heap, address, TOTAL).set(weights);
      average.update(address, 0, 20, 0.9);
      average.update(address + 80, 20, TOTAL - 20, 0.9);
      weights.forEach((weight, k) => {
        expected[k] = 0.9 * expected[k]! + 0.1 * weight;
      });
    }
    average.state().forEach((weight, k) => {
      expect(Math.abs(weight - expected[k]!)).toBeLessThan(1e-6);
    });
    average.dispose();
  });
});
