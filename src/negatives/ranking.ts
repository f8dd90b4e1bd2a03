import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import { requireInteger } from './guards.js';
import type { ResolvedObjective } from './objective.js';
import { takeWorkspace } from './workspace.js';

/** One anchor's negatives in the batch, hardest first. */
export interface RankedNegatives {
  readonly anchor: number;
  /** Similarity to the positive. */
  readonly positive: number;
  /** Rows of the batch, and their similarities to the anchor. */
  readonly indices: Int32Array;
  readonly similarities: Float32Array;
  /** Ranks [start, end) that the objective selects. */
  readonly selected: readonly [start: number, end: number];
}

export interface RankNegativesInput {
  /** As in `ContrastBatchInput`. */
  readonly rows: number;
  readonly count: number;
  readonly dim: number;
  readonly instanceIds?: Int32Array | undefined;
  /** Rows whose negatives are wanted. */
  readonly anchors: readonly number[];
  readonly objective: Pick<ResolvedObjective, 'select'>;
}

/**
 * Ranks the negatives of some anchors of a batch as the loss does, for looking at them: near misses, and a histogram of
 * similarities with the ring drawn in. Sorts whole rows: for a handful of anchors, not for training.
 *
 * @throws NM_SHAPE_MISMATCH for an anchor that is not a row
 */
export function rankNegatives(kernels: TrainingKernels, input: RankNegativesInput): RankedNegatives[] {
  const { rows, count, dim, instanceIds, anchors, objective } = input;
  requireInteger('count', count, 0);
  requireInteger('dim', dim, 1);
  const { exports, heap } = kernels;
  const padded = Math.ceil(count / 8) * 8;
  const { at, release } = takeWorkspace(heap, { panels: 4 * padded * dim, tile: 32 * padded });
  try {
    exports.packPanels(rows, count, dim, at.panels);
    return anchors.map((anchor) => {
      requireRow(anchor, count);
      const panel = anchor - (anchor % 8);
      exports.similarityTile(at.panels + 4 * panel * dim, 8, at.panels, padded, dim, at.tile, 4 * padded);
      const row = new Float32Array(heap.memory.buffer, at.tile + 4 * padded * (anchor % 8), count);
      return rank(row, anchor, instanceIds, objective);
    });
  } finally {
    release();
  }
}

function requireRow(anchor: number, count: number): void {
  requireInteger('anchors', anchor, 0);
  if (anchor >= count) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `anchors: found row ${anchor}, allowed: below ${count}`);
  }
}

function rank(
  row: Float32Array,
  anchor: number,
  ids: Int32Array | undefined,
  { select }: Pick<ResolvedObjective, 'select'>,
): RankedNegatives {
  const half = row.length / 2;
  const item = (view: number): number => (ids ? ids[view % half]! : view % half);
  const indices: number[] = [];
  for (let j = 0; j < row.length; j++) if (item(j) !== item(anchor)) indices.push(j);
  indices.sort((a, b) => row[b]! - row[a]! || a - b);
  const order = Int32Array.from(indices);
  let [start, end] = [0, order.length];
  if (select.kind === 'ring') {
    end = Math.floor(select.outer * order.length);
    start = Math.min(end, Math.floor(select.inner * (select.innerOfOuter ? end : order.length)));
  }
  return {
    anchor,
    positive: row[(anchor + half) % row.length]!,
    indices: order,
    similarities: Float32Array.from(order, (j) => row[j]!),
    selected: [start, end],
  };
}
