import { ANCHOR_FIELD } from '../kernels/contrast.js';
import { type Batch, maskTile, similarityTile, TILE, TILE_STRIDE } from './batch.js';

/** Second pass: similarities of a tile become its pairs' weights, which carry rows into the sums of other rows. */
export function addGradients(batch: Batch): void {
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
  const { at, layout, first, padded, slices, input, kernels, kernel } = batch;
  const { exports } = kernels;
  const kept = layout === 'kept';
  const stride = kept ? batch.stride : TILE_STRIDE;
  const tile = at.similarities + (kept ? (row - first) * stride + 4 * column : 0);
  if (!kept) {
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
