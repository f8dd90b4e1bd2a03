import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import { ANCHOR_FIELDS } from '../kernels/pair-weights.js';
import { type ContrastSums, kernelObjective, RANK_BYTES, RECORD_BYTES } from './anchors.js';
import {
  type Batch,
  type BatchBlock,
  type BatchLayout,
  type ContrastBatchInput,
  listTiles,
  TILE,
  TILE_BYTES,
} from './batch.js';
import { BLOCK, evaluateRange } from './batch-anchors.js';
import { addGradients } from './batch-gradients.js';
import { requireIds, requireInteger } from './guards.js';
import { labelledPositives } from './labelled-positives.js';
import { startSynthesis, syntheticColumns } from './synthesis.js';
import type { Synthesis } from './synthesis-rows.js';
import { takeWorkspace } from './workspace.js';

/** Similarities up to this size are kept from the first pass to the second; larger ones are computed anew. */
const KEPT_BYTES = 33 * 2 ** 20;

/**
 * Loss and gradient of an objective over a batch whose rows are anchors and candidates at once.
 *
 * Returns sums over the anchors of the range; the gradient that is added is that of the batch's mean loss,
 * (1/count) Σ loss, through the range's anchors. Ranges may be split over workers, each with all rows: an anchor's loss
 * has the same bits however they are split, and the gradients add up to that of the whole.
 *
 * Two passes over tiles of 64 x 64 similarities. The first gives each anchor's sums. In the second a tile holds the
 * weights with which rows i and j pull on each other, as anchors and candidates of each other at once, so that of the
 * symmetric pairs only one is computed. Of the plain formula's 6·count²·dim operations 3 are left, or 4 to 5 where the
 * similarities take more than 33 MB (at 4,096 views; 2,900 with a ring or a small temperature) and are computed again
 * instead of kept. Memory: about 3 copies of the rows, and these 33 MB at most.
 *
 * @throws NM_SHAPE_MISMATCH for an odd count, ids or a range that do not fit; NM_NOT_UNIT_LENGTH; NM_NO_NEGATIVES
 */
export function contrastBatch(kernels: TrainingKernels, input: ContrastBatchInput): ContrastSums {
  const { rows, count, dim, objective, gradient } = input;
  // Rows of one label are positives of each other, never negatives.
  const instanceIds = objective.positives === 'labels' ? input.labels : input.instanceIds;
  const [from, to] = input.anchors ?? [0, count];
  check(input, from, to);
  const result: ContrastSums = { loss: 0, positiveSimilarity: 0, hardestSimilarity: 0, correct: 0, floored: 0 };
  if (from === to) return result;

  const { exports, heap } = kernels;
  const padded = Math.ceil(count / 8) * 8;
  const slices = Math.ceil(dim / 8);
  const first = Math.floor(from / 8) * 8;
  const end = Math.ceil(to / 8) * 8;
  const allColumns = padded + syntheticColumns(objective);
  const stride = 4 * (allColumns + 16);
  const kernel = kernelObjective(objective);
  const own = end - first;
  // Whole rows are needed to rank candidates.
  const layout: BatchLayout = kernel.fixedShift && !objective.synthesise ? 'tiles' : 'rows';
  const tiles = listTiles(first, end, padded);
  const all = layout === 'tiles' ? tiles.length * TILE_BYTES : own * stride;
  const kept = all <= KEPT_BYTES;
  const some = layout === 'tiles' ? TILE_BYTES : Math.max(BLOCK * stride, TILE_BYTES);
  const records = layout === 'tiles' ? own : TILE;
  const { at, release } = takeWorkspace<BatchBlock>(heap, {
    panels: 4 * padded * dim,
    slices: 32 * padded * slices,
    sums: 32 * padded * slices,
    similarities: kept ? all : some,
    mirror: TILE_BYTES,
    table: 4 * padded * ANCHOR_FIELDS,
    records: RECORD_BYTES * records,
    ranks: RANK_BYTES * records,
    ring: exports.ringScratch(allColumns),
    ids: 4 * padded,
  });
  let synthesis: Synthesis | undefined;
  let sets: ReturnType<typeof labelledPositives> | undefined;
  try {
    synthesis = startSynthesis(kernels, objective, input, { count, dim, rows: kept ? TILE : BLOCK });
    if (objective.positives === 'labels') {
      const { temperature } = objective;
      sets = labelledPositives(kernels, { rows, count, dim, labels: input.labels!, temperature, gradient });
    }
    exports.packPanels(rows, count, dim, at.panels);
    exports.packSlices(rows, count, dim, padded, at.slices);
    const { negatives, sharedIds } = countNegatives(count, instanceIds);
    if (sharedIds) {
      const ids = new Int32Array(heap.memory.buffer, at.ids, padded);
      ids.fill(0);
      ids.set(instanceIds!);
      ids.set(instanceIds!, count / 2);
    }
    new Uint8Array(heap.memory.buffer, at.sums, 32 * padded * slices).fill(0);
    const batch: Batch = {
      kernels,
      input,
      kernel,
      at,
      from,
      to,
      first,
      end,
      padded,
      slices,
      stride,
      layout,
      kept,
      tiles,
      synthesis,
      allColumns,
      negatives,
      sharedIds,
      sets,
    };
    evaluateRange(batch, result);
    addGradients(batch);
    exports.addSlices(at.sums, count, dim, padded, gradient);
  } finally {
    sets?.release();
    synthesis?.release();
    release();
  }
  return result;
}

function check(input: ContrastBatchInput, from: number, to: number): void {
  const { count, dim, instanceIds, labels, objective, losses } = input;
  requireInteger('count', count, 0);
  requireInteger('dim', dim, 1);
  if (count % 2 !== 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `count: found ${count}, allowed: an even number, two views an item`);
  }
  requireIds('instanceIds', instanceIds, count / 2);
  requireIds('labels', labels, count / 2);
  if (objective.positives === 'labels' && !labels) {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      'labels: found none, allowed: one an item, where positives are labels',
    );
  }
  requireInteger('anchors[0]', from, 0);
  requireInteger('anchors[1]', to, from);
  if (to > count) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `anchors: found [${from}, ${to}), allowed: within [0, ${count})`);
  }
  if (losses && losses.length < count) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `losses: found ${losses.length} places, allowed: ${count} or more`);
  }
}

function countNegatives(
  count: number,
  ids: Int32Array | undefined,
): { negatives: (anchor: number) => number; sharedIds: boolean } {
  const views = new Map<number, number>();
  if (ids) for (const id of ids) views.set(id, (views.get(id) ?? 0) + 2);
  if (!ids || views.size === ids.length) return { negatives: () => count - 2, sharedIds: false };
  return { negatives: (anchor) => count - views.get(ids[anchor % ids.length]!)!, sharedIds: true };
}
