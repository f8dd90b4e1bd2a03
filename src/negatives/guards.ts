import { NearmissError } from '../errors.js';

/** Throws NM_SHAPE_MISMATCH unless `value` is an integer of `least` or more. */
export function requireInteger(field: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `${field}: found ${value}, allowed: an integer of ${least} or more`);
  }
}

/** Throws NM_SHAPE_MISMATCH unless there is one id for each of `count` items. */
export function requireIds(field: string, ids: Int32Array | undefined, count: number): void {
  if (ids && ids.length !== count) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `${field}: found ${ids.length} ids, allowed: ${count}, one an item`);
  }
}

/** Squared lengths may be this far from 1: beyond rounding, but a row that is not normalised is caught. */
const TOLERANCE = 0.02;

/** Throws NM_NOT_UNIT_LENGTH unless a row's squared length is about 1; NaN is refused too. */
export function requireUnitLength(field: string, row: number, squaredLength: number): void {
  if (!(Math.abs(squaredLength - 1) <= TOLERANCE)) {
    throw new NearmissError(
      'NM_NOT_UNIT_LENGTH',
      `${field} ${row}: found length ${Math.sqrt(squaredLength)}, allowed: 1 (normalise embeddings first)`,
    );
  }
}

/** `requireUnitLength` for the squared lengths of all rows. */
export function requireUnitRows(field: string, squaredLengths: Float32Array): void {
  for (let row = 0; row < squaredLengths.length; row++) requireUnitLength(field, row, squaredLengths[row]!);
}
