import { floats, type TrainingKernels } from '../kernels/index.js';
import type { AnchorLoss } from './anchor-loss.js';
import type { PositiveSets } from './anchors.js';
import { takeWorkspace } from './workspace.js';

export interface LabelledBatch {
  /** Address of float32 [count, dim], rows i and i + count/2 the two views of an item. */
  readonly rows: number;
  readonly count: number;
  readonly dim: number;
  /** Label of each item [count/2]. */
  readonly labels: Int32Array;
  readonly temperature: number;
  /** Address of float32 [count, dim], to which gradients are added. */
  readonly gradient: number;
}

/**
 * All other rows of an anchor's label as its positives (Khosla et al. 2020, "Supervised Contrastive Learning"). Pairs
 * are taken one by one: the cost is that of the pairs of equal labels.
 */
export function labelledPositives(
  kernels: TrainingKernels,
  { rows, count, dim, labels, temperature, gradient }: LabelledBatch,
): PositiveSets & { release(): void } {
  const { exports, heap } = kernels;
  const half = labels.length;
  const members = new Map<number, number[]>();
  for (let row = 0; row < count; row++) {
    const label = labels[row % half]!;
    const list = members.get(label);
    if (list) list.push(row);
    else members.set(label, [row]);
  }
  const { at, release } = takeWorkspace(heap, { lists: 4 * count, pairs: 4 * count });
  const starts = new Map<number, number>();
  const lists = new Int32Array(heap.memory.buffer, at.lists, count);
  let next = 0;
  for (const [label, list] of members) {
    starts.set(label, next);
    lists.set(list, next);
    next += list.length;
  }

  let [anchor, list, size, self] = [0, 0, 0, 0];
  return {
    read(wanted) {
      const label = labels[wanted % half]!;
      const group = members.get(label)!;
      anchor = wanted;
      list = at.lists + 4 * starts.get(label)!;
      size = group.length;
      self = group.indexOf(wanted);
      exports.gatherDots(rows + 4 * anchor * dim, 1, dim, rows, list, 0, size, size, at.pairs, 0);
      const similarities = floats(heap, at.pairs, size);
      let [sum, top] = [0, -Infinity];
      for (let e = 0; e < size; e++) {
        if (e === self) continue;
        sum += similarities[e]!;
        top = Math.max(top, similarities[e]!);
      }
      let partition = 0;
      for (let e = 0; e < size; e++) {
        if (e !== self) partition += Math.exp((similarities[e]! - top) / temperature);
      }
      return { count: size - 1, mean: sum / (size - 1), logSum: top / temperature + Math.log(partition) };
    },
    addGradients(loss: AnchorLoss, total: number) {
      const pairs = floats(heap, at.pairs, size);
      if (size === 2) {
        // A single positive: its derivative keeps its digits in the other form.
        pairs[1 - self] = loss.positiveScale / total;
      } else {
        const { positiveFactor, logPartition } = loss;
        for (let e = 0; e < size; e++) {
          const share = positiveFactor * Math.exp(pairs[e]! / temperature - logPartition);
          pairs[e] = (share - 1 / (size - 1)) / temperature / total;
        }
      }
      pairs[self] = 0;
      const own = rows + 4 * anchor * dim;
      exports.addGatheredRows(at.pairs, 0, list, 0, 1, size, rows, dim, gradient + 4 * anchor * dim);
      exports.scatterAnchors(at.pairs, 0, list, 0, 1, size, own, dim, gradient);
    },
    release,
  };
}
