import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodePicture } from '../../src/images/decode.js';

const folder = fileURLToPath(new URL('../../node_modules/emoji-datasource-google/img/google/64/', import.meta.url));

/** Real pictures, uint8 [count, size, size, 3]: emoji, evenly spread over the font. */
export async function emojiPixels(count: number, size: number): Promise<Uint8Array> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.png'));
  const pixels = new Uint8Array(count * size * size * 3);
  for (let i = 0; i < count; i++) {
    const file = files[Math.floor((i * files.length) / count)]!;
    pixels.set(await decodePicture(readFileSync(folder + file), { size }), i * size * size * 3);
  }
  return pixels;
}

/** The largest difference of two lists; NaN if either has one. */
export function largestDifference(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.NaN;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
