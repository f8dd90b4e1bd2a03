/** How far two models agree on the same pictures. */
export interface Agreement {
  /** Cosine of a picture's two embeddings: on average, and of the worst picture. */
  readonly cosineMean: number;
  readonly cosineMin: number;
  /** Share of a picture's nearest neighbours that both models name, in [0, 1], on average. */
  readonly neighbourOverlap: number;
}

/** Neighbours that are compared, where there are so many other pictures. */
const NEIGHBOURS = 10;

/**
 * Compares embeddings [count, dim] of unit length (or zeros) of the same pictures, each model's neighbours among its own
 * embeddings. NaN where a number is not finite. The cost grows with the square of the count.
 */
export function agreement(found: Float32Array, reference: Float32Array, dim: number): Agreement {
  const count = reference.length / dim;
  let sum = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let row = 0; row < count; row++) {
    const cosine = cosineOf(found, reference, row * dim, dim);
    sum += cosine;
    least = Number.isNaN(cosine) ? cosine : Math.min(least, cosine);
  }
  return { cosineMean: sum / count, cosineMin: least, neighbourOverlap: overlap(found, reference, dim, count) };
}

function cosineOf(a: Float32Array, b: Float32Array, from: number, dim: number): number {
  let product = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let at = from; at < from + dim; at++) {
    product += a[at]! * b[at]!;
    lengthA += a[at]! * a[at]!;
    lengthB += b[at]! * b[at]!;
  }
  // A picture without features is the same to both when both have none.
  if (lengthA === 0 || lengthB === 0) return lengthA === lengthB ? 1 : 0;
  return product / Math.sqrt(lengthA * lengthB);
}

function overlap(found: Float32Array, reference: Float32Array, dim: number, count: number): number {
  const wanted = Math.min(NEIGHBOURS, count - 1);
  if (wanted < 1) return 1;
  let shared = 0;
  for (let row = 0; row < count; row++) {
    const known = new Set(neighbours(reference, dim, count, row, wanted));
    for (const other of neighbours(found, dim, count, row, wanted)) if (known.has(other)) shared++;
  }
  return shared / (count * wanted);
}

/** The rows nearest to a row, itself left out; equal ones by row, lower first. */
function neighbours(rows: Float32Array, dim: number, count: number, row: number, wanted: number): number[] {
  const scores = new Float64Array(count);
  for (let other = 0; other < count; other++) {
    let product = 0;
    for (let at = 0; at < dim; at++) product += rows[row * dim + at]! * rows[other * dim + at]!;
    scores[other] = product;
  }
  const others = Array.from({ length: count }, (_, other) => other).filter((other) => other !== row);
  return others.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, wanted);
}
