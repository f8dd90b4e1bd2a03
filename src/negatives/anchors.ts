import { NearmissError } from '../errors.js';
import { ANCHOR_FIELD } from '../kernels/contrast.js';
import type { TrainingKernels } from '../kernels/index.js';
import { type AnchorLoss, type AnchorSums, anchorLoss } from './anchor-loss.js';
import type { ResolvedObjective } from './objective.js';

/** Sums over the anchors of a range; divide by the number of anchors for means. */
export interface ContrastSums {
  /** Loss. */
  loss: number;
  /** Cosine of anchor and positive. */
  positiveSimilarity: number;
  /** Cosine of the hardest candidate that is not masked, whether the objective selects it or not. */
  hardestSimilarity: number;
  /** Anchors whose debiased negatives met their lower limit and have no gradient. */
  floored: number;
}

/** An objective as the kernels take it. */
export interface KernelObjective {
  readonly objective: ResolvedObjective;
  /** log2(e)/τ. */
  readonly exponent: number;
  /** Exponents are of (s - 1)/τ for all anchors, which is safe where their range is small. */
  readonly fixedShift: 0 | 1;
  readonly ring: 0 | 1;
  readonly neighbours: 0 | 1;
}

/** Largest natural exponent for which a fixed shift keeps every term and every scale a normal float32. */
const FIXED_SHIFT_LIMIT = 60;

export function kernelObjective(objective: ResolvedObjective): KernelObjective {
  const { temperature, beta, select } = objective;
  const ring = select.kind === 'ring';
  return {
    objective,
    exponent: Math.LOG2E / temperature,
    fixedShift: !ring && ((1 + beta) * 2) / temperature <= FIXED_SHIFT_LIMIT ? 1 : 0,
    ring: ring ? 1 : 0,
    neighbours: ring && select.neighbourViews ? 1 : 0,
  };
}

/** Rows of masked similarities whose anchors are to be evaluated. */
export interface AnchorRows {
  /** Address of the first row, bytes between rows, and candidates a row (a multiple of 8). */
  readonly similarities: number;
  readonly stride: number;
  readonly columns: number;
  /** Index of the first row's anchor, and the rows. */
  readonly first: number;
  readonly rows: number;
  /** The anchors' table, addressed from anchor 0. */
  readonly table: number;
  readonly fieldStride: number;
  /** Scratch: 32 bytes a row; 8 bytes a row and `ringScratch(columns)`. */
  readonly sums: number;
  readonly ringScratch: number;
}

/**
 * Evaluates rows of anchors: writes their entries of the table (derivatives divided by `total`) and adds to `into`.
 * `positive(anchor)` is an anchor's similarity to its positive, `negatives(anchor)` its number of unmasked candidates.
 *
 * @throws NM_NO_NEGATIVES where the objective leaves an anchor without a negative that it cannot do without
 */
export function evaluateAnchors(
  kernels: TrainingKernels,
  { objective, exponent, fixedShift, ring, neighbours }: KernelObjective,
  rows: AnchorRows,
  from: number,
  to: number,
  positive: (anchor: number) => number,
  negatives: (anchor: number) => number,
  total: number,
  into: ContrastSums,
  losses?: Float64Array,
): void {
  const { exports, heap } = kernels;
  const { select, beta } = objective;
  const { fieldStride } = rows;
  const table = rows.table + 4 * rows.first;
  const ranks = rows.ringScratch;
  const sizes = ranks + 4 * rows.rows;
  if (select.kind === 'ring') {
    exports.selectRing(
      rows.similarities,
      rows.stride,
      rows.rows,
      rows.columns,
      select.inner,
      select.outer,
      select.innerOfOuter ? 1 : 0,
      table + ANCHOR_FIELD.firstIn * fieldStride,
      fieldStride,
      ranks,
      sizes,
      sizes + 4 * rows.rows,
    );
  }
  exports.sumNegatives(
    rows.similarities,
    rows.stride,
    rows.rows,
    rows.columns,
    exponent,
    beta,
    fixedShift,
    ring,
    neighbours,
    table,
    fieldStride,
    rows.sums,
  );

  const { buffer } = heap.memory;
  const field = (index: number): Float32Array => new Float32Array(buffer, table + index * fieldStride, rows.rows);
  const shift = field(ANCHOR_FIELD.shift);
  const scaleWX = field(ANCHOR_FIELD.scaleWX);
  const scaleW = field(ANCHOR_FIELD.scaleW);
  const neighbourShift = field(ANCHOR_FIELD.neighbourShift);
  const neighbourScale = field(ANCHOR_FIELD.neighbourScale);
  const positiveScale = field(ANCHOR_FIELD.positiveScale);
  const found = new Float64Array(buffer, rows.sums, 4 * rows.rows);
  const selected = new Int32Array(buffer, sizes, rows.rows);
  const sums: AnchorSums = {
    positive: 0,
    count: 0,
    shift: 0,
    sumWX: 0,
    sumW: 0,
    sumAhead: 0,
    neighbourShift: 0,
  };
  const result: AnchorLoss = {
    loss: 0,
    scaleWX: 0,
    scaleW: 0,
    neighbourScale: 0,
    positiveScale: 0,
    floored: false,
  };
  for (let r = 0; r < rows.rows; r++) {
    const anchor = rows.first + r;
    if (anchor < from || anchor >= to) {
      // A row that only fills a tile up: it must not pull, and exponents relative to 1 stay finite.
      shift[r] = neighbourShift[r] = 1;
      scaleWX[r] = scaleW[r] = neighbourScale[r] = positiveScale[r] = 0;
      continue;
    }
    sums.positive = positive(anchor);
    sums.count = ring ? selected[r]! : negatives(anchor);
    if (sums.count === 0 && (ring || !objective.positiveInPartition)) {
      const what = select.kind === 'ring' ? `the ring [${select.inner}, ${select.outer})` : 'the objective';
      throw new NearmissError(
        'NM_NO_NEGATIVES',
        `anchor ${anchor}: ${what} selects none of ${negatives(anchor)} candidates, allowed: at least one`,
      );
    }
    sums.shift = shift[r]!;
    sums.sumWX = found[4 * r]!;
    sums.sumW = found[4 * r + 1]!;
    sums.sumAhead = found[4 * r + 2]!;
    sums.neighbourShift = neighbourShift[r]!;
    anchorLoss(sums, objective, result);
    scaleWX[r] = result.scaleWX / total;
    scaleW[r] = result.scaleW / total;
    neighbourScale[r] = result.neighbourScale / total;
    positiveScale[r] = result.positiveScale / total;
    into.loss += result.loss;
    into.positiveSimilarity += sums.positive;
    // Without any candidate there is no hardest one.
    if (found[4 * r + 3]! > -Infinity) into.hardestSimilarity += found[4 * r + 3]!;
    if (result.floored) into.floored++;
    if (losses) losses[anchor] = result.loss;
  }
}
