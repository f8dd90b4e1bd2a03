import { describe, expect, it } from 'vitest';
import { fitWhitening, whiten } from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { randomStream } from '../../src/random.js';

/** Items with a shared part of falling variance and noise of rising variance per view. */
function views(items: number, width: number, seed = 1): { a: Float32Array; b: Float32Array } {
  const random = randomStream(seed, items, width);
  const a = new Float32Array(items * width);
  const b = new Float32Array(items * width);
  for (let at = 0; at < a.length; at++) {
    const column = at % width;
    const item = (random.normal() * 3) / (1 + column);
    a[at] = 5 + item + random.normal() * 0.1 * (1 + column);
    b[at] = 4 + item + random.normal() * 0.1 * (1 + column);
  }
  return { a, b };
}

/** Covariance of rows [count, k], about `mean` 0 or their own mean. */
function covariance(rows: Float32Array, k: number, centred: boolean): Float64Array {
  const count = rows.length / k;
  const mean = new Float64Array(k);
  if (centred) for (let at = 0; at < rows.length; at++) mean[at % k]! += rows[at]! / count;
  const result = new Float64Array(k * k);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) {
        result[i * k + j]! += ((rows[row * k + i]! - mean[i]!) * (rows[row * k + j]! - mean[j]!)) / count;
      }
    }
  }
  return result;
}

/** (a - b)/√2 after the whitening. */
function within(
  a: Float32Array,
  b: Float32Array,
  width: number,
  fitted: ReturnType<typeof fitWhitening>,
): Float32Array {
  const wa = whiten(a, width, { ...fitted, mean: fitted.meanA });
  const wb = whiten(b, width, { ...fitted, mean: fitted.meanB });
  return wa.map((value, at) => (value - wb[at]!) / Math.SQRT2);
}

const code = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof NearmissError) return error.code;
    throw error;
  }
  return undefined;
};

describe('fitWhitening', () => {
  it('makes the covariance within pairs the identity, as far as shrinkage lets it', () => {
    const width = 6;
    const { a, b } = views(400, width);
    const fitted = fitWhitening(a, b, { width, dimensions: 4, shrinkage: 1e-9, separateMeans: true });
    const found = covariance(within(a, b, width, fitted), 4, false);
    found.forEach((value, at) => {
      expect(value).toBeCloseTo(at % 5 === 0 ? 1 : 0, 4);
    });
  });

  it('keeps the leading principal subspace of all views', () => {
    // The matrix spans the first k axes: a shrinkage of 1 only scales them, so variances come out in order.
    const width = 6;
    const { a, b } = views(400, width);
    const fitted = fitWhitening(a, b, { width, dimensions: 3, shrinkage: 1, separateMeans: true });
    const both = new Float32Array(a.length * 2);
    both.set(whitenedBy(a, fitted.meanA), 0);
    both.set(whitenedBy(b, fitted.meanB), (a.length / width) * 3);
    const variances = covariance(both.subarray(0, (2 * a.length * 3) / width), 3, true);
    expect(variances[0]!).toBeGreaterThan(variances[4]!);
    expect(variances[4]!).toBeGreaterThan(variances[8]!);
    for (const at of [1, 2, 5]) expect(Math.abs(variances[at]!)).toBeLessThan(1e-3 * variances[0]!);
    function whitenedBy(rows: Float32Array, mean: Float32Array): Float32Array {
      return whiten(rows, width, { ...fitted, mean });
    }
  });

  it('treats the difference between the sources as noise when they share one mean', () => {
    const width = 6;
    const { a, b } = views(400, width);
    const shifted = a.map((value, at) => value + (at % width === 0 ? 50 : 0));
    const fitted = fitWhitening(shifted, b, { width, dimensions: 6, shrinkage: 1e-9 });
    const wa = whiten(shifted, width, fitted);
    const wb = whiten(b, width, fitted);
    const found = covariance(
      wa.map((value, at) => (value - wb[at]!) / Math.SQRT2),
      6,
      false,
    );
    found.forEach((value, at) => {
      expect(value).toBeCloseTo(at % 7 === 0 ? 1 : 0, 3);
    });
    expect(fitted.mean[0]).toBeCloseTo((fitted.meanA[0]! + fitted.meanB[0]!) / 2, 4);
  });

  it('gives the same similarities whether features are wider than there are views or not', () => {
    // Columns repeated: the same geometry in 4 and in 40 columns (scaled), which takes the other path.
    const { a, b } = views(9, 4);
    const repeat = (rows: Float32Array): Float32Array =>
      Float32Array.from({ length: rows.length * 10 }, (_, at) => {
        const row = Math.floor(at / 40);
        return rows[row * 4 + (at % 4)]! / Math.sqrt(10);
      });
    const narrow = fitWhitening(a, b, { width: 4, dimensions: 4 });
    const wide = fitWhitening(repeat(a), repeat(b), { width: 40, dimensions: 40 });
    expect(wide.dimensions).toBe(4);
    const products = (rows: Float32Array): number[] => {
      const found: number[] = [];
      for (let i = 0; i < 9; i++) {
        for (let j = 0; j < 9; j++) {
          let sum = 0;
          for (let k = 0; k < 4; k++) sum += rows[i * 4 + k]! * rows[j * 4 + k]!;
          found.push(sum);
        }
      }
      return found;
    };
    const expected = products(whiten(a, 4, narrow));
    products(whiten(repeat(a), 40, wide)).forEach((value, at) => {
      expect(value).toBeCloseTo(expected[at]!, 2);
    });
  });

  it('drops what constant columns and low rank cannot fill', () => {
    const { a, b } = views(50, 3);
    const withConstants = (rows: Float32Array): Float32Array =>
      Float32Array.from({ length: 50 * 5 }, (_, at) => (at % 5 < 3 ? rows[Math.floor(at / 5) * 3 + (at % 5)]! : 7));
    const fitted = fitWhitening(withConstants(a), withConstants(b), { width: 5, dimensions: 5 });
    expect(fitted.dimensions).toBe(3);
    expect(fitted.matrix.every(Number.isFinite)).toBe(true);
  });

  it('leaves the principal components where pairs do not differ', () => {
    const { a } = views(50, 4);
    const fitted = fitWhitening(a, a, { width: 4, dimensions: 4 });
    const variances = covariance(whiten(a, 4, fitted), 4, true);
    const total = covariance(a, 4, true);
    const trace = (m: Float64Array): number => m[0]! + m[5]! + m[10]! + m[15]!;
    expect(trace(variances)).toBeCloseTo(trace(total), 3);
  });

  it('gives the same bits again', () => {
    const { a, b } = views(60, 8);
    const once = fitWhitening(a, b, { width: 8, dimensions: 5 });
    expect(fitWhitening(a.slice(), b.slice(), { width: 8, dimensions: 5 })).toEqual(once);
  });

  it('refuses collapsed features, wrong shapes and options out of range', () => {
    const { a, b } = views(10, 4);
    const options = { width: 4, dimensions: 2 };
    const constant = new Float32Array(40).fill(0.3);
    expect(code(() => fitWhitening(constant, constant, options))).toBe('NM_ENCODER_COLLAPSED');
    const broken = a.slice();
    broken[17] = Number.NaN;
    expect(code(() => fitWhitening(broken, b, options))).toBe('NM_ENCODER_COLLAPSED');
    expect(code(() => fitWhitening(a, b.subarray(4), options))).toBe('NM_SHAPE_MISMATCH');
    expect(code(() => fitWhitening(a, b, { width: 3, dimensions: 2 }))).toBe('NM_SHAPE_MISMATCH');
    for (const dimensions of [0, 5, 1.5]) {
      expect(code(() => fitWhitening(a, b, { width: 4, dimensions }))).toBe('NM_OPTION_INVALID');
    }
    for (const shrinkage of [0, 1.1, Number.NaN]) {
      expect(code(() => fitWhitening(a, b, { ...options, shrinkage }))).toBe('NM_OPTION_INVALID');
    }
  });
});
