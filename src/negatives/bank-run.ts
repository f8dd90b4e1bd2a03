import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import { type AnchorRows, type KernelObjective, RECORD_BYTES } from './anchors.js';
import type { Candidates } from './candidates.js';
import type { BankDraws } from './draws.js';
import type { ResolvedObjective } from './objective.js';
import type { SynthesisInput } from './synthesis.js';
import type { Synthesis } from './synthesis-rows.js';
import type { Workspace } from './workspace.js';

export interface ContrastBankInput extends SynthesisInput {
  /** Address of float32 [count, dim]: unit-length anchors. */
  readonly queries: number;
  readonly count: number;
  readonly dim: number;
  readonly bank: Pick<Candidates, 'rows' | 'dim' | 'filled' | 'instanceIds'>;
  /** The bank row that is each anchor's positive [count]. */
  readonly own: Int32Array;
  /** Item of each anchor [count]: bank rows of the same item are never its negatives. Default: none is masked. */
  readonly instanceIds?: Int32Array | undefined;
  readonly objective: ResolvedObjective;
  readonly draws: BankDraws;
  /** Constant Z of the NCE loss; default: the estimate from these anchors, n · mean e^(s/τ). */
  readonly normaliser?: number | undefined;
  /** Address of float32 [count, dim], to which the anchors' gradient is added. */
  readonly gradient: number;
  /** Receives each anchor's loss. */
  readonly losses?: Float64Array | undefined;
}

export type BankBlock =
  | 'own'
  | 'lists'
  | 'drawn'
  | 'positives'
  | 'table'
  | 'records'
  | 'ranks'
  | 'anchors'
  | 'panels'
  | 'similarities'
  | 'ring'
  | 'ids'
  | 'members'
  | 'ahead'
  | 'aheadWeights';

/** What the parts of one call share. */
export interface BankRun {
  readonly kernels: TrainingKernels;
  readonly input: ContrastBankInput;
  readonly at: Workspace<BankBlock>['at'];
  readonly draws: number;
  readonly drawColumns: number;
  readonly drawStride: number;
  readonly columns: number;
  readonly stride: number;
  readonly rows: number;
  readonly synthesis: Synthesis | undefined;
  readonly kernel: KernelObjective;
  /** Bank rows of an anchor's own item. */
  readonly masked: (anchor: number) => number;
}

/** Candidates ahead of the ring where they are further positives: largest similarity, Σ x, and how many they are. */
export interface Ahead {
  readonly firsts: Float64Array;
  readonly sums: Float64Array;
  readonly starts: Int32Array;
}

export function listOf({ kernels, at, draws }: BankRun, anchor: number): Int32Array {
  return new Int32Array(kernels.heap.memory.buffer, at.lists + 4 * anchor * draws, draws);
}

export function noNegatives(anchor: number, what: string): NearmissError {
  return new NearmissError('NM_NO_NEGATIVES', `anchor ${anchor}: ${what}, allowed: at least one`);
}

export function anchorRows({ at, rows }: BankRun, first: number, size: number): AnchorRows {
  const records = at.records + RECORD_BYTES * first;
  return { first, rows: size, table: at.table, fieldStride: 4 * rows, records, ranks: at.ranks };
}
