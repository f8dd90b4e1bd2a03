import { decodePicture } from '../images/decode.js';
import { type Fit, resizeArea } from '../images/resize.js';
import { decodeSimplePng } from '../images/simple-png.js';

/** What a picture of a request may cost. */
export interface ServedPictureLimits {
  /** Bytes of the file. */
  readonly maxBytes: number;
  /** Width x height, checked in the header. */
  readonly maxPixels: number;
  /** Seconds of decoding. */
  readonly maxSeconds: number;
}

/**
 * A picture of a request as the encoder takes it: the same pixels as `decodePicture`, to the bit, small PNGs quicker.
 *
 * @returns `[size, size, 3]` RGB
 * @throws as `decodePicture` does
 */
export async function decodeServed(
  file: Uint8Array,
  square: { readonly size: number; readonly fit: Fit },
  limits: ServedPictureLimits,
): Promise<Uint8Array<ArrayBuffer>> {
  const { size, fit } = square;
  const simple = file.length <= limits.maxBytes ? decodeSimplePng(file) : undefined;
  if (simple && simple.width * simple.height <= limits.maxPixels) return resizeArea(simple, size, fit);
  return decodePicture(file, { ...square, ...limits });
}
