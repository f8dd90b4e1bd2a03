import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import { SUM_FIELD, SUM_FIELDS } from '../kernels/negative-sums.js';
import { ANCHOR_FIELD } from '../kernels/pair-weights.js';
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
  /** Anchors whose positive is closer than that. */
  correct: number;
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

/** Anchors in consecutive rows, and where their numbers are. */
export interface AnchorRows {
  /** Index of the first row's anchor, and the rows. */
  readonly first: number;
  readonly rows: number;
  /** The anchors' table, addressed from anchor 0, and the bytes between its fields. */
  readonly table: number;
  readonly fieldStride: number;
  /** Records of these rows' sums (64 bytes each). */
  readonly records: number;
  /** Ring ranks and sizes (int32, 4 bytes a row each, one after the other). */
  readonly ranks: number;
}

/** Bytes of `AnchorRows.records` and of the `ranks` of `rows` anchors. */
export const RECORD_BYTES: number = 8 * SUM_FIELDS;
export const RANK_BYTES = 8;

/** Masked similarities of some columns of `AnchorRows`. */
export interface SimilarityRows {
  readonly address: number;
  /** Bytes between rows. */
  readonly stride: number;
  readonly firstColumn: number;
  readonly columns: number;
  /** Columns of whole rows, padding included. */
  readonly allColumns: number;
}

/** Selects rings in whole rows of similarities; `scratch` holds `ringScratch(columns)` bytes. */
export function selectRings(
  kernels: TrainingKernels,
  { objective: { select } }: KernelObjective,
  anchors: AnchorRows,
  similarities: SimilarityRows,
  scratch: number,
): void {
  if (select.kind !== 'ring') return;
  const { first, rows, table, fieldStride, ranks } = anchors;
  kernels.exports.selectRing(
    similarities.address,
    similarities.stride,
    rows,
    similarities.columns,
    select.inner,
    select.outer,
    select.innerOfOuter ? 1 : 0,
    table + 4 * first + ANCHOR_FIELD.firstIn * fieldStride,
    fieldStride,
    ranks,
    ranks + 4 * rows,
    scratch,
  );
}

/** Adds columns to the anchors' sums; without a fixed shift, or with a ring, rows must come whole. */
export function sumNegatives(
  kernels: TrainingKernels,
  { objective, exponent, fixedShift, ring, neighbours }: KernelObjective,
  anchors: AnchorRows,
  similarities: SimilarityRows,
): void {
  kernels.exports.sumNegatives(
    similarities.address,
    similarities.stride,
    anchors.rows,
    similarities.firstColumn,
    similarities.columns,
    similarities.allColumns,
    exponent,
    objective.beta,
    fixedShift,
    ring,
    neighbours,
    anchors.table + 4 * anchors.first,
    anchors.fieldStride,
    anchors.records,
  );
}

/** Anchors that have sets of positives. */
export interface PositiveSets {
  /** Positives of an anchor; reads them for the two functions below. */
  read(anchor: number): { readonly count: number; readonly mean: number; readonly logSum: number };
  /** Adds the gradient of the anchor read last, through the pairs with its positives. */
  addGradients(loss: AnchorLoss, total: number): void;
}

/** What `solveAnchors` needs to know beside the sums. */
export interface AnchorFacts {
  /** Rows outside [from, to) only fill a tile up. */
  readonly from: number;
  readonly to: number;
  /** An anchor's similarity to its positive. */
  positive(anchor: number): number;
  /** An anchor's unmasked candidates. */
  negatives(anchor: number): number;
  /** The positives of anchors that have several; the `positive` of such an anchor does not count. */
  readonly sets?: PositiveSets | undefined;
  /** Number that the loss is a mean over: derivatives are divided by it. */
  readonly total: number;
  readonly losses?: Float64Array | undefined;
}

/**
 * Turns complete sums into losses, which are added to `into`, and derivatives, which go to the anchors' table.
 *
 * @throws NM_NO_NEGATIVES where the objective leaves an anchor without a negative that it cannot do without
 */
export function solveAnchors(
  kernels: TrainingKernels,
  { objective, ring }: KernelObjective,
  { first, rows, table, fieldStride, records, ranks }: AnchorRows,
  { from, to, positive, negatives, sets, total, losses }: AnchorFacts,
  into: ContrastSums,
): void {
  const { buffer } = kernels.heap.memory;
  const field = (index: number): Float32Array =>
    new Float32Array(buffer, table + 4 * first + index * fieldStride, rows);
  const shift = field(ANCHOR_FIELD.shift);
  const scaleWX = field(ANCHOR_FIELD.scaleWX);
  const scaleW = field(ANCHOR_FIELD.scaleW);
  const neighbourShift = field(ANCHOR_FIELD.neighbourShift);
  const neighbourScale = field(ANCHOR_FIELD.neighbourScale);
  const positiveScale = field(ANCHOR_FIELD.positiveScale);
  const found = new Float64Array(buffer, records, SUM_FIELDS * rows);
  const ringSizes = new Int32Array(buffer, ranks + 4 * rows, rows);
  const sums: AnchorSums = {
    positive: 0,
    positives: 1,
    logPositives: 0,
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
    positiveFactor: 0,
    logPartition: 0,
    floored: false,
  };
  for (let r = 0; r < rows; r++) {
    const anchor = first + r;
    if (anchor < from || anchor >= to) {
      // Such a row must not pull, and exponents relative to 1 stay finite.
      shift[r] = neighbourShift[r] = 1;
      scaleWX[r] = scaleW[r] = neighbourScale[r] = positiveScale[r] = 0;
      continue;
    }
    const record = SUM_FIELDS * r;
    const set = sets?.read(anchor);
    sums.positive = set?.mean ?? positive(anchor);
    sums.positives = set?.count ?? 1;
    sums.logPositives = set?.logSum ?? 0;
    sums.count = ring ? ringSizes[r]! : negatives(anchor);
    if (sums.count === 0) requireDefined(objective, anchor, negatives(anchor));
    sums.shift = shift[r]!;
    sums.sumWX = found[record + SUM_FIELD.sumWX]!;
    sums.sumW = found[record + SUM_FIELD.sumW]!;
    sums.sumAhead = found[record + SUM_FIELD.sumAhead]!;
    sums.neighbourShift = neighbourShift[r]!;
    anchorLoss(sums, objective, result);
    scaleWX[r] = result.scaleWX / total;
    scaleW[r] = result.scaleW / total;
    neighbourScale[r] = result.neighbourScale / total;
    if (set) {
      sets?.addGradients(result, total);
      positiveScale[r] = 0;
    } else {
      positiveScale[r] = result.positiveScale / total;
    }
    into.loss += result.loss;
    into.positiveSimilarity += sums.positive;
    const hardest = found[record + SUM_FIELD.hardest]!;
    // Without any candidate there is no hardest one.
    if (hardest > -Infinity) into.hardestSimilarity += hardest;
    if (sums.positive > hardest) into.correct++;
    if (result.floored) into.floored++;
    if (losses) losses[anchor] = result.loss;
  }
}

/** Only a loss with the positive in its partition sum is defined without negatives: it is 0 then. */
function requireDefined(objective: ResolvedObjective, anchor: number, candidates: number): void {
  const { select, positiveInPartition } = objective;
  if (select.kind === 'all' && positiveInPartition) return;
  const what = select.kind === 'ring' ? `the ring [${select.inner}, ${select.outer})` : 'the objective';
  throw new NearmissError(
    'NM_NO_NEGATIVES',
    `anchor ${anchor}: ${what} selects none of ${candidates} candidates, allowed: at least one`,
  );
}
