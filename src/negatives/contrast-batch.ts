import { NearmissError } from '../errors.js';
import { ANCHOR_FIELD, ANCHOR_FIELDS } from '../kernels/contrast.js';
import type { TrainingKernels } from '../kernels/index.js';
import { type ContrastSums, evaluateAnchors, type KernelObjective, kernelObjective } from './anchors.js';
import { requireIds, requireInteger, requireUnitLength } from './guards.js';
import type { ResolvedObjective } from './objective.js';
import { takeWorkspace, type Workspace } from './workspace.js';

export interface ContrastBatchInput {
  /** Address of float32 [count, dim]: unit-length embeddings, rows i and i + count/2 the two views of one item. */
  readonly rows: number;
  /** Views: twice the number of items. */
  readonly count: number;
  readonly dim: number;
  /** Id of each item [count/2]; items of equal ids are never negatives of each other. Default: all differ. */
  readonly instanceIds?: Int32Array | undefined;
  /** Rows [from, to) that are anchors in this call; default all. All rows are candidates in any case. */
  readonly anchors?: readonly [from: number, to: number] | undefined;
  readonly objective: ResolvedObjective;
  /** Address of float32 [count, dim], to which the gradient is added. */
  readonly gradient: number;
  /** Receives each anchor's loss at its row. */
  readonly losses?: Float64Array | undefined;
}

/** Similarities that are kept between the two passes; larger batches compute them twice, tile by tile. */
export const KEPT_BYTES: number = 17 * 2 ** 20;
const TILE = 64;
/** Anchors whose whole rows of similarities are in memory at once when they are not kept. */
const BLOCK = 32;

type Blocks = 'panels' | 'slices' | 'sums' | 'similarities' | 'table' | 'rowSums' | 'ring' | 'ids';

interface Batch {
  readonly kernels: TrainingKernels;
  readonly input: ContrastBatchInput;
  readonly kernel: KernelObjective;
  readonly at: Workspace<Blocks>['at'];
  /** Anchors [from, to), and the multiples of 8 around them. */
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly end: number;
  /** Rows with padding, and slices of 8 dimensions. */
  readonly padded: number;
  readonly slices: number;
  /** Bytes between rows of similarities: not a power of two, so that a column's rows do not share cache sets. */
  readonly stride: number;
  readonly kept: boolean;
  /** Unmasked candidates of an anchor. */
  readonly negatives: (anchor: number) => number;
  /** Some items share an id. */
  readonly sharedIds: boolean;
}

/**
 * Loss and gradient of an objective over a batch whose rows are anchors and candidates at once.
 *
 * Returns sums over the anchors of the range; the gradient that is added is that of the batch's mean loss,
 * (1/count) Σ loss, through the range's anchors. Ranges may be split over workers, each with all rows: an anchor's loss
 * has the same bits however they are split, and the gradients add up to that of the whole.
 *
 * Two passes over tiles of 64 x 64 similarities. The first gives each anchor's sums. In the second a tile holds the
 * weights with which rows i and j pull on each other, as anchor and candidate in both directions at once, so that the
 * symmetric half is never computed: 3·count²·dim multiply-adds' worth of flops against 6 of the plain formula (5 above
 * 2,000 views, where similarities are computed anew). Memory: about 3 copies of the rows and at most 17 MB.
 *
 * @throws NM_SHAPE_MISMATCH for an odd count, ids or a range that do not fit; NM_NOT_UNIT_LENGTH; NM_NO_NEGATIVES
 */
export function contrastBatch(kernels: TrainingKernels, input: ContrastBatchInput): ContrastSums {
  const { rows, count, dim, instanceIds, objective, gradient } = input;
  const [from, to] = input.anchors ?? [0, count];
  check(input, from, to);
  const result: ContrastSums = { loss: 0, positiveSimilarity: 0, hardestSimilarity: 0, floored: 0 };
  if (from === to) return result;

  const { exports, heap } = kernels;
  const padded = Math.ceil(count / 8) * 8;
  const slices = Math.ceil(dim / 8);
  const first = Math.floor(from / 8) * 8;
  const end = Math.ceil(to / 8) * 8;
  const stride = 4 * (padded + 16);
  const kept = (end - first) * stride <= KEPT_BYTES;
  const { at, release } = takeWorkspace<Blocks>(heap, {
    panels: 4 * padded * dim,
    slices: 32 * padded * slices,
    sums: 32 * padded * slices,
    similarities: (kept ? end - first : BLOCK) * stride,
    table: 4 * padded * ANCHOR_FIELDS,
    rowSums: 32 * TILE,
    ring: 8 * TILE + exports.ringScratch(padded),
    ids: 4 * padded,
  });
  try {
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
      kernel: kernelObjective(objective),
      at,
      from,
      to,
      first,
      end,
      padded,
      slices,
      stride,
      kept,
      negatives,
      sharedIds,
    };
    evaluateRange(batch, result);
    addGradients(batch);
    exports.addSlices(at.sums, count, dim, padded, gradient);
  } finally {
    release();
  }
  return result;
}

function check(input: ContrastBatchInput, from: number, to: number): void {
  const { count, dim, instanceIds, losses } = input;
  requireInteger('count', count, 0);
  requireInteger('dim', dim, 1);
  if (count % 2 !== 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `count: found ${count}, allowed: an even number, two views an item`);
  }
  requireIds('instanceIds', instanceIds, count / 2);
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

function mask(batch: Batch, tile: number, firstRow: number, rows: number, firstColumn: number, columns: number): void {
  const { kernels, at, stride, sharedIds, input } = batch;
  if (sharedIds) {
    const present = Math.min(columns, input.count - firstColumn);
    const [rowIds, columnIds] = [at.ids + 4 * firstRow, at.ids + 4 * firstColumn];
    kernels.exports.maskEqual(tile, stride, rows, columns, rowIds, columnIds, present);
  } else {
    kernels.exports.maskViews(tile, stride, firstRow, rows, firstColumn, columns, input.count / 2);
  }
}

/** First pass: similarities by rows, and from them each anchor's loss and its entries of the table. */
function evaluateRange(batch: Batch, result: ContrastSums): void {
  const { at, kept, first, end, from, to, padded, stride, input, kernels, kernel } = batch;
  const half = input.count / 2;
  const size = kept ? TILE : BLOCK;
  const positives = new Float64Array(size);
  for (let start = first; start < end; start += size) {
    const rows = Math.min(size, end - start);
    const block = at.similarities + (kept ? (start - first) * stride : 0);
    if (kept) keepSimilarities(batch, start, rows);
    else similarities(batch, start, rows, 0, padded, block);

    const view = new Float32Array(kernels.heap.memory.buffer, block, (rows * stride) / 4);
    for (let r = 0; r < rows; r++) {
      const anchor = start + r;
      if (anchor < from || anchor >= to) continue;
      requireUnitLength('rows', anchor, view[(r * stride) / 4 + anchor]!);
      positives[r] = view[(r * stride) / 4 + (anchor < half ? anchor + half : anchor - half)]!;
    }
    mask(batch, block, start, rows, 0, padded);
    evaluateAnchors(
      kernels,
      kernel,
      {
        similarities: block,
        stride,
        columns: padded,
        first: start,
        rows,
        table: at.table,
        fieldStride: 4 * padded,
        sums: at.rowSums,
        ringScratch: at.ring,
      },
      from,
      to,
      (anchor) => positives[anchor - start]!,
      batch.negatives,
      input.count,
      result,
      input.losses,
    );
  }
}

function similarities(
  batch: Batch,
  firstRow: number,
  rows: number,
  firstColumn: number,
  columns: number,
  out: number,
): void {
  const { at, input, stride, kernels } = batch;
  const a = at.panels + 4 * firstRow * input.dim;
  const b = at.panels + 4 * firstColumn * input.dim;
  kernels.exports.similarityTile(a, rows, b, columns, input.dim, out, stride);
}

/** Rows of similarities whose part left of the diagonal earlier rows have left there, transposed. */
function keepSimilarities(batch: Batch, start: number, rows: number): void {
  const { at, first, end, padded, stride, kernels } = batch;
  const block = at.similarities + (start - first) * stride;
  similarities(batch, start, rows, 0, first, block);
  similarities(batch, start, rows, start, padded - start, block + 4 * start);
  for (let column = start + rows; column < end; column += TILE) {
    const columns = Math.min(TILE, end - column);
    const mirror = at.similarities + (column - first) * stride + 4 * start;
    kernels.exports.transposeTile(block + 4 * column, stride, rows, columns, mirror, stride);
  }
}

/** Second pass: similarities of a tile become its pairs' weights, which carry rows into the sums of other rows. */
function addGradients(batch: Batch): void {
  const { first, end, padded } = batch;
  for (let row = first; row < end; row += TILE) {
    const rows = Math.min(TILE, end - row);
    for (let column = 0; column < first; column += TILE) {
      addTile(batch, row, rows, column, Math.min(TILE, first - column), false);
    }
    for (let column = row; column < end; column += TILE) {
      addTile(batch, row, rows, column, Math.min(TILE, end - column), true);
    }
    for (let column = end; column < padded; column += TILE) {
      addTile(batch, row, rows, column, Math.min(TILE, padded - column), false);
    }
  }
}

/** `mirrored`: the columns are anchors of this range too, and this tile stands for its mirror image as well. */
function addTile(batch: Batch, row: number, rows: number, column: number, columns: number, mirrored: boolean): void {
  const { at, kept, first, padded, slices, input, kernels, kernel } = batch;
  const { exports } = kernels;
  const stride = batch.stride;
  const tile = at.similarities + (kept ? (row - first) * stride + 4 * column : 0);
  if (!kept) {
    similarities(batch, row, rows, column, columns, tile);
    mask(batch, tile, row, rows, column, columns);
  }
  exports.pairWeights(
    tile,
    stride,
    row,
    rows,
    column,
    columns,
    kernel.exponent,
    kernel.objective.beta,
    kernel.fixedShift,
    kernel.ring,
    kernel.neighbours,
    mirrored ? 1 : 0,
    at.table + 4 * row,
    at.table + 4 * column,
    4 * padded,
  );
  const positiveScales = at.table + ANCHOR_FIELD.positiveScale * 4 * padded;
  const half = input.count / 2;
  exports.addPositivePairs(tile, stride, row, rows, column, columns, half, mirrored ? 1 : 0, positiveScales);
  const slice = 32 * padded;
  const [rowOffset, columnOffset] = [32 * row, 32 * column];
  exports.addWeightedRows(
    tile,
    stride,
    rows,
    columns,
    at.slices + columnOffset,
    slice,
    at.sums + rowOffset,
    slice,
    slices,
  );
  // A tile on the diagonal is its own mirror image.
  if (mirrored && row === column) return;
  exports.addWeightedColumns(
    tile,
    stride,
    columns,
    rows,
    at.slices + rowOffset,
    slice,
    at.sums + columnOffset,
    slice,
    slices,
  );
}
