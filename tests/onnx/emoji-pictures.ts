import { decodeBatches } from '../../src/images/batches.js';
import { emojiEntries, emojiItems, emojiPackages } from '../../src/images/emoji-packages.js';

/** Real pictures: `count` Noto emoji, evenly spaced over all of them, uint8 [count, size, size, 3]. */
export async function emojiPictures(count: number, size: number): Promise<Uint8Array> {
  const packages = emojiPackages(process.cwd());
  const entries = await emojiEntries(packages);
  const drawn = Array.from({ length: count }, (_, i) => entries[Math.floor((i * entries.length) / count)]!);
  const pictures = new Uint8Array(count * size * size * 3);
  let at = 0;
  for await (const { data } of decodeBatches(emojiItems(packages.noto, drawn), { size })) {
    pictures.set(data, at);
    at += data.length;
  }
  if (at !== pictures.length) throw new Error(`read ${at} bytes of ${pictures.length}`);
  return pictures;
}
