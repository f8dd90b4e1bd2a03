import { floats } from '../kernels/index.js';
import { type Candidates, type QueueCandidates, queueCandidates, takeWorkspace } from '../negatives/index.js';
import type { MethodContext, MethodState } from './method.js';
import { savedFloats, savedIntegers } from './saved-state.js';

/**
 * MoCo's queue of earlier keys. It starts empty (in CMC's code with random directions: far from all keys, they leave
 * nothing to do but to draw all embeddings together), wraps around at any length, and remembers whose key each row is: a
 * queue longer than the data set holds older keys of the anchor's own item, which are masked. All replicas push all
 * keys, so their queues are equal.
 */
export class KeyQueue {
  private readonly context: MethodContext;
  private readonly queue: QueueCandidates;

  constructor(context: MethodContext, capacity: number) {
    this.context = context;
    this.queue = queueCandidates(context.kernels.heap, { capacity, dim: context.graph.head[2] });
  }

  get candidates(): Pick<Candidates, 'rows' | 'dim' | 'filled' | 'instanceIds'> {
    return this.queue;
  }

  /** Takes the keys of the whole batch [batch, dim], oldest first. */
  push(keys: Float32Array, instanceIds: Int32Array): void {
    pushRows(this.context, this.queue, keys, instanceIds);
  }

  state(): MethodState {
    const { rows, dim, filled, instanceIds, next } = this.queue;
    return {
      'queue.rows': {
        shape: [filled, dim],
        data: floats(this.context.kernels.heap, rows, filled * dim).slice(),
      },
      'queue.ids': { shape: [filled], data: instanceIds.slice(0, filled) },
      'queue.next': { shape: [1], data: Int32Array.of(next) },
    };
  }

  restore(state: MethodState): void {
    const ids = savedIntegers(state, 'queue.ids');
    const rows = savedFloats(state, 'queue.rows', [ids.length, this.queue.dim]);
    this.queue.restore(rows, ids, savedIntegers(state, 'queue.next', 1)[0]!);
  }

  dispose(): void {
    this.queue.release();
  }
}

/** Pushes rows [ids, dim] that are not yet on the heap. */
export function pushRows(
  { kernels }: Pick<MethodContext, 'kernels'>,
  candidates: Candidates,
  rows: Float32Array,
  instanceIds: Int32Array,
): void {
  const { at, release } = takeWorkspace(kernels.heap, { rows: 4 * rows.length });
  try {
    floats(kernels.heap, at.rows, rows.length).set(rows);
    candidates.push(at.rows, instanceIds);
  } finally {
    release();
  }
}
