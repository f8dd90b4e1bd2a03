import { NearmissError } from '../errors.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { SUM_FIELD, SUM_FIELDS } from '../kernels/negative-sums.js';
import { ANCHOR_FIELD, ANCHOR_FIELDS } from '../kernels/pair-weights.js';
import {
  type AnchorFacts,
  type ContrastSums,
  kernelObjective,
  RANK_BYTES,
  RECORD_BYTES,
  solveAnchors,
  sumNegatives,
} from './anchors.js';
import { addAhead, drawBlockFromRing, packBank } from './bank-ring.js';
import {
  type Ahead,
  anchorRows,
  type BankBlock,
  type BankRun,
  type ContrastBankInput,
  listOf,
  noNegatives,
} from './bank-run.js';
import { drawFromBank, drawsPerAnchor, NO_ROW, requireIndex } from './draws.js';
import { requireIds, requireInteger, requireUnitRows } from './guards.js';
import { solveNce } from './nce.js';
import { startSynthesis, syntheticColumns } from './synthesis.js';
import type { Synthesis, SynthesisRows } from './synthesis-rows.js';
import { takeWorkspace } from './workspace.js';

export interface ContrastBankSums extends ContrastSums {
  /** NCE only: the estimate of Z from these anchors, n · mean of e^(s/τ) over positives and draws. */
  readonly normaliser?: number;
}

/** Similarities in memory at once. */
const BLOCK_BYTES = 4 * 2 ** 20;
const MOST_ROWS = 64;

/**
 * Loss and gradient over a bank of one row an item (Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric
 * Instance Discrimination"): an anchor's positive is its item's row, its negatives are rows drawn for it, from all rows
 * or from the ring of Wu et al. 2021. Bank rows are constants. With one bank a view, and each view's anchors against
 * the other view's bank, this is Tian et al. 2019, "Contrastive Multiview Coding".
 *
 * Returns sums over the anchors; the gradient that is added is that of the mean, (1/count) Σ loss. Without a ring the
 * cost is that of the drawn rows, with one that of a product with the whole bank and a copy of it.
 *
 * @throws NM_SHAPE_MISMATCH, NM_NOT_UNIT_LENGTH (queries), NM_NO_NEGATIVES, NM_OPTION_INVALID (draws that do not fit)
 */
export function contrastBank(kernels: TrainingKernels, input: ContrastBankInput): ContrastBankSums {
  const { count, dim, bank, own, instanceIds, objective } = input;
  check(input);
  const result: ContrastSums = { loss: 0, positiveSimilarity: 0, hardestSimilarity: 0, correct: 0, floored: 0 };
  if (count === 0) return result;
  const draws = drawsPerAnchor(input.draws, count, objective.draws);
  const { exports, heap } = kernels;
  const ring = objective.select.kind === 'ring';
  const drawColumns = Math.ceil(draws / 4) * 4;
  const drawStride = 4 * (drawColumns + syntheticColumns(objective));
  const columns = Math.ceil(bank.filled / 8) * 8;
  const stride = 4 * (columns + 16);
  const rows = Math.ceil(count / 8) * 8;
  const block = Math.min(rows, MOST_ROWS, Math.max(8, Math.floor(BLOCK_BYTES / (ring ? stride : drawStride) / 8) * 8));
  const whole = (bytes: number): number => (ring ? bytes : 0);
  const { at, release } = takeWorkspace<BankBlock>(heap, {
    own: 4 * count,
    lists: 4 * rows * draws,
    drawn: rows * drawStride,
    positives: 4 * rows,
    table: 4 * rows * ANCHOR_FIELDS,
    records: RECORD_BYTES * rows,
    ranks: RANK_BYTES * block,
    anchors: whole(4 * rows * dim),
    panels: whole(4 * columns * dim),
    similarities: whole(block * stride),
    ring: whole(exports.ringScratch(columns)),
    ids: whole(4 * (rows + columns)),
    members: whole(stride),
    ahead: whole(block * stride),
    aheadWeights: whole(block * stride),
  });
  let synthesis: Synthesis | undefined;
  try {
    synthesis = startSynthesis(kernels, objective, input, { count, dim, rows: block });
    new Int32Array(heap.memory.buffer, at.own, count).set(own);
    exports.rowDots(input.queries, input.queries, count, dim, at.positives);
    requireUnitRows('queries', floats(heap, at.positives, count));
    exports.gatherDots(input.queries, count, dim, bank.rows, at.own, 4, 1, 1, at.positives, 4);
    const run: BankRun = {
      kernels,
      input,
      at,
      draws,
      drawColumns,
      drawStride,
      columns,
      stride,
      rows,
      synthesis,
      // Drawn rows are all selected; the ring has done its work before.
      kernel: { ...kernelObjective(objective), ring: 0, neighbours: 0 },
      masked: countOwn(bank, instanceIds),
    };
    const counts = new Int32Array(count);
    const pools = new Int32Array(count);
    const ahead: Ahead = {
      firsts: new Float64Array(count),
      sums: new Float64Array(count),
      starts: new Int32Array(count),
    };
    if (ring) packBank(run);
    for (let first = 0; first < rows; first += block) {
      const size = Math.min(block, rows - first);
      if (ring) drawBlockFromRing(run, first, size, counts, pools, ahead);
      else drawBlock(run, first, size, counts, pools);
      exports.gatherDots(
        input.queries + 4 * first * dim,
        Math.min(size, count - first),
        dim,
        bank.rows,
        at.lists + 4 * first * draws,
        4 * draws,
        draws,
        drawColumns,
        at.drawn + first * drawStride,
        drawStride,
      );
      if (objective.loss === 'nce') continue;
      solveBlock(run, first, size, counts, ahead, result);
      if (ring) addAhead(run, first, size, ahead);
    }
    const estimate = objective.loss === 'nce' ? solveByNce(run, pools, result) : undefined;
    exports.addGatheredRows(at.drawn, drawStride, at.lists, 4 * draws, count, draws, bank.rows, dim, input.gradient);
    const scales = at.table + ANCHOR_FIELD.positiveScale * 4 * rows;
    exports.addGatheredRows(scales, 4, at.own, 4, count, 1, bank.rows, dim, input.gradient);
    return estimate === undefined ? result : { ...result, normaliser: estimate };
  } finally {
    synthesis?.release();
    release();
  }
}

function check({ count, dim, bank, own, instanceIds, normaliser, losses }: ContrastBankInput): void {
  requireInteger('count', count, 0);
  requireInteger('dim', dim, 1);
  requireIds('own', own, count);
  requireIds('instanceIds', instanceIds, count);
  if (bank.dim !== dim) throw new NearmissError('NM_SHAPE_MISMATCH', `bank: found dim ${bank.dim}, allowed: ${dim}`);
  for (const row of own) requireIndex('own', row, bank.filled);
  if (normaliser !== undefined && !(normaliser > 0 && Number.isFinite(normaliser))) {
    throw new NearmissError('NM_OPTION_INVALID', `normaliser: found ${normaliser}, allowed: a finite number above 0`);
  }
  if (losses && losses.length < count) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `losses: found ${losses.length} places, allowed: ${count} or more`);
  }
}

function countOwn(bank: ContrastBankInput['bank'], ids: Int32Array | undefined): (anchor: number) => number {
  if (!ids) return () => 0;
  const copies = new Map<number, number>();
  for (let row = 0; row < bank.filled; row++) {
    const id = bank.instanceIds[row]!;
    copies.set(id, (copies.get(id) ?? 0) + 1);
  }
  return (anchor) => copies.get(ids[anchor]!) ?? 0;
}

function countEntries(list: Int32Array): number {
  let entries = 0;
  for (const row of list) if (row !== NO_ROW) entries++;
  return entries;
}

/** Draws from all rows. */
function drawBlock(run: BankRun, first: number, size: number, counts: Int32Array, pools: Int32Array): void {
  const { bank, instanceIds, count } = run.input;
  for (let anchor = first; anchor < Math.min(count, first + size); anchor++) {
    pools[anchor] = bank.filled - run.masked(anchor);
    if (pools[anchor] === 0) throw noNegatives(anchor, 'the bank has no row of another item');
    const id = instanceIds?.[anchor];
    const list = listOf(run, anchor);
    drawFromBank(run.input.draws, anchor, bank.filled, (row) => id !== undefined && bank.instanceIds[row] === id, list);
    counts[anchor] = countEntries(list);
  }
}

/** Losses of a block by softmax; the similarities to its draws become their weights. */
function solveBlock(
  run: BankRun,
  first: number,
  size: number,
  counts: Int32Array,
  ahead: Ahead,
  into: ContrastSums,
): void {
  const { kernels, input, at, drawStride, kernel, rows } = run;
  const { heap, exports } = kernels;
  const address = at.drawn + first * drawStride;
  const columns = drawStride / 4;
  const positives = floats(heap, at.positives, input.count);
  const anchors = anchorRows(run, first, size);
  // Rows that only fill the block up have no similarities.
  const present = Math.min(size, input.count - first);
  floats(heap, address + present * drawStride, (size - present) * columns).fill(-Infinity);
  const similarities = { address, stride: drawStride, firstColumn: 0, columns, allColumns: columns };
  const { queries, gradient, dim, bank } = input;
  const more: SynthesisRows = {
    first,
    present,
    rows: size,
    anchors: queries + 4 * first * dim,
    gradient: gradient + 4 * first * dim,
    similarities: address,
    stride: drawStride,
    columns: run.drawColumns,
    candidates: bank.rows,
    lists: at.lists + 4 * first * run.draws,
    listStride: 4 * run.draws,
    total: run.draws,
    negatives: (anchor) => counts[anchor]!,
  };
  run.synthesis?.fill(more);
  sumNegatives(kernels, kernel, anchors, similarities);
  const records = new Float64Array(heap.memory.buffer, anchors.records, SUM_FIELDS * size);
  const shifts = floats(heap, at.table + 4 * rows * ANCHOR_FIELD.neighbourShift, rows);
  for (let r = 0; r < present; r++) {
    records[SUM_FIELDS * r + SUM_FIELD.sumAhead] = ahead.sums[first + r]!;
    shifts[first + r] = ahead.firsts[first + r]!;
  }
  const facts: AnchorFacts = {
    from: 0,
    to: input.count,
    positive: (anchor) => positives[anchor]!,
    negatives: (anchor) => counts[anchor]! + (run.synthesis?.count(counts[anchor]!) ?? 0),
    total: input.count,
    losses: input.losses,
  };
  solveAnchors(kernels, kernel, anchors, facts, into);
  const table = at.table + 4 * first;
  const { exponent, objective, fixedShift } = kernel;
  exports.pairWeights(
    address,
    drawStride,
    first,
    size,
    0,
    columns,
    exponent,
    objective.beta,
    fixedShift,
    0,
    0,
    0,
    table,
    table,
    4 * rows,
  );
  run.synthesis?.addGradients(more);
}

/** Losses of all anchors by NCE, and what Z these similarities would give. */
function solveByNce(run: BankRun, pools: Int32Array, into: ContrastSums): number {
  const { kernels, input, at, draws, drawStride, rows } = run;
  const { heap } = kernels;
  const { count, objective, bank } = input;
  const { temperature } = objective;
  const positives = floats(heap, at.positives, count);
  const row = (anchor: number): Float32Array => floats(heap, at.drawn + anchor * drawStride, draws);
  let [sum, terms] = [0, 0];
  for (let i = 0; i < count; i++) {
    sum += Math.exp(positives[i]! / temperature);
    for (const s of row(i)) {
      if (s === -Infinity) continue;
      sum += Math.exp(s / temperature);
      terms++;
    }
  }
  const estimate = (bank.filled * sum) / (terms + count);
  solveNce(
    {
      count,
      positive: (anchor) => positives[anchor]!,
      row,
      pool: (anchor) => pools[anchor]!,
      temperature,
      normaliser: input.normaliser ?? estimate,
      total: count,
      positiveScales: floats(heap, at.table + 4 * rows * ANCHOR_FIELD.positiveScale, count),
      losses: input.losses,
      first: 0,
    },
    into,
  );
  return estimate;
}
