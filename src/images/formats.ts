/** Picture formats that nearmiss reads. */
export type PictureFormat = 'png' | 'jpeg' | 'webp' | 'avif' | 'gif';

/** What a file's first bytes say: a picture (with its size where the header has it at a fixed place), or why not. */
export type PictureHeader =
  | { readonly format: PictureFormat; readonly width?: number; readonly height?: number }
  | { readonly reason: string };

const AVIF_BRANDS = new Set(['avif', 'avis', 'mif1', 'miaf', 'MA1B', 'MA1A']);

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

/**
 * Tells a picture by its first bytes, never by its name. SVG is refused: it is a program for a renderer, not pixels.
 *
 * @param bytes the file, or at least its first 64 bytes
 */
export function pictureHeader(bytes: Uint8Array): PictureHeader {
  if (bytes.length === 0) return { reason: 'empty file' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 24 && view.getUint32(0) === 0x89504e47 && view.getUint32(4) === 0x0d0a1a0a) {
    if (ascii(bytes, 12, 16) !== 'IHDR') return { reason: 'PNG without a header' };
    return { format: 'png', width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (bytes.length >= 10 && (ascii(bytes, 0, 6) === 'GIF89a' || ascii(bytes, 0, 6) === 'GIF87a')) {
    return { format: 'gif', width: view.getUint16(6, true), height: view.getUint16(8, true) };
  }
  if (bytes.length >= 3 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return { format: 'jpeg' };
  if (bytes.length >= 12 && ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return { format: 'webp' };
  if (bytes.length >= 16 && ascii(bytes, 4, 8) === 'ftyp') {
    const end = Math.min(view.getUint32(0), bytes.length, 64);
    for (let at = 8; at + 4 <= end; at += 4) {
      if (at !== 12 && AVIF_BRANDS.has(ascii(bytes, at, at + 4))) return { format: 'avif' };
    }
    return { reason: `not a picture that can be read (${ascii(bytes, 8, 12).trim()} file); allowed: ${ALLOWED}` };
  }
  const start = ascii(bytes, 0, Math.min(bytes.length, 512));
  if (/<svg[\s>]|<!DOCTYPE svg/i.test(start)) return { reason: 'SVG is not read; render it to PNG first' };
  return { reason: `not a picture; allowed: ${ALLOWED}` };
}

const ALLOWED = 'PNG, JPEG, WebP, AVIF, GIF';
