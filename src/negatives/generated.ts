import { NearmissError } from '../errors.js';
import { floats, type TrainingKernels } from '../kernels/index.js';
import { requireUnitLength } from './guards.js';
import type { ResolvedGenerate } from './objective.js';
import { clearRows, type Synthesis, type SynthesisRows } from './synthesis-rows.js';
import { takeWorkspace } from './workspace.js';

/** A generator's negatives. */
export interface GeneratedNegatives {
  /** Address of float32 [items, perAnchor, dim], unit length. */
  readonly rows: number;
  /** Items; anchor a has those of item a modulo `items`, so both views of an item may share them. */
  readonly items: number;
  /** Address of float32 [items, perAnchor, dim], to which the loss's gradient by them is added: the generator ascends it. */
  readonly gradient?: number | undefined;
}

/**
 * Generated negatives as further candidates (Wang et al. 2021, section 3.2, for one embedding a picture). The encoder
 * takes them for constants. A share other than 1 shifts their similarities by τ·log(share).
 */
export function generatedSynthesis(
  kernels: TrainingKernels,
  { perAnchor, share }: ResolvedGenerate,
  { rows: negatives, items, gradient }: GeneratedNegatives,
  temperature: number,
  shape: { readonly count: number; readonly dim: number; readonly rows: number },
): Synthesis {
  const { exports, heap } = kernels;
  const { count, dim, rows } = shape;
  if (!Number.isInteger(items) || items < 1 || count % items !== 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `generated.items: found ${items}, allowed: a divisor of ${count}`);
  }
  requireUnit(kernels, negatives, items * perAnchor, dim);
  const columns = Math.ceil(perAnchor / 8) * 8;
  const offset = temperature * Math.log(share);
  const { at, release } = takeWorkspace(heap, { lists: 4 * rows * perAnchor });

  function writeLists(block: SynthesisRows): void {
    const lists = new Int32Array(heap.memory.buffer, at.lists, block.present * perAnchor);
    for (let r = 0; r < block.present; r++) {
      const item = (block.first + r) % items;
      for (let p = 0; p < perAnchor; p++) lists[r * perAnchor + p] = item * perAnchor + p;
    }
  }

  return {
    count: () => perAnchor,
    fill(block: SynthesisRows) {
      clearRows(kernels, block, columns);
      writeLists(block);
      const { present, anchors, stride } = block;
      const out = block.similarities + 4 * block.columns;
      exports.gatherDots(anchors, present, dim, negatives, at.lists, 4 * perAnchor, perAnchor, columns, out, stride);
      if (offset === 0) return;
      for (let r = 0; r < present; r++) {
        const row = floats(heap, out + r * stride, perAnchor);
        for (let p = 0; p < perAnchor; p++) row[p] = row[p]! + offset;
      }
    },
    addGradients(block: SynthesisRows) {
      writeLists(block);
      const { present, anchors, stride } = block;
      const weights = block.similarities + 4 * block.columns;
      const [each, list] = [perAnchor, at.lists];
      exports.addGatheredRows(weights, stride, list, 4 * each, present, each, negatives, dim, block.gradient);
      if (gradient === undefined) return;
      exports.scatterAnchors(weights, stride, list, 4 * each, present, each, anchors, dim, gradient);
    },
    release,
  };
}

function requireUnit(kernels: TrainingKernels, rows: number, count: number, dim: number): void {
  const { at, release } = takeWorkspace(kernels.heap, { dots: 4 * count });
  try {
    kernels.exports.rowDots(rows, rows, count, dim, at.dots);
    const squares = floats(kernels.heap, at.dots, count);
    for (let row = 0; row < count; row++) requireUnitLength('generated.rows', row, squares[row]!);
  } finally {
    release();
  }
}
