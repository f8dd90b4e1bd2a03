import type { TrainingKernels } from '../kernels/index.js';

/** A block of anchors with the masked similarities to their candidates, which have room for more columns. */
export interface SynthesisRows {
  /** Number of the first anchor, how many there are, and the rows of the block, which others may only fill up. */
  readonly first: number;
  readonly present: number;
  readonly rows: number;
  /** Addresses of float32 [present, dim]: these anchors, and the gradient of each. */
  readonly anchors: number;
  readonly gradient: number;
  /** Address of the similarities, bytes between rows, and the candidates' columns (a multiple of 4). */
  readonly similarities: number;
  readonly stride: number;
  readonly columns: number;
  /** Address of the candidates' rows, and per anchor of the list (int32) that turns columns into them; 0: they are. */
  readonly candidates: number;
  readonly lists: number;
  readonly listStride: number;
  /** All candidates, masked ones too. */
  readonly total: number;
  /** An anchor's unmasked candidates. */
  negatives(anchor: number): number;
}

/** Synthetic negatives: further columns of similarities, and the way back from their weights. */
export interface Synthesis {
  /** How many of them an anchor has that has so many candidates. */
  count(candidates: number): number;
  /** Writes the columns behind the candidates' ones; places without a negative are -Infinity. */
  fill(block: SynthesisRows): void;
  /** Adds to the anchors' gradient, once the columns hold the weights of their pairs; in the order of `fill`. */
  addGradients(block: SynthesisRows): void;
  release(): void;
}

/** Fills the further `columns` of rows that show no anchor with -Infinity. */
export function clearRows(kernels: TrainingKernels, block: SynthesisRows, columns: number): void {
  for (let r = block.present; r < block.rows; r++) {
    const at = block.similarities + r * block.stride + 4 * block.columns;
    new Float32Array(kernels.heap.memory.buffer, at, columns).fill(-Infinity);
  }
}
