import { NearmissError } from '../errors.js';
import type { StoreEncoder } from './store.js';
import { checkMetric, checkWhole, MAX_DIMENSION } from './vectors.js';

/**
 * Checks what is to be written into a new store about its encoder.
 *
 * @throws `NM_OPTION_INVALID`
 */
export function checkedEncoder(encoder: StoreEncoder, maxDimension: number = MAX_DIMENSION): StoreEncoder {
  const { fingerprint, dimension, metric = 'cosine' } = encoder;
  checkWhole('dimension', dimension, 1, maxDimension);
  checkMetric(metric);
  if (typeof fingerprint !== 'string' || fingerprint.length < 1 || fingerprint.length > 256) {
    throw new NearmissError(
      'NM_OPTION_INVALID',
      `fingerprint: found ${JSON.stringify(fingerprint)}, allowed: 1 to 256 characters`,
    );
  }
  return encoder;
}

/** Throws `NM_ENCODER_MISMATCH` unless a store's encoder and the one that is to fill it are the same. */
export function checkSameEncoder(place: string, info: StoreEncoder, wanted: StoreEncoder): void {
  for (const [name, found, allowed] of [
    ['encoder', wanted.fingerprint, info.fingerprint],
    ['dimension', wanted.dimension, info.dimension],
    ['metric', wanted.metric ?? 'cosine', info.metric],
  ]) {
    if (found === allowed) continue;
    throw new NearmissError(
      'NM_ENCODER_MISMATCH',
      `${place}: found ${name} ${found}, allowed: ${allowed}, which filled it`,
    );
  }
}

/** Throws `NM_ENCODER_MISMATCH` for a fingerprint other than the store's. */
export function checkFingerprint(place: string, info: StoreEncoder, fingerprint: string): void {
  if (fingerprint === info.fingerprint) return;
  throw new NearmissError(
    'NM_ENCODER_MISMATCH',
    `${place}: found encoder ${fingerprint}, allowed: ${info.fingerprint}, which filled it`,
  );
}

/** Throws `NM_ENCODER_MISMATCH` where a store was given another encoder (`--reembed`) while it was open. */
export function checkStillSame(place: string, info: StoreEncoder, now: string): void {
  if (now === info.fingerprint) return;
  throw new NearmissError(
    'NM_ENCODER_MISMATCH',
    `${place}: it was filled anew by encoder ${now} since it was opened with ${info.fingerprint}; open it again`,
  );
}

/** `NM_REEMBED_INCOMPLETE`: items that would be lost. */
export function incompleteReembedding(place: string, count: number, first: string): NearmissError {
  return new NearmissError(
    'NM_REEMBED_INCOMPLETE',
    `${place}: ${count} items have no vector of the new encoder yet, the first: ${JSON.stringify(first)}`,
  );
}
