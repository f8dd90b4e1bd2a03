// What a scan needs to know of a query: its rotated copy in 16 and in 5 bits, and the factors of the bounds (the proof is in
// scan-codes.ts). The query has a length in [1, 2) or is compared by l2, where `slack` covers underflow.
import {
  COARSE,
  COARSE_FACTOR,
  COARSE_SCALE,
  DIM,
  ERROR_FACTOR,
  EXACT,
  FINE,
  FINE_FACTOR,
  FINE_SCALE,
  FLOAT_FACTOR,
  FLOATS,
  SLACK,
  SQUARED,
  STRIDE,
} from './lib/verdict';
import { rotate } from './rotate';

/** 2^-24: half the distance from 1 to the next float32. */
const U: f64 = 5.960464477539063e-8;
const UP: f64 = 1.0000002384185791;
/** 2^-126, added to every factor: more than the parts of a query that is subnormal in float32 lose. */
const LEAST: f64 = 1.1754943508222875e-38;

/** A scale that is normal in float32, so that dividing by it loses nothing to underflow. */
// @ts-ignore: decorator
@inline
function unit(value: f64): f64 {
  return <f64>(<f32>max<f64>(value, 1e-36));
}

/**
 * Fills in a query block whose addresses, k, dim, stride and l2 are set and whose exact vector, f64 [dim], is in place.
 * rotated: f32 [dim], scratch.
 */
export function prepareQuery(query: usize, block: i32, rounds: i32, signs: usize, rotated: usize): void {
  const dim = load<i32>(query, DIM);
  const stride = load<i32>(query, STRIDE);
  const exact = <usize>load<u32>(query, EXACT);
  const floats = <usize>load<u32>(query, FLOATS);
  const fine = <usize>load<u32>(query, FINE);
  const coarse = <usize>load<u32>(query, COARSE);
  let squared: f64 = 0;
  for (let j: usize = 0; j < <usize>dim; j++) {
    const x = load<f64>(exact + (j << 3));
    squared += x * x;
    store<f32>(floats + (j << 2), <f32>x);
    store<f32>(rotated + (j << 2), <f32>x);
  }
  const length = sqrt(squared);
  rotate(rotated, dim, block, rounds, signs);
  let most: f64 = 0;
  for (let j: usize = 0; j < <usize>dim; j++) most = max<f64>(most, <f64>abs<f32>(load<f32>(rotated + (j << 2))));

  // 16 bits, less where the sum of products could pass 2^31: by Cauchy and Schwarz it is at most |fine| * 127 √dim, and
  // |fine| <= |q| / scale + √dim / 2.
  const fineScale = unit(max<f64>(most / 32767, (length * 127 * sqrt(<f64>dim)) / 1.5e9));
  const coarseScale = unit(most / 15);
  let fineMissed: f64 = 0;
  let coarseMissed: f64 = 0;
  memory.fill(fine, 0, (<usize>stride) << 1);
  memory.fill(coarse, 16, stride);
  for (let j: usize = 0; j < <usize>dim; j++) {
    const y = <f64>load<f32>(rotated + (j << 2));
    const f = min<f64>(32767, max<f64>(-32767, nearest<f64>(y / fineScale)));
    const c = min<f64>(15, max<f64>(-15, nearest<f64>(y / coarseScale)));
    store<i16>(fine + (j << 1), <i16>f);
    store<u8>(coarse + j, <u8>(<i32>c + 16));
    fineMissed += (y - f * fineScale) * (y - f * fineScale);
    coarseMissed += (y - c * coarseScale) * (y - c * coarseScale);
  }
  // Twice the rotation's R (of the row and of the query), and 40 for the roundings of a bound itself.
  let levels = 2;
  for (let size = 1; size < block; size <<= 1) levels++;
  const roundoff = U * length * <f64>(2 * rounds * levels + 40);
  store<f32>(query, <f32>fineScale, FINE_SCALE);
  store<f32>(query, <f32>coarseScale, COARSE_SCALE);
  store<f32>(query, <f32>(length * UP + LEAST), ERROR_FACTOR);
  store<f32>(query, <f32>((sqrt(fineMissed) + roundoff) * UP + LEAST), FINE_FACTOR);
  store<f32>(query, <f32>((sqrt(coarseMissed) + roundoff) * UP + LEAST), COARSE_FACTOR);
  // A float32 product of dim terms is off by dim u |q||x| at most, in whatever order it is added.
  store<f32>(query, <f32>(U * length * <f64>(dim + 40) * UP + LEAST), FLOAT_FACTOR);
  store<f32>(query, 7.888609e-31, SLACK);
  store<f64>(query, squared, SQUARED);
}
