import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import type { Random } from '../random.js';
import type { ResolvedMix } from './objective.js';
import { clearRows, type Synthesis, type SynthesisRows } from './synthesis-rows.js';
import { takeWorkspace } from './workspace.js';

/** Where mixes come from: random ones, with a stream an anchor, or given ones. */
export type MixDraws =
  | { readonly kind: 'random'; random(anchor: number): Random }
  | {
      readonly kind: 'given';
      /** Ranks among the hardest of the parents of each pair [anchors, pairs], and the share of the first. */
      readonly first: Int32Array;
      readonly second: Int32Array;
      readonly alpha: Float32Array;
      /** Rank of the candidate that the anchor is mixed with [anchors, queries], and the anchor's share. */
      readonly partner: Int32Array;
      readonly beta: Float32Array;
    };

/** One anchor's recipe: ranks below `available`, and shares. */
interface Recipe {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly partner: Int32Array;
  readonly alpha: Float32Array;
  readonly beta: Float32Array;
}

/**
 * MoCHi's synthetic negatives (Kalantidis et al. 2020, sections 3.2 and 3.3): unit-length mixes of two of an anchor's N
 * hardest candidates, α ~ U(0, 1), and of one of them with the anchor itself, β ~ U(0, 1/2) its share. All are
 * constants: no gradient flows into a parent, nor into the anchor inside a mix. They are never built: their
 * similarities follow from the parents' (assembly/mix.ts). An anchor with fewer than N unmasked candidates mixes those.
 */
export function mixedSynthesis(
  kernels: TrainingKernels,
  { hardest, pairs, queries }: ResolvedMix,
  draws: MixDraws,
  shape: { readonly count: number; readonly dim: number; readonly rows: number },
): Synthesis {
  const { exports, heap } = kernels;
  const { dim, rows } = shape;
  if (draws.kind === 'given') checkGiven(draws, shape.count, pairs, queries);
  const columns = Math.ceil((pairs + queries) / 8) * 8;
  const recipeBytes = 4 * (4 * pairs + 3 * queries);
  const { at, release } = takeWorkspace(heap, {
    recipes: rows * recipeBytes,
    ranked: 4 * hardest,
    scratch: 8 * hardest,
  });

  function recipeOf(r: number): Recipe {
    const { buffer } = heap.memory;
    const base = at.recipes + r * recipeBytes;
    const floats = base + 4 * (2 * pairs + queries);
    return {
      first: new Int32Array(buffer, base, pairs),
      second: new Int32Array(buffer, base + 4 * pairs, pairs),
      partner: new Int32Array(buffer, base + 8 * pairs, queries),
      alpha: new Float32Array(buffer, floats, pairs),
      beta: new Float32Array(buffer, floats + 8 * pairs, queries),
    };
  }

  return {
    count: (candidates) => (candidates > 0 ? pairs + queries : 0),
    fill(block: SynthesisRows) {
      clearRows(kernels, block, columns);
      for (let r = 0; r < block.present; r++) {
        const anchor = block.first + r;
        const row = block.similarities + r * block.stride;
        const out = row + 4 * block.columns;
        new Float32Array(heap.memory.buffer, out, columns).fill(-Infinity);
        requireEnough(hardest, block.total);
        const available = exports.rankHardest(row, block.columns, hardest, at.ranked, at.scratch);
        if (available === 0) continue;
        if (draws.kind === 'random') drawRecipe(draws.random(anchor), available, recipeOf(r));
        else copyRecipe(draws, anchor, available, recipeOf(r));
        const list = block.lists && block.lists + r * block.listStride;
        const recipe = at.recipes + r * recipeBytes;
        exports.mixSimilarities(row, at.ranked, list, block.candidates, dim, pairs, queries, recipe, out);
      }
    },
    addGradients(block: SynthesisRows) {
      for (let r = 0; r < block.present; r++) {
        if (block.negatives(block.first + r) === 0) continue;
        const weights = block.similarities + r * block.stride + 4 * block.columns;
        const [anchor, gradient] = [block.anchors + 4 * r * dim, block.gradient + 4 * r * dim];
        const recipe = at.recipes + r * recipeBytes;
        exports.addMixes(weights, recipe, pairs, queries, block.candidates, dim, anchor, gradient);
      }
    },
    release,
  };
}

function requireEnough(hardest: number, candidates: number): void {
  if (hardest <= candidates) return;
  throw new NearmissError(
    'NM_TOO_FEW_CANDIDATES',
    `synthesise.hardest: found ${hardest}, allowed: up to the ${candidates} candidates that there are`,
  );
}

function drawRecipe(random: Random, available: number, recipe: Recipe): void {
  const { first, second, partner, alpha, beta } = recipe;
  for (let m = 0; m < first.length; m++) {
    const rank = random.integer(available);
    first[m] = rank;
    // Two different ones, where there are two.
    second[m] = available > 1 ? (rank + 1 + random.integer(available - 1)) % available : rank;
    alpha[m] = random.uniform();
  }
  for (let m = 0; m < partner.length; m++) {
    partner[m] = random.integer(available);
    beta[m] = random.uniform() / 2;
  }
}

function copyRecipe(
  draws: Extract<MixDraws, { kind: 'given' }>,
  anchor: number,
  available: number,
  recipe: Recipe,
): void {
  const [pairs, queries] = [recipe.first.length, recipe.partner.length];
  recipe.first.set(draws.first.subarray(anchor * pairs, (anchor + 1) * pairs));
  recipe.second.set(draws.second.subarray(anchor * pairs, (anchor + 1) * pairs));
  recipe.alpha.set(draws.alpha.subarray(anchor * pairs, (anchor + 1) * pairs));
  recipe.partner.set(draws.partner.subarray(anchor * queries, (anchor + 1) * queries));
  recipe.beta.set(draws.beta.subarray(anchor * queries, (anchor + 1) * queries));
  for (const ranks of [recipe.first, recipe.second, recipe.partner]) {
    for (const rank of ranks) {
      if (rank >= 0 && rank < available) continue;
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `mixing: found rank ${rank} for anchor ${anchor}, allowed: 0 to ${available - 1}`,
      );
    }
  }
}

function checkGiven(draws: Extract<MixDraws, { kind: 'given' }>, count: number, pairs: number, queries: number): void {
  const lengths = { first: pairs, second: pairs, alpha: pairs, partner: queries, beta: queries } as const;
  for (const [name, each] of Object.entries(lengths) as [keyof typeof lengths, number][]) {
    if (draws[name].length === each * count) continue;
    const allowed = `${each * count}, ${each} for each of ${count} anchors`;
    throw new NearmissError('NM_SHAPE_MISMATCH', `mixing.${name}: found ${draws[name].length}, allowed: ${allowed}`);
  }
}
