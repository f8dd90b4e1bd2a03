import { floats, type TrainingKernels } from '../kernels/index.js';

/**
 * The decay of an average at its update number `update` (from 0): `decay`, but at first (1 + n)/(10 + n), so that the
 * untrained weights it starts from are forgotten in a short run too (as TensorFlow's ExponentialMovingAverage does).
 */
export function averageDecay(decay: number, update: number): number {
  return Math.min(decay, (1 + update) / (10 + update));
}

/**
 * Exponential moving average of an encoder's weights (Polyak & Juditsky 1992; the mean teacher's form): after each step
 * average = decay·average + (1 - decay)·weights, from a copy of the first weights on.
 */
export class WeightAverage {
  private readonly kernels: TrainingKernels;
  private readonly length: number;
  private readonly address: number;

  /** `weights` are the first ones, float32. */
  constructor(kernels: TrainingKernels, weights: Float32Array) {
    this.kernels = kernels;
    this.length = weights.length;
    this.address = kernels.heap.malloc(4 * weights.length);
    this.restore(weights);
  }

  /** Takes in `length` weights at an address, which are those from `offset` (in numbers) on. */
  update(weights: number, offset: number, length: number, decay: number): void {
    this.kernels.exports.blend(this.address + 4 * offset, weights, length, decay, 1 - decay);
  }

  /** The average, copied out. */
  state(): Float32Array {
    return floats(this.kernels.heap, this.address, this.length).slice();
  }

  restore(weights: Float32Array): void {
    floats(this.kernels.heap, this.address, this.length).set(weights);
  }

  dispose(): void {
    this.kernels.heap.free(this.address);
  }
}
