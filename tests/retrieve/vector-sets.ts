import { type Random, randomStream } from '../../src/random.js';
import type { Metric } from '../../src/retrieve/vectors.js';

type Make = (dim: number, random: Random) => (row: number) => Float32Array;

const each = (draw: (random: Random, row: number, j: number) => number): Make => {
  return (dim, random) => (row) => Float32Array.from({ length: dim }, (_, j) => draw(random, row, j));
};

/** Kinds of vectors that a bound on scores must hold for: name → maker of row i. */
export const VECTOR_SETS: Readonly<Record<string, Make>> = {
  gaussian: each((random) => random.normal()),
  'heavy tails': each((random) => random.normal() ** 5),
  sparse: each((random) => (random.uniform() < 0.05 ? random.normal() : 0)),
  positive: each((random) => Math.abs(random.normal())),
  'near-duplicates': (dim, random) => {
    const centre = Float32Array.from({ length: dim }, () => random.normal());
    return () => centre.map((value) => value + 1e-5 * random.normal());
  },
  // Their float32 products round to more than they differ by.
  'last bits': (dim, random) => {
    const centre = Float32Array.from({ length: dim }, () => random.normal());
    return () => centre.map((value) => value * (1 + 2 ** -22 * (random.integer(5) - 2)));
  },
  // Rotated, all components are equal up to their sign: the codes are exact, and only the query's error remains.
  'one direction': (dim, random) => () => {
    const vector = new Float32Array(dim);
    vector[0] = 1 + 1e-6 * random.normal();
    return vector;
  },
  constant: each(() => 0.3),
  'few values, many ties': each((random) => random.integer(3) - 1),
  'one component': (dim, random) => () => {
    const vector = new Float32Array(dim);
    vector[random.integer(dim)] = random.normal();
    return vector;
  },
  'tiny norms': each((random) => 1e-12 * random.normal()),
  'subnormal numbers': each((random) => 1e-41 * random.normal()),
  'huge norms': each((random) => 1e15 * random.normal()),
  'norms of every size': (dim, random) => () => {
    const size = Math.exp(7 * random.normal());
    return Float32Array.from({ length: dim }, () => size * random.normal());
  },
  'far from zero': (dim, random) => () => Float32Array.from({ length: dim }, () => 1000 + random.normal()),
  'zeros between': (dim, random) => (row) =>
    row % 3 === 0 ? new Float32Array(dim) : Float32Array.from({ length: dim }, () => random.normal()),
};

/** Rows [count, dim] of a set. */
export function vectorsOf(name: string, count: number, dim: number, seed: number): Float32Array {
  const random = randomStream(41, seed, dim, name.length);
  const make = VECTOR_SETS[name]!(dim, random);
  const rows = new Float32Array(count * dim);
  for (let row = 0; row < count; row++) rows.set(make(row), row * dim);
  return rows;
}

/** Rows of length 1 in float32, as an index under cosine keeps them; zeros stay. */
export function unitRows(rows: Float32Array, dim: number): Float32Array {
  const unit = rows.slice();
  for (let at = 0; at < rows.length; at += dim) {
    let squared = 0;
    for (let j = 0; j < dim; j++) squared += rows[at + j]! ** 2;
    if (squared > 0) for (let j = 0; j < dim; j++) unit[at + j] = rows[at + j]! * (1 / Math.sqrt(squared));
  }
  return unit;
}

/** What a row is ranked by, in float64, larger is better: the product, or minus the distance. */
export function exactScore(row: Float32Array, query: Float32Array, metric: Metric): number {
  let sum = 0;
  if (metric === 'l2') {
    for (let j = 0; j < row.length; j++) sum += (row[j]! - query[j]!) ** 2;
    return -Math.sqrt(sum);
  }
  for (let j = 0; j < row.length; j++) sum += row[j]! * query[j]!;
  return sum;
}

/**
 * What is wrong with a query's hits, in a few words: nothing where they are the best rows in float64, best first, equal
 * scores by row. Sums of float64 in another order may differ by `rounding` of their largest terms.
 */
export function faultsOf(
  hits: { readonly rows: Int32Array; readonly scores: Float32Array },
  rows: Float32Array,
  query: Float32Array,
  metric: Metric,
  allowed: (row: number) => boolean,
  k: number,
): string[] {
  const dim = query.length;
  const count = rows.length / dim;
  const exact = new Float64Array(count).fill(Number.NaN);
  const zeros = new Float32Array(dim);
  const asked = -exactScore(query, zeros, 'l2');
  let size = metric === 'l2' ? asked : 0;
  const order: number[] = [];
  for (let row = 0; row < count; row++) {
    if (!allowed(row)) continue;
    const vector = rows.subarray(row * dim, (row + 1) * dim);
    exact[row] = exactScore(vector, query, metric);
    size = Math.max(size, -exactScore(vector, zeros, 'l2') * (metric === 'l2' ? 1 : asked));
    order.push(row);
  }
  const rounding = 1e-13 * size;
  order.sort((a, b) => exact[b]! - exact[a]! || a - b).splice(k);
  const wrong: string[] = [];
  if (hits.rows.length !== order.length) wrong.push(`${hits.rows.length} hits for ${order.length}`);
  if (new Set(hits.rows).size !== hits.rows.length) wrong.push('a row twice');
  for (const [i, row] of hits.rows.entries()) {
    const right = order[i];
    if (right === undefined) break;
    const score = exact[row]!;
    if (Number.isNaN(score)) wrong.push(`row ${row} may not be found`);
    else {
      if (row !== right && !(Math.abs(score - exact[right]!) <= rounding)) {
        wrong.push(`hit ${i}: row ${row} with ${score}, allowed ${right} with ${exact[right]}`);
      }
      const shown = metric === 'l2' ? -hits.scores[i]! : hits.scores[i]!;
      const error = 2 ** -23 * Math.abs(score) + rounding + 1e-44;
      if (!(Math.abs(shown - score) <= error)) wrong.push(`row ${row}: score ${shown} for ${score}`);
    }
  }
  return wrong;
}
