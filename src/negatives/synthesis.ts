import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import { type GeneratedNegatives, generatedSynthesis } from './generated.js';
import { type MixDraws, mixedSynthesis } from './mixed.js';
import type { ResolvedObjective } from './objective.js';
import type { Synthesis } from './synthesis-rows.js';

/** What synthetic negatives are made of, as the objective's `synthesise` asks. */
export interface SynthesisInput {
  /** For `mix`: where the random pairs and coefficients come from. */
  readonly mixing?: MixDraws | undefined;
  /** For `generate`: the generator's negatives. */
  readonly generated?: GeneratedNegatives | undefined;
}

/**
 * The synthetic negatives that an objective asks for, for blocks of up to `rows` of `count` anchors of `dim` dimensions.
 *
 * @throws NM_OPTION_INVALID where the objective asks for some and the input has none; NM_SHAPE_MISMATCH
 */
export function startSynthesis(
  kernels: TrainingKernels,
  objective: ResolvedObjective,
  input: SynthesisInput,
  shape: { readonly count: number; readonly dim: number; readonly rows: number },
): Synthesis | undefined {
  const { synthesise, temperature } = objective;
  if (!synthesise) return undefined;
  if (synthesise.kind === 'mix') {
    if (!input.mixing) throw missing('mix', 'mixing');
    return mixedSynthesis(kernels, synthesise, input.mixing, shape);
  }
  if (!input.generated) throw missing('generate', 'generated');
  return generatedSynthesis(kernels, synthesise, input.generated, temperature, shape);
}

/** Columns that an objective's synthetic negatives take beside an anchor's candidates, a multiple of 8. */
export function syntheticColumns({ synthesise }: Pick<ResolvedObjective, 'synthesise'>): number {
  if (!synthesise) return 0;
  const negatives = synthesise.kind === 'mix' ? synthesise.pairs + synthesise.queries : synthesise.perAnchor;
  return Math.ceil(negatives / 8) * 8;
}

function missing(kind: string, field: string): NearmissError {
  return new NearmissError('NM_OPTION_INVALID', `${field}: found none, allowed: one, where synthesise.kind is ${kind}`);
}
