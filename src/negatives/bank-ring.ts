import { NearmissError } from '../errors.js';
import { floats } from '../kernels/index.js';
import { ANCHOR_FIELD } from '../kernels/pair-weights.js';
import { selectRings } from './anchors.js';
import { type Ahead, anchorRows, type BankRun, listOf, noNegatives } from './bank-run.js';
import { drawFromRing } from './draws.js';

/** Packs the anchors and the whole bank for their similarities. */
export function packBank({ kernels: { exports, heap }, input, at, rows, columns }: BankRun): void {
  const { bank, count, dim, instanceIds, queries } = input;
  exports.packPanels(queries, count, dim, at.anchors);
  exports.packPanels(bank.rows, bank.filled, dim, at.panels);
  if (!instanceIds) return;
  const ids = new Int32Array(heap.memory.buffer, at.ids, rows + columns);
  ids.set(instanceIds);
  ids.set(bank.instanceIds.subarray(0, bank.filled), rows);
}

/** Finds the rings of a block of anchors in the whole bank, draws from them, and sums over what is ahead of them. */
export function drawBlockFromRing(
  run: BankRun,
  first: number,
  size: number,
  counts: Int32Array,
  pools: Int32Array,
  ahead: Ahead,
): void {
  const { kernels, input, at, rows, columns, stride } = run;
  const { exports, heap } = kernels;
  const { bank, count, dim, instanceIds, objective, draws } = input;
  const { buffer } = heap.memory;
  const tile = at.similarities;
  exports.similarityTile(at.anchors + 4 * first * dim, size, at.panels, columns, dim, tile, stride);
  if (instanceIds) {
    exports.maskEqual(tile, stride, size, columns, at.ids + 4 * first, at.ids + 4 * rows, bank.filled);
  } else {
    exports.maskPadding(tile, stride, size, bank.filled, columns);
  }
  const anchors = anchorRows(run, first, size);
  const similarities = { address: tile, stride, firstColumn: 0, columns, allColumns: columns };
  selectRings(kernels, run.kernel, anchors, similarities, at.ring);
  const ranks = new Int32Array(buffer, at.ranks, 2 * size);
  const { select, temperature } = objective;
  const neighbours = select.kind === 'ring' && select.neighbourViews;
  for (let r = 0; r < Math.min(size, count - first); r++) {
    const anchor = first + r;
    const [start, members] = [ranks[r]!, ranks[size + r]!];
    if (members === 0) {
      const candidates = bank.filled - run.masked(anchor);
      const found = select.kind === 'ring' ? `the ring [${select.inner}, ${select.outer})` : 'the objective';
      throw noNegatives(anchor, `${found} selects none of ${candidates} candidates`);
    }
    const bounds = at.table + 4 * anchor + ANCHOR_FIELD.firstIn * 4 * rows;
    exports.listRing(tile + r * stride, columns, bounds, 4 * rows, at.ahead + r * stride, at.members);
    const row = floats(heap, tile + r * stride, columns);
    const list = listOf(run, anchor);
    if (draws.kind === 'rows') {
      throw new NearmissError('NM_OPTION_INVALID', 'draws.kind: found rows with a ring, allowed: random, ranks');
    }
    drawFromRing(draws, anchor, new Int32Array(buffer, at.members, members), row, list);
    counts[anchor] = list.length;
    pools[anchor] = members;
    if (!neighbours) continue;
    const closest = new Int32Array(buffer, at.ahead + r * stride, start);
    let top = -Infinity;
    for (const j of closest) top = Math.max(top, row[j]!);
    let sum = 0;
    const weights = floats(heap, at.aheadWeights + r * stride, start);
    closest.forEach((j, e) => {
      weights[e] = Math.exp((row[j]! - top) / temperature);
      sum += weights[e]!;
    });
    ahead.starts[anchor] = start;
    ahead.firsts[anchor] = start > 0 ? top : 0;
    ahead.sums[anchor] = sum;
  }
}

/** Adds the pull of the candidates ahead of the ring, where they are positives. */
export function addAhead(run: BankRun, first: number, size: number, ahead: Ahead): void {
  const { kernels, input, at, stride, rows } = run;
  const scales = floats(kernels.heap, at.table + 4 * rows * ANCHOR_FIELD.neighbourScale, rows);
  for (let r = 0; r < Math.min(size, input.count - first); r++) {
    const anchor = first + r;
    const start = ahead.starts[anchor]!;
    if (start === 0) continue;
    const [list, address] = [at.ahead + r * stride, at.aheadWeights + r * stride];
    const weights = floats(kernels.heap, address, start);
    for (let e = 0; e < start; e++) weights[e] = weights[e]! * scales[anchor]!;
    const to = input.gradient + 4 * anchor * input.dim;
    kernels.exports.addGatheredRows(address, stride, list, stride, 1, start, input.bank.rows, input.dim, to);
  }
}
