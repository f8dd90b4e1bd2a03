import type { PictureFormat } from '../images/formats.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The size that a JPEG or WebP file states, which `pictureHeader` leaves out because it has no fixed place.
 *
 * @param bytes the beginning of a file of that format
 * @returns undefined where it is not within these bytes, or for another format
 */
export function pictureSize(bytes: Uint8Array, format: PictureFormat): Size | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (format === 'jpeg') return jpegSize(view);
    return format === 'webp' ? webpSize(view) : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined; // past the end of `bytes`
    throw error;
  }
}

/** Goes from marker to marker up to the frame header (SOF0 … SOF15 without DHT, JPG and DAC). */
function jpegSize(view: DataView): Size | undefined {
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff)
      at += 1; // fill byte
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    } else at += 2 + view.getUint16(at + 2);
  }
}

/** The first chunk: extended (VP8X), lossless (VP8L) or lossy (VP8 ). */
function webpSize(view: DataView): Size | undefined {
  const chunk = view.getUint32(12);
  const uint24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (chunk === 0x56503858) return { width: uint24(24) + 1, height: uint24(27) + 1 };
  if (chunk === 0x5650384c) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (chunk !== 0x56503820) return undefined;
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}
