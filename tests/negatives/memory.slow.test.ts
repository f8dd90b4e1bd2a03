import { expect, it } from 'vitest';
import { type Heap, loadTrainingKernels, standaloneHeap } from '../../src/kernels/index.js';
import { contrastBatch, hcl, type Objective, resolveObjective, ring } from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';

/** A heap that knows the most bytes that were taken at once. */
function measured(): { heap: Heap; peak: () => number; used: () => number } {
  const inner = standaloneHeap();
  let peak = 0;
  return {
    heap: {
      memory: inner.memory,
      malloc(bytes) {
        const address = inner.malloc(bytes);
        peak = Math.max(peak, inner.used);
        return address;
      },
      free: (address) => inner.free(address),
    },
    peak: () => peak,
    used: () => inner.used,
  };
}

const objectives: readonly (readonly [string, Objective])[] = [
  ['HCL', hcl()],
  ['a ring with β', { ...ring({ outer: 0.5 }), weight: { beta: 1 } }],
];

it.each(objectives)(
  '16,384 views of 128 dimensions take less than 64 MB beyond inputs and gradients: %s',
  async (_, objective) => {
    const { heap, peak, used } = measured();
    const kernels = await loadTrainingKernels(heap);
    const [count, dim] = [16384, 128];
    const rows = heap.malloc(4 * count * dim);
    const gradient = heap.malloc(4 * count * dim);
    const z = new Float32Array(heap.memory.buffer, rows, count * dim);
    const random = randomStream(60);
    for (let i = 0; i < count; i++) {
      const row = z.subarray(i * dim, (i + 1) * dim);
      let squares = 0;
      for (let k = 0; k < dim; k++) {
        row[k] = random.uniform() - 0.5;
        squares += row[k]! ** 2;
      }
      for (let k = 0; k < dim; k++) row[k] = row[k]! / Math.sqrt(squares);
    }
    new Float32Array(heap.memory.buffer, gradient, count * dim).fill(0);
    const before = used();
    const size = heap.memory.buffer.byteLength;
    const { loss } = contrastBatch(kernels, {
      rows,
      count,
      dim,
      objective: resolveObjective(objective, 0, 1),
      gradient,
    });
    expect(Number.isFinite(loss)).toBe(true);
    const beyond = peak() - before;
    expect(beyond).toBeLessThan(64 * 2 ** 20);
    // The engine's memory grew by no more than that, and all was given back.
    expect(heap.memory.buffer.byteLength - size).toBeLessThan(64 * 2 ** 20);
    expect(used()).toBe(before);
  },
);
