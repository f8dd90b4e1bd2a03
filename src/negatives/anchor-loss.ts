import type { ResolvedObjective } from './objective.js';

/** What the kernels found for one anchor; exponentials are of (similarity - shift)/τ. */
export interface AnchorSums {
  /** Similarity to the positive, the mean of them where there are several. */
  positive: number;
  /** Positives, and with more than one log Σ e^(similarity/τ) over them. */
  positives: number;
  logPositives: number;
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
  /** Derivative by the positive's similarity, where there is one. */
  positiveScale: number;
  /** By that of one of several it is (positiveFactor·e^(s/τ - logPartition) - 1/positives)/τ. */
  positiveFactor: number;
  logPartition: number;
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
 * Robinson et al. 2021 (image/main.py). With no negative and one positive the loss is 0 and has no gradient. With
 * several positives it is the mean of their losses, each with all of them in its partition sum (Khosla et al. 2020,
 * "Supervised Contrastive Learning", equation 2).
 */
export function anchorLoss(sums: AnchorSums, objective: ResolvedObjective, into: AnchorLoss): AnchorLoss {
  const { temperature, beta, tauPlus, positiveInPartition } = objective;
  const { count, positives } = sums;
  into.loss = into.scaleWX = into.scaleW = into.neighbourScale = into.positiveScale = 0;
  into.positiveFactor = into.logPartition = 0;
  into.floored = false;
  if (count === 0 && positives === 1) return into;

  const logPositive = (sums.positive - sums.shift) / temperature;
  // Σ x over the positives.
  const logPositives = positives === 1 ? logPositive : sums.logPositives - sums.shift / temperature;
  const sumW = beta === 0 ? count : sums.sumW;
  const reweighted = count === 0 ? 0 : (count * sums.sumWX) / sumW;
  let logNegatives = Math.log(reweighted);
  if (tauPlus > 0 && count > 0) {
    const debiased = (reweighted - (tauPlus * count * Math.exp(logPositives)) / positives) / (1 - tauPlus);
    const logFloor = Math.log(count) + (-1 - sums.shift) / temperature;
    logNegatives = Math.log(Math.max(0, debiased));
    if (!(logNegatives > logFloor)) {
      logNegatives = logFloor;
      into.floored = true;
    }
  }

  // The partition sum, and what the positive and the negatives are of it.
  const logPartition = positiveInPartition ? logAddExp(logPositives, logNegatives) : logNegatives;
  const negativeShare = Math.exp(logNegatives - logPartition);
  const ratio = logNegatives - logPositive;
  if (positives > 1) into.loss = logPartition - logPositive;
  else if (!positiveInPartition) into.loss = ratio;
  // Each form keeps its digits where the other would lose them: a tiny loss, and a large exponent.
  else into.loss = ratio < 0 ? Math.log1p(Math.exp(ratio)) : ratio + Math.log1p(Math.exp(-ratio));
  into.positiveScale = -negativeShare / temperature;
  into.positiveFactor = positiveInPartition ? 1 : 0;
  into.logPartition = logPartition + sums.shift / temperature;

  if (objective.select.kind === 'ring' && objective.select.neighbourViews && sums.sumAhead > 0) {
    const logAhead = Math.log(sums.sumAhead) + (sums.neighbourShift - sums.shift) / temperature;
    const logAllPositives = logAddExp(logPositive, logAhead);
    into.loss -= logAllPositives - logPositive;
    into.positiveScale += Math.exp(logAhead - logAllPositives) / temperature;
    into.neighbourScale = -Math.exp((sums.neighbourShift - sums.shift) / temperature - logAllPositives) / temperature;
  }

  if (!into.floored && count > 0) {
    const perNegative = Math.exp(-logPartition) / (1 - tauPlus) / temperature;
    into.scaleWX = (perNegative * count * (1 + beta)) / sumW;
    into.scaleW = (-perNegative * beta * reweighted) / sumW;
    if (tauPlus > 0) {
      into.positiveFactor -= (tauPlus * count) / (1 - tauPlus) / positives;
      into.positiveScale -= ((tauPlus * count) / (1 - tauPlus)) * (Math.exp(logPositive - logPartition) / temperature);
    }
  }
  return into;
}
