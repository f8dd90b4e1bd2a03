import type { TrainingKernels } from '../kernels/index.js';
import type { KernelObjective } from './anchors.js';
import type { ContrastBatchInput } from './contrast-batch.js';
import type { Workspace } from './workspace.js';

/** Rows and columns of a tile: tile, panels and slices fit into a second-level cache together. */
export const TILE = 64;
/** Bytes between rows of a tile that stands by itself. */
export const TILE_STRIDE: number = 4 * (TILE + 16);

export type BatchBlock = 'panels' | 'slices' | 'sums' | 'similarities' | 'table' | 'records' | 'ranks' | 'ring' | 'ids';

/**
 * How similarities are held: `kept` from the first pass to the second; in the first pass in blocks of whole `rows`, or
 * in `tiles` where the objective allows it, and computed anew in the second.
 */
export type BatchLayout = 'kept' | 'rows' | 'tiles';

/** What the two passes over a batch share. */
export interface Batch {
  readonly kernels: TrainingKernels;
  readonly input: ContrastBatchInput;
  readonly kernel: KernelObjective;
  readonly at: Workspace<BatchBlock>['at'];
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
  readonly layout: BatchLayout;
  /** Unmasked candidates of an anchor. */
  readonly negatives: (anchor: number) => number;
  /** Some items share an id. */
  readonly sharedIds: boolean;
}

/** Masks the pairs of a tile that are not negatives of each other. */
export function maskTile(
  batch: Batch,
  tile: number,
  stride: number,
  firstRow: number,
  rows: number,
  firstColumn: number,
  columns: number,
): void {
  const { kernels, at, sharedIds, input } = batch;
  if (sharedIds) {
    const present = Math.min(columns, input.count - firstColumn);
    const [rowIds, columnIds] = [at.ids + 4 * firstRow, at.ids + 4 * firstColumn];
    kernels.exports.maskEqual(tile, stride, rows, columns, rowIds, columnIds, present);
  } else {
    kernels.exports.maskViews(tile, stride, firstRow, rows, firstColumn, columns, input.count / 2);
  }
}

/** Similarities of rows and columns, multiples of 8, `stride` bytes between rows of `out`. */
export function similarityTile(
  batch: Batch,
  firstRow: number,
  rows: number,
  firstColumn: number,
  columns: number,
  out: number,
  stride: number,
): void {
  const { at, input, kernels } = batch;
  const a = at.panels + 4 * firstRow * input.dim;
  const b = at.panels + 4 * firstColumn * input.dim;
  kernels.exports.similarityTile(a, rows, b, columns, input.dim, out, stride);
}
