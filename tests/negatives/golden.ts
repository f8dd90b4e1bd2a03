/** Largest difference, relative to the largest entry. */
export function gradientError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let largest = 0;
  for (let k = 0; k < expected.length; k++) {
    difference = Math.max(difference, Math.abs(found[k]! - expected[k]!));
    largest = Math.max(largest, Math.abs(expected[k]!));
  }
  return difference / largest;
}

/** The gradient through g = z/|z| at a unit z, as references that normalise their inputs again give it. */
export function throughNormalisation(gradient: Float32Array, z: readonly number[], dim: number): number[] {
  const result: number[] = [];
  for (let start = 0; start < z.length; start += dim) {
    let along = 0;
    for (let k = start; k < start + dim; k++) along += gradient[k]! * z[k]!;
    for (let k = start; k < start + dim; k++) result.push(gradient[k]! - along * z[k]!);
  }
  return result;
}
