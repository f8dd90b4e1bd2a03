import { NearmissError } from '../errors.js';
import type { DifferenceInterval } from './bootstrap.js';

/** Mean and sample standard deviation (n - 1); the deviation of one value is NaN: it says nothing about the spread. */
export function meanAndDeviation(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: n < 2 ? Number.NaN : Math.sqrt(squares / (n - 1)) };
}

/**
 * The mean of paired differences with Student's t interval: of one figure of two methods trained with the same seeds,
 * whether the difference is larger than what seeds do to it. Below two pairs the interval is infinite.
 *
 * @param differences one a seed
 * @param level coverage in (0, 1). Default 0.95
 * @throws `NM_SHAPE_MISMATCH` without differences
 */
export function pairedInterval(differences: readonly number[], level = 0.95): DifferenceInterval {
  if (differences.length === 0) {
    throw new NearmissError('NM_SHAPE_MISMATCH', 'interval: found no differences, allowed: at least one');
  }
  const { mean, deviation } = meanAndDeviation(differences);
  if (differences.length < 2) return { mean, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const t = studentQuantile(0.5 + level / 2, differences.length - 1);
  const reach = (t * deviation) / Math.sqrt(differences.length);
  return { mean, low: mean - reach, high: mean + reach };
}

/** The quantile of Student's t distribution at `p` in (0.5, 1), by bisection of its distribution function. */
export function studentQuantile(p: number, freedom: number): number {
  const upperTail = (t: number): number => 0.5 * incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
  let low = 0;
  let high = 1;
  while (upperTail(high) > 1 - p) high *= 2;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (upperTail(middle) > 1 - p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** I_x(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8, evaluated by Lentz's method). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges quickly on this side only.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log(1 - x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** ln Γ(x) for x > 0: Stirling's series, moved up to where it is exact to double precision. */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  for (; y < 15; y++) shift += Math.log(y);
  const z = 1 / (y * y);
  const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / y;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
