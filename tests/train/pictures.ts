import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { randomStream } from '../../src/random.js';

/** A folder of `count` coloured pictures, each unlike the others, written as PNG. */
export async function pictureFolder(count: number, size = 32): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nearmiss-pictures-'));
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const random = randomStream(99, i);
    const raw = new Uint8Array(size * size * 3).fill(255);
    for (let shape = 0; shape < 4; shape++) {
      const [x, y, w, h] = [0, 0, 0, 0].map(() => random.integer(size));
      const colour = [random.integer(256), random.integer(256), random.integer(256)];
      for (let row = y!; row < Math.min(size, y! + h! + 4); row++) {
        for (let column = x!; column < Math.min(size, x! + w! + 4); column++)
          raw.set(colour, (row * size + column) * 3);
      }
    }
    const file = join(folder, `${String(i).padStart(3, '0')}.png`);
    await sharp(raw, { raw: { width: size, height: size, channels: 3 } })
      .png()
      .toFile(file);
  }
  return folder;
}
