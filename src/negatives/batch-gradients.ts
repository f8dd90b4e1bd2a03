import { ANCHOR_FIELD } from '../kernels/pair-weights.js';
import { type Batch, maskTile, similarityTile, tilePlace } from './batch.js';

/** Second pass: similarities of a tile become its pairs' weights, which carry rows into the sums of other rows. */
export function addGradients(batch: Batch): void {
  for (let index = 0; index < batch.tiles.length; index++) addTile(batch, index);
}

function addTile(batch: Batch, index: number): void {
  const { at, padded, slices, input, kernels, kernel } = batch;
  const { exports } = kernels;
  const { row, rows, column, columns, kind } = batch.tiles[index]!;
  const { address: tile, stride } = tilePlace(batch, index);
  const mirrored = kind === 'foreign' ? 0 : 1;
  if (!batch.kept) {
    similarityTile(batch, row, rows, column, columns, tile, stride);
    maskTile(batch, tile, stride, row, rows, column, columns);
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
    mirrored,
    at.table + 4 * row,
    at.table + 4 * column,
    4 * padded,
  );
  const positiveScales = at.table + ANCHOR_FIELD.positiveScale * 4 * padded;
  const half = input.count / 2;
  exports.addPositivePairs(tile, stride, row, rows, column, columns, half, mirrored, positiveScales);
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
  if (kind === 'diagonal') return;
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
