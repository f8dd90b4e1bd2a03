import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { randomStream } from '../../src/random.js';

/** Background and shape of each class. */
const COLOURS = [
  ['#f4d35e', '#0d3b66'],
  ['#2a9d8f', '#e76f51'],
  ['#6d597a', '#ffffff'],
  ['#d62828', '#f1faee'],
] as const;

/**
 * A folder with one folder a class: `perClass` pictures of each of `classes` (at most 4), which differ in colours and in
 * where a rectangle stands, so that any encoder that looks tells them apart.
 */
export async function classFolders(classes: number, perClass: number, seed: number, size = 32): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'nearmiss-classes-'));
  for (let label = 0; label < classes; label++) {
    const [ground, shape] = COLOURS[label]!;
    const folder = join(root, `class-${label}`);
    await mkdir(folder);
    for (let i = 0; i < perClass; i++) {
      const random = randomStream(seed, label, i);
      const [x, y, w, h] = [
        4 + random.integer(10),
        4 + random.integer(10),
        6 + random.integer(10),
        4 + random.integer(9),
      ];
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}"><rect width="100%" height="100%" fill="${ground}"/><rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${shape}"/></svg>`;
      await sharp(Buffer.from(svg))
        .png()
        .toFile(join(folder, `${i}.png`));
    }
  }
  return root;
}
