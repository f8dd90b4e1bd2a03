import type { ContrastSums } from './anchors.js';

/** Keeps the estimate's logarithms finite, as in the reference code (Tian et al. 2019, NCE/NCECriterion.py). */
const EPSILON = 1e-7;

/** Similarities of anchors to the rows drawn for them, and the constants of the estimate. */
export interface NceAnchors {
  readonly count: number;
  /** An anchor's similarity to its positive. */
  positive(anchor: number): number;
  /** Similarities to its draws; -Infinity is a draw that does not count. Replaced by the draws' weights. */
  row(anchor: number): Float32Array;
  /** Rows that an anchor's draws were made from: the noise is uniform over them. */
  pool(anchor: number): number;
  readonly temperature: number;
  /** Z: e^(similarity/τ) divided by it is the model's probability of a row. */
  readonly normaliser: number;
  /** Number that the loss is a mean over. */
  readonly total: number;
  /** Receives the weight of each anchor's positive pair. */
  readonly positiveScales: Float32Array;
  readonly losses?: Float64Array | undefined;
  /** Number of the first of these anchors in `losses`. */
  readonly first: number;
}

/**
 * Noise-contrastive estimation (Wu et al. 2018, section 3.2; constants as in Tian et al. 2019, NCE/NCECriterion.py):
 * with P = e^(s/τ)/Z and c = draws/pool an anchor's loss is
 *
 *     -log(P₀/(P₀ + c + ε)) - Σ_draws log(c/(P + c + ε)).
 *
 * Derivatives take the place of the similarities: -(c + ε)/(P₀ + c + ε)/τ of the positive, P/(P + c + ε)/τ of a draw.
 */
export function solveNce(anchors: NceAnchors, into: ContrastSums): void {
  const { temperature, normaliser, total } = anchors;
  const logZ = Math.log(normaliser);
  for (let i = 0; i < anchors.count; i++) {
    const row = anchors.row(i);
    const positive = anchors.positive(i);
    let draws = 0;
    let hardest = -Infinity;
    for (const s of row) {
      if (s === -Infinity) continue;
      draws++;
      if (s > hardest) hardest = s;
    }
    const c = draws / anchors.pool(i);
    const p = Math.exp(positive / temperature - logZ);
    let loss = Math.log1p((c + EPSILON) / p);
    for (let e = 0; e < row.length; e++) {
      if (row[e] === -Infinity) {
        row[e] = 0;
        continue;
      }
      const model = Math.exp(row[e]! / temperature - logZ);
      loss += Math.log1p((model + EPSILON) / c);
      row[e] = model / (model + c + EPSILON) / temperature / total;
    }
    anchors.positiveScales[i] = -(c + EPSILON) / (p + c + EPSILON) / temperature / total;
    into.loss += loss;
    into.positiveSimilarity += positive;
    if (hardest > -Infinity) into.hardestSimilarity += hardest;
    if (positive > hardest) into.correct++;
    if (anchors.losses) anchors.losses[anchors.first + i] = loss;
  }
}
