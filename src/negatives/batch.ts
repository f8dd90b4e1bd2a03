import type { TrainingKernels } from '../kernels/index.js';
import type { KernelObjective, PositiveSets } from './anchors.js';
import type { ResolvedObjective } from './objective.js';
import type { SynthesisInput } from './synthesis.js';
import type { Synthesis } from './synthesis-rows.js';
import type { Workspace } from './workspace.js';

export interface ContrastBatchInput extends SynthesisInput {
  /** Address of float32 [count, dim]: unit-length embeddings, rows i and i + count/2 the two views of one item. */
  readonly rows: number;
  /** Views: twice the number of items. */
  readonly count: number;
  readonly dim: number;
  /** Id of each item [count/2]; items of equal ids are never negatives of each other. Default: all differ. */
  readonly instanceIds?: Int32Array | undefined;
  /** Label of each item [count/2]; needed where the objective's positives are labels, and then masks as ids do. */
  readonly labels?: Int32Array | undefined;
  /** Rows [from, to) that are anchors in this call; default all. All rows are candidates in any case. */
  readonly anchors?: readonly [from: number, to: number] | undefined;
  readonly objective: ResolvedObjective;
  /** Address of float32 [count, dim], to which the gradient is added. */
  readonly gradient: number;
  /** Receives each anchor's loss at its row. */
  readonly losses?: Float64Array | undefined;
}

/** Rows and columns of a tile: tile, panels and slices fit into a second-level cache together. */
export const TILE = 64;
/** Bytes between rows of a tile that stands by itself, and of all of it. */
export const TILE_STRIDE: number = 4 * TILE;
export const TILE_BYTES: number = TILE * TILE_STRIDE;

export type BatchBlock =
  | 'panels'
  | 'slices'
  | 'sums'
  | 'similarities'
  | 'mirror'
  | 'table'
  | 'records'
  | 'ranks'
  | 'ring'
  | 'ids';

/** The first pass sums over tiles where the objective allows it; otherwise it needs `rows` of similarities whole. */
export type BatchLayout = 'rows' | 'tiles';

/**
 * A tile's place among all pairs. Its rows are anchors of the range. On the `diagonal` its columns are the same ones;
 * `mirrored` they are other anchors of the range, and the tile stands for its mirror image too; `foreign` they are not.
 */
export interface Tile {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
  readonly kind: 'diagonal' | 'mirrored' | 'foreign';
}

/**
 * The tiles of anchors [first, end), multiples of 8, against all rows. For each anchor its columns ascend, whether it
 * is a tile's row or, mirrored, its column: sums over tiles add as sums over a whole row do.
 */
export function listTiles(first: number, end: number, padded: number): Tile[] {
  const tiles: Tile[] = [];
  const add = (row: number, from: number, to: number, kind: Tile['kind']): void => {
    const rows = Math.min(TILE, end - row);
    for (let column = from; column < to; column += TILE) {
      tiles.push({ row, rows, column, columns: Math.min(TILE, to - column), kind });
    }
  };
  for (let row = first; row < end; row += TILE) add(row, 0, first, 'foreign');
  for (let row = first; row < end; row += TILE) {
    const next = Math.min(end, row + TILE);
    add(row, row, next, 'diagonal');
    add(row, next, end, 'mirrored');
    add(row, end, padded, 'foreign');
  }
  return tiles;
}

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
  /** Similarities stay from the first pass to the second; otherwise the second computes its tiles anew. */
  readonly kept: boolean;
  readonly tiles: readonly Tile[];
  /** Synthetic negatives, and the columns of whole rows with theirs. */
  readonly synthesis: Synthesis | undefined;
  readonly allColumns: number;
  /** Unmasked candidates of an anchor, those of the batch. */
  readonly negatives: (anchor: number) => number;
  /** Some items share an id. */
  readonly sharedIds: boolean;
  /** Positives where they are more than the other view. */
  readonly sets: PositiveSets | undefined;
}

/** Where a tile's similarities are or go, and the bytes between its rows. */
export function tilePlace(batch: Batch, index: number): { address: number; stride: number } {
  const { at, kept, layout, first, stride, tiles } = batch;
  if (!kept) return { address: at.similarities, stride: TILE_STRIDE };
  if (layout === 'tiles') return { address: at.similarities + index * TILE_BYTES, stride: TILE_STRIDE };
  const { row, column } = tiles[index]!;
  return { address: at.similarities + (row - first) * stride + 4 * column, stride };
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
