import { describe, expect, test } from 'vitest';
import { adam, floats, loadTrainingKernels, standaloneHeap } from '../../src/kernels/index.js';
import { EPS, uniform } from '../tfjs/convolution-reference.js';
import { TESTED_TIERS } from './tiers.js';

/** torch.optim.Adam and AdamW, in float64. */
class ReferenceAdam {
  private readonly m: number[];
  private readonly v: number[];

  constructor(readonly parameters: number[]) {
    this.m = parameters.map(() => 0);
    this.v = parameters.map(() => 0);
  }

  step(t: number, gradients: Float32Array, rate: number, decay: number, decoupled: boolean): void {
    this.parameters.forEach((parameter, i) => {
      const p = decoupled ? parameter * (1 - rate * decay) : parameter;
      const g = gradients[i]! + (decoupled ? 0 : decay * parameter);
      this.m[i] = 0.9 * this.m[i]! + 0.1 * g;
      this.v[i] = 0.999 * this.v[i]! + 0.001 * g * g;
      const mHat = this.m[i]! / (1 - 0.9 ** t);
      const vHat = this.v[i]! / (1 - 0.999 ** t);
      this.parameters[i] = p - (rate * mHat) / (Math.sqrt(vHat) + 1e-8);
    });
  }
}

describe.each(TESTED_TIERS)('Adam, %s SIMD', (tier) => {
  for (const decoupled of [false, true]) {
    test.each([0, 1, 3, 4, 5, 11, 1000])(
      `follows PyTorch's formula at %i parameters over 20 steps${decoupled ? ', decoupled' : ''}`,
      async (length) => {
        const heap = standaloneHeap();
        const kernels = await loadTrainingKernels(heap, { tier });
        // 4 bytes off a vector's boundary, with a guard behind.
        const addresses = [0, 1, 2, 3].map(() => heap.malloc(4 * length + 8) + 4) as [number, number, number, number];
        const [parameter, m, v, gradient] = addresses;
        const start = uniform(length, 1);
        for (const address of addresses) floats(heap, address, length + 1).fill(0);
        for (const address of addresses) floats(heap, address, length + 1)[length] = 7;
        floats(heap, parameter, length).set(start);
        const reference = new ReferenceAdam([...start]);
        for (let step = 1; step <= 20; step++) {
          const gradients = uniform(length, 1 + step).map((value, i) => value * 10 ** ((i % 5) - 3));
          floats(heap, gradient, length).set(gradients);
          adam(
            kernels,
            { parameter, m, v, gradient, length },
            { step, learningRate: 0.01, weightDecay: 0.1, decoupled },
          );
          reference.step(step, gradients, 0.01, 0.1, decoupled);
        }
        const found = floats(heap, parameter, length);
        for (let i = 0; i < length; i++) {
          expect(Math.abs(found[i]! - reference.parameters[i]!)).toBeLessThan(64 * EPS);
        }
        for (const address of addresses) expect(floats(heap, address, length + 1)[length]).toBe(7);
      },
    );
  }
});
