import type { ResolvedObjective } from './objective.js';

/** What the kernels found for one anchor; exponentials are of (similarity - shift)/τ. */
export interface AnchorSums {
  /** Similarity to the positive. */
  positive: number;
  /** Selected negatives. */
  count: number;
  shift: number;
  /** Σ w x and Σ w over them (Σ w is not needed for β = 0). */
  sumWX: number;
  sumW: number;
  /** Σ x of the candidates that count as further positives, with a shift of their own. */
  sumAhead: number;
  neighbourShift: number;
}

/** Loss of one anchor and its derivatives; a selected pair's derivative is scaleWX·w x + scaleW·w. */
export interface AnchorLoss {
  loss: number;
  scaleWX: number;
  scaleW: number;
  /** Derivative by a further positive's similarity is neighbourScale·e^((s - neighbourShift)/τ). */
  neighbourScale: number;
  /** Derivative by the positive's similarity. */
  positiveScale: number;
  /** Debiasing met its lower limit: the negatives have no gradient. */
  floored: boolean;
}

/** log(e^a + e^b). */
function logAddExp(a: number, b: number): number {
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b === -Infinity ? a : b + Math.log1p(Math.exp(a - b));
}

/**
 * The last step of the objective for one anchor, in float64 and in logarithms, so that any temperature is finite.
 * The importance weights are not constants: dR/ds_j = w_j/(τ Σ w)·(n(1+β) x_j - β R), as in the reference code of
 * Robinson et al. 2021 (image/main.py). With no negative at all the loss is 0 and has no gradient.
 */
export function anchorLoss(sums: AnchorSums, objective: ResolvedObjective, into: AnchorLoss): AnchorLoss {
  const { temperature, beta, tauPlus, positiveInPartition } = objective;
  const { count } = sums;
  into.loss = into.scaleWX = into.scaleW = into.neighbourScale = into.positiveScale = 0;
  into.floored = false;
  if (count === 0) return into;

  const logPositive = (sums.positive - sums.shift) / temperature;
  const sumW = beta === 0 ? count : sums.sumW;
  const reweighted = (count * sums.sumWX) / sumW;
  let logNegatives = Math.log(reweighted);
  if (tauPlus > 0) {
    const debiased = (reweighted - tauPlus * count * Math.exp(logPositive)) / (1 - tauPlus);
    const logFloor = Math.log(count) + (-1 - sums.shift) / temperature;
    logNegatives = Math.log(Math.max(0, debiased));
    if (!(logNegatives > logFloor)) {
      logNegatives = logFloor;
      into.floored = true;
    }
  }

  // The partition sum, and what the positive and the negatives are of it.
  const logPartition = positiveInPartition ? logAddExp(logPositive, logNegatives) : logNegatives;
  const negativeShare = Math.exp(logNegatives - logPartition);
  const ratio = logNegatives - logPositive;
  if (!positiveInPartition) into.loss = ratio;
  // Each form keeps its digits where the other would lose them: a tiny loss, and a large exponent.
  else into.loss = ratio < 0 ? Math.log1p(Math.exp(ratio)) : ratio + Math.log1p(Math.exp(-ratio));
  into.positiveScale = -negativeShare / temperature;

  if (objective.select.kind === 'ring' && objective.select.neighbourViews && sums.sumAhead > 0) {
    const logAhead = Math.log(sums.sumAhead) + (sums.neighbourShift - sums.shift) / temperature;
    const logPositives = logAddExp(logPositive, logAhead);
    into.loss -= logPositives - logPositive;
    into.positiveScale += Math.exp(logAhead - logPositives) / temperature;
    into.neighbourScale = -Math.exp((sums.neighbourShift - sums.shift) / temperature - logPositives) / temperature;
  }

  if (!into.floored) {
    const perNegative = Math.exp(-logPartition) / (1 - tauPlus) / temperature;
    into.scaleWX = (perNegative * count * (1 + beta)) / sumW;
    into.scaleW = (-perNegative * beta * reweighted) / sumW;
    if (tauPlus > 0) {
      into.positiveScale -= ((tauPlus * count) / (1 - tauPlus)) * (Math.exp(logPositive - logPartition) / temperature);
    }
  }
  return into;
}
