import { expect, it } from 'vitest';
import { type Heap, standaloneHeap } from '../../src/kernels/index.js';
import { NO_INSTANCE, type QueueCandidates, queueCandidates } from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { place, read } from './embeddings.js';

const state = (heap: Heap, queue: QueueCandidates): [number[], number[], number] => [
  [...read(heap, queue.rows, queue.filled * queue.dim)],
  [...queue.instanceIds],
  queue.next,
];

it('overwrites the oldest rows first and wraps at any capacity', () => {
  const heap = standaloneHeap();
  const queue = queueCandidates(heap, { capacity: 5, dim: 1 });
  expect(state(heap, queue)).toEqual([[], [-1, -1, -1, -1, -1], 0]);
  queue.push(place(heap, Float32Array.from([1, 2, 3])), Int32Array.from([10, 20, 30]));
  expect(state(heap, queue)).toEqual([[1, 2, 3], [10, 20, 30, -1, -1], 3]);
  queue.push(place(heap, Float32Array.from([4, 5, 6])), Int32Array.from([40, 50, 60]));
  expect(state(heap, queue)).toEqual([[6, 2, 3, 4, 5], [60, 20, 30, 40, 50], 1]);
});

it('keeps the last rows of a push that is larger than the queue', () => {
  const heap = standaloneHeap();
  const queue = queueCandidates(heap, { capacity: 2, dim: 1 });
  queue.push(place(heap, Float32Array.from([1, 2, 3, 4, 5])), Int32Array.from([1, 2, 3, 4, 5]));
  expect([...read(heap, queue.rows, 2)].sort()).toEqual([4, 5]);
  expect([...queue.instanceIds].sort()).toEqual([4, 5]);
});

it('starts full of random unit rows that show no item where a stream is given', () => {
  const heap = standaloneHeap();
  const queue = queueCandidates(heap, { capacity: 9, dim: 6, random: randomStream(1) });
  expect(queue.filled).toBe(9);
  expect(new Set(queue.instanceIds)).toEqual(new Set([NO_INSTANCE]));
  const rows = read(heap, queue.rows, 54);
  for (let i = 0; i < 9; i++) expect(Math.hypot(...rows.subarray(6 * i, 6 * i + 6))).toBeCloseTo(1, 6);
});

it('goes on from a saved state as if it had not stopped', () => {
  const heap = standaloneHeap();
  const [first, second] = [1, 2].map(() => queueCandidates(heap, { capacity: 4, dim: 2 })) as [
    QueueCandidates,
    QueueCandidates,
  ];
  const rows = place(heap, Float32Array.from([1, 2, 3, 4, 5, 6]));
  const ids = Int32Array.from([7, 8, 9]);
  first.push(rows, ids);
  first.push(rows, ids);
  const saved = read(heap, first.rows, first.filled * 2);
  second.restore(saved, first.instanceIds.slice(0, first.filled), first.next);
  for (const queue of [first, second]) queue.push(rows, ids);
  expect(state(heap, second)).toEqual(state(heap, first));
});

it('refuses a saved state that does not fit, and a capacity of 0', () => {
  const heap = standaloneHeap();
  const mismatch = expect.objectContaining({ code: 'NM_SHAPE_MISMATCH' });
  expect(() => queueCandidates(heap, { capacity: 0, dim: 2 })).toThrow(mismatch);
  const queue = queueCandidates(heap, { capacity: 2, dim: 2 });
  expect(() => queue.restore(new Float32Array(6), new Int32Array(3), 0)).toThrow(mismatch);
  expect(() => queue.restore(new Float32Array(3), new Int32Array(2), 0)).toThrow(mismatch);
  expect(() => queue.restore(new Float32Array(2), new Int32Array(1), 0)).toThrow(mismatch);
  expect(() => queue.restore(new Float32Array(4), new Int32Array(2), 2)).toThrow(mismatch);
});

it('frees its rows', () => {
  const heap = standaloneHeap();
  const queue = queueCandidates(heap, { capacity: 100, dim: 8 });
  expect(heap.used).toBeGreaterThan(0);
  queue.release();
  expect(heap.used).toBe(0);
});
