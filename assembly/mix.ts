// Hard negative mixing without the mixed vectors (Kalantidis et al. 2020). For unit rows n_i, n_j and an anchor q with
// S_j = q . n_j, a mix's similarity needs only numbers that are there, and one dot product for a pair:
//
//   h  = (a n_i + (1 - a) n_j)/r    r^2 = a^2 + (1 - a)^2 + 2 a (1 - a) n_i . n_j     q . h  = (a S_i + (1 - a) S_j)/r
//   h' = (b q + (1 - b) n_j)/r'     r'^2 = b^2 + (1 - b)^2 + 2 b (1 - b) S_j          q . h' = (b + (1 - b) S_j)/r'
//
// and what it does to q is a weighted sum of its parents, with the coefficients a/r, (1 - a)/r and so on.
import { addScaled, dot } from './lib/rows';
import { clearTop, replaceWorst, sortTop } from './lib/topk';

/** Under the roots: opposite vectors mix to nothing. */
const TINY: f32 = 1e-12;

/**
 * Writes the columns (int32) of a row's `wanted` largest similarities, the largest first and ties by column, and
 * returns how many there are that are not masked. `columns` is a multiple of 4; `scratch` holds 8 bytes a wanted one.
 */
export function rankHardest(row: usize, columns: i32, wanted: i32, ranked: usize, scratch: usize): i32 {
  clearTop(scratch, wanted);
  let worst: f32 = -Infinity;
  let limit = f32x4.splat(worst);
  for (let j = 0; j < columns; j += 4, row += 16) {
    if (!v128.any_true(f32x4.gt(v128.load(row), limit))) continue;
    for (let lane = 0; lane < 4; lane++) {
      const s = load<f32>(row + ((<usize>lane) << 2));
      if (!(s > worst)) continue;
      replaceWorst(scratch, wanted, s, j + lane);
      worst = load<f32>(scratch);
    }
    limit = f32x4.splat(worst);
  }
  sortTop(scratch, wanted);
  let found = 0;
  for (; found < wanted && load<f32>(scratch) > -Infinity; found++, scratch += 8, ranked += 4) {
    store<i32>(ranked, load<i32>(scratch, 4));
  }
  return found;
}

/**
 * Similarities of one anchor to its mixes: of `pairs` of two candidates, then of `queries` of the anchor and a candidate.
 *
 * A recipe is 4 pairs + 3 queries numbers of 32 bits, one array after the other: int32 first[pairs], second[pairs],
 * partner[queries], which are ranks, and float32 a[pairs], -[pairs], b[queries], -[queries]. `ranked` turns a rank into
 * a column of `row`, and `list` (where it is not 0) a column into a number of `rows`. For `addMixes` the ranks are
 * replaced by numbers of rows, and the floats by coefficients: a/r, (1 - a)/r, (1 - b)/r' and b/r'.
 */
export function mixSimilarities(
  row: usize,
  ranked: usize,
  list: usize,
  rows: usize,
  dim: i32,
  pairs: i32,
  queries: i32,
  recipe: usize,
  out: usize,
): void {
  const bytes = (<usize>dim) << 2;
  const pairBytes = (<usize>pairs) << 2;
  const queryBytes = (<usize>queries) << 2;
  const scales = recipe + 2 * pairBytes + queryBytes;
  let at = recipe;
  let scale = scales;
  for (let m = 0; m < pairs; m++, at += 4, scale += 4, out += 4) {
    const i = load<i32>(ranked + ((<usize>load<i32>(at)) << 2));
    const j = load<i32>(ranked + ((<usize>load<i32>(at + pairBytes)) << 2));
    const si = load<f32>(row + ((<usize>i) << 2));
    const sj = load<f32>(row + ((<usize>j) << 2));
    const first = list ? load<i32>(list + ((<usize>i) << 2)) : i;
    const second = list ? load<i32>(list + ((<usize>j) << 2)) : j;
    const both = dot(rows + <usize>first * bytes, rows + <usize>second * bytes, dim);
    const a = load<f32>(scale);
    const rest: f32 = 1 - a;
    const factor: f32 = 1 / sqrt<f32>(max<f32>(TINY, a * a + rest * rest + 2 * a * rest * both));
    store<f32>(out, (a * si + rest * sj) * factor);
    store<i32>(at, first);
    store<i32>(at + pairBytes, second);
    store<f32>(scale, a * factor);
    store<f32>(scale + pairBytes, rest * factor);
  }
  at += pairBytes;
  scale += pairBytes;
  for (let m = 0; m < queries; m++, at += 4, scale += 4, out += 4) {
    const j = load<i32>(ranked + ((<usize>load<i32>(at)) << 2));
    const s = load<f32>(row + ((<usize>j) << 2));
    const b = load<f32>(scale);
    const rest: f32 = 1 - b;
    const factor: f32 = 1 / sqrt<f32>(max<f32>(TINY, b * b + rest * rest + 2 * b * rest * s));
    store<f32>(out, (b + rest * s) * factor);
    store<i32>(at, list ? load<i32>(list + ((<usize>j) << 2)) : j);
    store<f32>(scale, rest * factor);
    store<f32>(scale + queryBytes, b * factor);
  }
}

/** out += sum of weights[m] * mix m, for one anchor and a recipe that `mixSimilarities` has filled in. */
export function addMixes(
  weights: usize,
  recipe: usize,
  pairs: i32,
  queries: i32,
  rows: usize,
  dim: i32,
  anchor: usize,
  out: usize,
): void {
  const bytes = (<usize>dim) << 2;
  const pairBytes = (<usize>pairs) << 2;
  const queryBytes = (<usize>queries) << 2;
  let at = recipe;
  let scale = recipe + 2 * pairBytes + queryBytes;
  for (let m = 0; m < pairs; m++, at += 4, scale += 4, weights += 4) {
    const weight = load<f32>(weights);
    if (weight == 0) continue;
    addScaled(weight * load<f32>(scale), rows + <usize>load<i32>(at) * bytes, dim, out);
    addScaled(weight * load<f32>(scale + pairBytes), rows + <usize>load<i32>(at + pairBytes) * bytes, dim, out);
  }
  at += pairBytes;
  scale += pairBytes;
  let self: f32 = 0;
  for (let m = 0; m < queries; m++, at += 4, scale += 4, weights += 4) {
    const weight = load<f32>(weights);
    if (weight == 0) continue;
    addScaled(weight * load<f32>(scale), rows + <usize>load<i32>(at) * bytes, dim, out);
    self += weight * load<f32>(scale + queryBytes);
  }
  addScaled(self, anchor, dim, out);
}
