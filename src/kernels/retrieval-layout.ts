/** Bytes of a query block and where its fields are; assembly/lib/verdict.ts says what they mean. */
export const QUERY = {
  bytes: 128,
  exact: 0,
  floats: 4,
  fine: 8,
  coarse: 12,
  heap: 16,
  top: 20,
  dim: 24,
  stride: 28,
  l2: 32,
  refined: 36,
  exactChecks: 40,
  threshold: 44,
  floatFactor: 68,
} as const;

/** Bytes of a segment block and where its fields are. */
export const SEGMENT = {
  bytes: 64,
  codes: 0,
  scales: 4,
  errors: 8,
  sums: 12,
  norms: 16,
  offsets: 20,
  vectors: 24,
  numbers: 28,
  first: 32,
  mask: 36,
} as const;

/** Bytes of a hit in a heap: score f64, row i32, 4 unused. */
export const HIT_BYTES = 16;
/** The row of a hit that is none. */
export const NO_ROW = 0x7fffffff;

/** How vectors of a dimension are rotated: rounds on blocks of the largest power of two (assembly/rotate.ts). */
export function rotationShape(dimension: number): { readonly block: number; readonly rounds: number } {
  const block = 2 ** Math.floor(Math.log2(dimension));
  return { block, rounds: block === dimension ? 2 : 4 };
}

/** Bytes of the codes of a row: whole vectors of 16. */
export const codeStride = (dimension: number): number => Math.ceil(dimension / 16) * 16;

/** Largest k of a search. */
export const MAX_TOP = 1000;
