import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { leadingEigenpairs } from '../../src/encoders/symmetric-eigen.js';
import { randomStream } from '../../src/random.js';

/** R Rᵀ of R [n, rank]: symmetric, of that rank. */
function product(n: number, rank: number, scale = 1): Float64Array {
  const random = randomStream(5, n, rank);
  const r = Float64Array.from({ length: n * rank }, () => random.normal());
  return Float64Array.from({ length: n * n }, (_, at) => {
    const i = Math.floor(at / n);
    const j = at % n;
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += r[i * rank + k]! * r[j * rank + k]!;
    return scale * sum;
  });
}

/** Largest entry of |A v - λ v| over the pairs, and of |V Vᵀ - I|. */
function errors(a: Float64Array, n: number, values: Float64Array, vectors: Float64Array): [number, number] {
  let residual = 0;
  let skew = 0;
  values.forEach((value, v) => {
    for (let i = 0; i < n; i++) {
      let image = 0;
      for (let j = 0; j < n; j++) image += a[i * n + j]! * vectors[v * n + j]!;
      residual = Math.max(residual, Math.abs(image - value * vectors[v * n + i]!));
    }
    for (let w = 0; w < values.length; w++) {
      let dot = 0;
      for (let j = 0; j < n; j++) dot += vectors[v * n + j]! * vectors[w * n + j]!;
      skew = Math.max(skew, Math.abs(dot - (v === w ? 1 : 0)));
    }
  });
  return [residual, skew];
}

describe('leadingEigenpairs', () => {
  it.each([1, 2, 3, 7, 40])('finds the eigenvalues that ml-matrix finds, n = %i', (n) => {
    const a = product(n, n);
    const { values, vectors } = leadingEigenpairs(a, n, n);
    const expected = new EigenvalueDecomposition(Matrix.from1DArray(n, n, Array.from(a))).realEigenvalues.reverse();
    expected.forEach((value, i) => {
      expect(Math.abs(values[i]! - value)).toBeLessThan(1e-12 * expected[0]!);
    });
    const [residual, skew] = errors(a, n, values, vectors);
    expect(residual).toBeLessThan(1e-12 * expected[0]!);
    expect(skew).toBeLessThan(1e-12);
  });

  it('keeps the vectors of equal eigenvalues orthogonal', () => {
    const n = 30;
    const identity = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 3 : 0));
    const { values, vectors } = leadingEigenpairs(identity, n, n);
    expect(Array.from(values)).toEqual(new Array(n).fill(3));
    expect(errors(identity, n, values, vectors)[1]).toBeLessThan(1e-14);
  });

  it('finds zeros beyond the rank, at any scale', () => {
    for (const scale of [1e-160, 1, 1e160]) {
      const n = 24;
      const a = product(n, 5, scale);
      const { values, vectors } = leadingEigenpairs(a, n, 8);
      expect(values[4]! / values[0]!).toBeGreaterThan(0.01);
      for (const value of values.subarray(5)) expect(Math.abs(value)).toBeLessThan(1e-13 * values[0]!);
      const [residual, skew] = errors(a, n, values, vectors);
      expect(residual).toBeLessThan(1e-12 * values[0]!);
      expect(skew).toBeLessThan(1e-12);
    }
  });

  it('finds zeros in a matrix of zeros, and negative eigenvalues last', () => {
    expect(Array.from(leadingEigenpairs(new Float64Array(9), 3, 3).values)).toEqual([0, 0, 0]);
    expect(Array.from(leadingEigenpairs(Float64Array.of(0, 2, 2, 0), 2, 2).values, Math.round)).toEqual([2, -2]);
  });

  it('has the entry of largest magnitude positive', () => {
    const { vectors } = leadingEigenpairs(product(9, 9), 9, 9);
    for (let v = 0; v < 9; v++) {
      const row = Array.from(vectors.subarray(v * 9, v * 9 + 9));
      const most = row.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      expect(most).toBeGreaterThan(0);
    }
  });
});
