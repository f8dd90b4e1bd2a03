import { permutation, randomStream } from '../random.js';

const PURPOSE_ORDER = 0x0e;

/** Which items each step takes: seeded permutations of all items, one after the other, cut into batches; none is dropped. */
export class BatchOrder {
  private readonly seed: number;
  private readonly items: number;
  private readonly batch: number;
  private readonly permutations = new Map<number, Int32Array>();

  constructor(options: { readonly seed: number; readonly items: number; readonly batch: number }) {
    this.seed = options.seed;
    this.items = options.items;
    this.batch = options.batch;
  }

  /** Item numbers [batch] of step `step` (from 0). A step that spans two permutations may hold an item twice. */
  at(step: number): Int32Array {
    const result = new Int32Array(this.batch);
    for (let i = 0; i < this.batch; i++) {
      const place = step * this.batch + i;
      result[i] = this.permutation(Math.floor(place / this.items))[place % this.items]!;
    }
    return result;
  }

  private permutation(epoch: number): Int32Array {
    let order = this.permutations.get(epoch);
    if (!order) {
      order = permutation(this.items, randomStream(this.seed, PURPOSE_ORDER, epoch));
      for (const old of this.permutations.keys()) if (old < epoch - 1) this.permutations.delete(old);
      this.permutations.set(epoch, order);
    }
    return order;
  }
}
