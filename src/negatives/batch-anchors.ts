import {
  type AnchorFacts,
  type AnchorRows,
  type ContrastSums,
  RANK_BYTES,
  RECORD_BYTES,
  selectRings,
  solveAnchors,
  sumNegatives,
} from './anchors.js';
import { type Batch, maskTile, similarityTile, TILE, TILE_STRIDE, tilePlace } from './batch.js';
import { requireUnitLength } from './guards.js';
import type { SynthesisRows } from './synthesis-rows.js';

/** Anchors whose whole rows of similarities are in memory at once when they are not kept. */
export const BLOCK = 32;

/** First pass: each anchor's sums over its negatives, and from them its loss and its entries of the table. */
export function evaluateRange(batch: Batch, into: ContrastSums): void {
  const positives = new Float64Array(batch.padded);
  const { input, from, to, negatives, synthesis } = batch;
  const facts: AnchorFacts = {
    from,
    to,
    positive: (anchor) => positives[anchor]!,
    negatives: (anchor) => negatives(anchor) + (synthesis?.count(negatives(anchor)) ?? 0),
    sets: batch.sets,
    total: input.count,
    losses: input.losses,
  };
  if (batch.layout === 'tiles') evaluateByTiles(batch, positives, facts, into);
  else evaluateByRows(batch, positives, facts, into);
}

function anchorRows(batch: Batch, first: number, rows: number): AnchorRows {
  const { at, padded, layout } = batch;
  // By tiles every anchor keeps its record until its last column.
  const offset = layout === 'tiles' ? first - batch.first : 0;
  return {
    first,
    rows,
    table: at.table,
    fieldStride: 4 * padded,
    records: at.records + RECORD_BYTES * offset,
    ranks: at.ranks + RANK_BYTES * offset,
  };
}

/** Whole rows: kept for the second pass, or a block at a time. */
function evaluateByRows(batch: Batch, positives: Float64Array, facts: AnchorFacts, into: ContrastSums): void {
  const { at, kept, first, end, padded, stride, kernels, kernel, allColumns } = batch;
  const size = kept ? TILE : BLOCK;
  for (let start = first; start < end; start += size) {
    const rows = Math.min(size, end - start);
    const block = at.similarities + (kept ? (start - first) * stride : 0);
    if (kept) keepSimilarities(batch, start, rows);
    else similarityTile(batch, start, rows, 0, padded, block, stride);
    readPairs(batch, positives, block, stride, start, rows, 0, padded);
    maskTile(batch, block, stride, start, rows, 0, padded);
    const anchors = anchorRows(batch, start, rows);
    const similarities = { address: block, stride, firstColumn: 0, columns: allColumns, allColumns };
    const more = synthesisRows(batch, block, start, rows);
    batch.synthesis?.fill(more);
    selectRings(kernels, kernel, anchors, similarities, at.ring);
    sumNegatives(kernels, kernel, anchors, similarities);
    solveAnchors(kernels, kernel, anchors, facts, into);
    if (batch.synthesis) addSynthetic(batch, more);
  }
}

function synthesisRows(
  { input, stride, padded, negatives }: Batch,
  block: number,
  first: number,
  rows: number,
): SynthesisRows {
  const { count, dim } = input;
  return {
    first,
    present: Math.min(rows, count - first),
    rows,
    anchors: input.rows + 4 * first * dim,
    gradient: input.gradient + 4 * first * dim,
    similarities: block,
    stride,
    columns: padded,
    candidates: input.rows,
    lists: 0,
    listStride: 0,
    total: count - 2,
    negatives,
  };
}

/** The gradient of the synthetic negatives' columns, which no other anchor shares. */
function addSynthetic(batch: Batch, rows: SynthesisRows): void {
  const { at, padded, allColumns, kernels, kernel, synthesis } = batch;
  const table = at.table + 4 * rows.first;
  kernels.exports.pairWeights(
    rows.similarities + 4 * padded,
    rows.stride,
    rows.first,
    rows.rows,
    padded,
    allColumns - padded,
    kernel.exponent,
    kernel.objective.beta,
    kernel.fixedShift,
    kernel.ring,
    kernel.neighbours,
    0,
    table,
    table,
    4 * padded,
  );
  synthesis?.addGradients(rows);
}

/** Rows of similarities whose part left of the diagonal earlier rows have left there, transposed. */
function keepSimilarities(batch: Batch, start: number, rows: number): void {
  const { at, first, end, padded, stride, kernels } = batch;
  const block = at.similarities + (start - first) * stride;
  similarityTile(batch, start, rows, 0, first, block, stride);
  similarityTile(batch, start, rows, start, padded - start, block + 4 * start, stride);
  for (let column = start + rows; column < end; column += TILE) {
    const columns = Math.min(TILE, end - column);
    const mirror = at.similarities + (column - first) * stride + 4 * start;
    kernels.exports.transposeTile(block + 4 * column, stride, rows, columns, mirror, stride);
  }
}

/** A tile of the range's own rows and columns counts for its rows, and transposed for its columns. */
function evaluateByTiles(batch: Batch, positives: Float64Array, facts: AnchorFacts, into: ContrastSums): void {
  const { at, first, end, padded, kernels, kernel, tiles } = batch;
  for (const [index, { row, rows, column, columns, kind }] of tiles.entries()) {
    const { address, stride } = tilePlace(batch, index);
    similarityTile(batch, row, rows, column, columns, address, stride);
    readPairs(batch, positives, address, stride, row, rows, column, columns);
    maskTile(batch, address, stride, row, rows, column, columns);
    const similarities = { address, stride, firstColumn: column, columns, allColumns: padded };
    sumNegatives(kernels, kernel, anchorRows(batch, row, rows), similarities);
    if (kind !== 'mirrored') continue;
    kernels.exports.transposeTile(address, stride, rows, columns, at.mirror, TILE_STRIDE);
    const mirror = { address: at.mirror, stride: TILE_STRIDE, firstColumn: row, columns: rows, allColumns: padded };
    sumNegatives(kernels, kernel, anchorRows(batch, column, columns), mirror);
  }
  solveAnchors(kernels, kernel, anchorRows(batch, first, end - first), facts, into);
}

/**
 * Takes the positives' similarities out of a tile before it is masked, in both directions, and checks on its diagonal
 * that the rows have unit length.
 */
function readPairs(
  batch: Batch,
  positives: Float64Array,
  tile: number,
  stride: number,
  firstRow: number,
  rows: number,
  firstColumn: number,
  columns: number,
): void {
  const { input, from, to, kernels } = batch;
  const half = input.count / 2;
  const view = new Float32Array(kernels.heap.memory.buffer, tile, (rows * stride) / 4);
  for (let r = 0; r < Math.min(rows, input.count - firstRow); r++) {
    const row = firstRow + r;
    const self = row - firstColumn;
    const line = (r * stride) / 4;
    if (self >= 0 && self < columns && row >= from && row < to) requireUnitLength('rows', row, view[line + self]!);
    const partner = row < half ? row + half : row - half;
    const other = partner - firstColumn;
    if (other >= 0 && other < columns) positives[row] = positives[partner] = view[line + other]!;
  }
}
