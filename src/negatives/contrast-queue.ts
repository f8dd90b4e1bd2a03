import { NearmissError } from '../errors.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { ANCHOR_FIELD, ANCHOR_FIELDS } from '../kernels/pair-weights.js';
import {
  type AnchorFacts,
  type AnchorRows,
  type ContrastSums,
  kernelObjective,
  RANK_BYTES,
  RECORD_BYTES,
  type SimilarityRows,
  selectRings,
  solveAnchors,
  sumNegatives,
} from './anchors.js';
import type { Candidates } from './candidates.js';
import { requireIds, requireInteger, requireUnitRows } from './guards.js';
import type { ResolvedObjective } from './objective.js';
import { type SynthesisInput, startSynthesis, syntheticColumns } from './synthesis.js';
import type { Synthesis, SynthesisRows } from './synthesis-rows.js';
import { takeWorkspace } from './workspace.js';

export interface ContrastQueueInput extends SynthesisInput {
  /** Address of float32 [count, dim]: unit-length anchors. */
  readonly queries: number;
  /** Address of float32 [count, dim]: the anchors' positives, unit length. */
  readonly keys: number;
  readonly count: number;
  readonly dim: number;
  readonly candidates: Pick<Candidates, 'rows' | 'dim' | 'filled' | 'instanceIds'>;
  /** Item of each anchor [count]: candidates of the same item are masked. Default: none is. */
  readonly instanceIds?: Int32Array | undefined;
  readonly objective: ResolvedObjective;
  /** Address of float32 [count, dim], to which the queries' gradient is added. */
  readonly gradient: number;
  /** The same for the keys, where they are trained; a momentum encoder's are not. */
  readonly keyGradient?: number | undefined;
  /** Receives each anchor's loss. */
  readonly losses?: Float64Array | undefined;
}

/** Similarities in memory at once. */
const BLOCK_BYTES = 4 * 2 ** 20;
const MOST_ROWS = 64;

/**
 * Loss and gradient of an objective over a queue of candidates, which are constants: no gradient flows into them.
 *
 * Returns sums over the anchors; the gradient that is added is that of the mean, (1/count) Σ loss. One pass over blocks
 * of anchors. Memory: 2 copies of the candidates, and at most 4 MB of similarities (or 8 rows of them).
 *
 * @throws NM_SHAPE_MISMATCH, NM_NOT_UNIT_LENGTH (queries or keys), NM_NO_NEGATIVES
 */
export function contrastQueue(kernels: TrainingKernels, input: ContrastQueueInput): ContrastSums {
  const { queries, keys, count, dim, candidates, instanceIds, objective, gradient, keyGradient } = input;
  requireInteger('count', count, 0);
  requireInteger('dim', dim, 1);
  requireIds('instanceIds', instanceIds, count);
  if (candidates.dim !== dim) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `candidates: found dim ${candidates.dim}, allowed: ${dim}`);
  }
  const result: ContrastSums = { loss: 0, positiveSimilarity: 0, hardestSimilarity: 0, correct: 0, floored: 0 };
  if (count === 0) return result;

  const { exports, heap } = kernels;
  const { filled } = candidates;
  const rows = Math.ceil(count / 8) * 8;
  const columns = Math.ceil(filled / 8) * 8;
  const slices = Math.ceil(dim / 8);
  const allColumns = columns + syntheticColumns(objective);
  const stride = 4 * (allColumns + 16);
  const block = Math.min(rows, MOST_ROWS, Math.max(8, Math.floor(BLOCK_BYTES / stride / 8) * 8));
  const { at, release } = takeWorkspace(heap, {
    anchors: 4 * rows * dim,
    panels: 4 * columns * dim,
    slices: 32 * columns * slices,
    sums: 32 * rows * slices,
    similarities: block * stride,
    table: 4 * rows * ANCHOR_FIELDS,
    records: RECORD_BYTES * block,
    ranks: RANK_BYTES * block,
    ring: exports.ringScratch(allColumns),
    ids: 4 * (rows + columns),
    dots: 4 * count,
  });
  let synthesis: Synthesis | undefined;
  try {
    synthesis = startSynthesis(kernels, objective, input, { count, dim, rows: block });
    exports.packPanels(queries, count, dim, at.anchors);
    exports.packPanels(candidates.rows, filled, dim, at.panels);
    exports.packSlices(candidates.rows, filled, dim, columns, at.slices);
    new Uint8Array(heap.memory.buffer, at.sums, 32 * rows * slices).fill(0);
    const dots = (a: number, b: number): Float32Array => {
      exports.rowDots(a, b, count, dim, at.dots);
      return floats(heap, at.dots, count).slice();
    };
    requireUnitRows('queries', dots(queries, queries));
    requireUnitRows('keys', dots(keys, keys));
    const positives = dots(queries, keys);
    const masked = countMasked(input);
    const [anchorIds, candidateIds] = [at.ids, at.ids + 4 * rows];
    if (masked) {
      const ids = new Int32Array(heap.memory.buffer, at.ids, rows + columns);
      ids.set(instanceIds!);
      ids.set(candidates.instanceIds.subarray(0, filled), rows);
    }

    const kernel = kernelObjective(objective);
    const fieldStride = 4 * rows;
    const real = (anchor: number): number => filled - (masked?.(anchor) ?? 0);
    const facts: AnchorFacts = {
      from: 0,
      to: count,
      positive: (anchor) => positives[anchor]!,
      negatives: (anchor) => real(anchor) + (synthesis?.count(real(anchor)) ?? 0),
      total: count,
      losses: input.losses,
    };
    for (let first = 0; first < rows; first += block) {
      const size = Math.min(block, rows - first);
      const tile = at.similarities;
      exports.similarityTile(at.anchors + 4 * first * dim, size, at.panels, columns, dim, tile, stride);
      if (masked) exports.maskEqual(tile, stride, size, columns, anchorIds + 4 * first, candidateIds, filled);
      else exports.maskPadding(tile, stride, size, filled, columns);
      const anchors: AnchorRows = {
        first,
        rows: size,
        table: at.table,
        fieldStride,
        records: at.records,
        ranks: at.ranks,
      };
      const similarities: SimilarityRows = {
        address: tile,
        stride,
        firstColumn: 0,
        columns: allColumns,
        allColumns,
      };
      const more: SynthesisRows = {
        first,
        present: Math.min(size, count - first),
        rows: size,
        anchors: queries + 4 * first * dim,
        gradient: gradient + 4 * first * dim,
        similarities: tile,
        stride,
        columns,
        candidates: candidates.rows,
        lists: 0,
        listStride: 0,
        total: filled,
        negatives: real,
      };
      synthesis?.fill(more);
      selectRings(kernels, kernel, anchors, similarities, at.ring);
      sumNegatives(kernels, kernel, anchors, similarities);
      solveAnchors(kernels, kernel, anchors, facts, result);
      const table = at.table + 4 * first;
      exports.pairWeights(
        tile,
        stride,
        first,
        size,
        0,
        allColumns,
        kernel.exponent,
        objective.beta,
        kernel.fixedShift,
        kernel.ring,
        kernel.neighbours,
        0,
        table,
        table,
        fieldStride,
      );
      synthesis?.addGradients(more);
      const sums = at.sums + 32 * first;
      exports.addWeightedRows(tile, stride, size, columns, at.slices, 32 * columns, sums, 32 * rows, slices);
    }
    exports.addSlices(at.sums, count, dim, rows, gradient);
    const scales = at.table + ANCHOR_FIELD.positiveScale * fieldStride;
    exports.addScaledRows(scales, keys, count, dim, gradient);
    if (keyGradient !== undefined) exports.addScaledRows(scales, queries, count, dim, keyGradient);
  } finally {
    synthesis?.release();
    release();
  }
  return result;
}

/** For each anchor the number of candidates of its own item; undefined where there is none. */
function countMasked(input: ContrastQueueInput): ((anchor: number) => number) | undefined {
  const { instanceIds, candidates } = input;
  if (!instanceIds) return undefined;
  const copies = new Map<number, number>();
  for (const id of instanceIds) copies.set(id, 0);
  let any = false;
  for (let row = 0; row < candidates.filled; row++) {
    const id = candidates.instanceIds[row]!;
    const before = copies.get(id);
    if (before === undefined) continue;
    copies.set(id, before + 1);
    any = true;
  }
  return any ? (anchor) => copies.get(instanceIds[anchor]!)! : undefined;
}
