import { describe, expect, it } from 'vitest';
import { mapEmbeddings } from '../../src/evaluate/index.js';
import { randomStream } from '../../src/random.js';

const [COUNT, WIDTH, GROUPS] = [90, 8, 3];

/** Unit rows around three directions. */
function groups(): Float32Array {
  const random = randomStream(8);
  const rows = Float32Array.from(
    { length: COUNT * WIDTH },
    (_, i) => (i % WIDTH === Math.floor(i / WIDTH) % GROUPS ? 1 : 0) + 0.05 * random.normal(),
  );
  for (let at = 0; at < rows.length; at += WIDTH) {
    const length = Math.hypot(...rows.subarray(at, at + WIDTH));
    for (let i = at; i < at + WIDTH; i++) rows[i]! /= length;
  }
  return rows;
}

describe('mapEmbeddings', () => {
  it('keeps neighbours together: the nearest point of the map is of the same group', async () => {
    const map = await mapEmbeddings(groups(), WIDTH, { seed: 1 });
    expect(map).toHaveLength(2 * COUNT);
    for (let i = 0; i < COUNT; i++) {
      let nearest = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let j = 0; j < COUNT; j++) {
        const distance = Math.hypot(map[2 * i]! - map[2 * j]!, map[2 * i + 1]! - map[2 * j + 1]!);
        if (j !== i && distance < least) [nearest, least] = [j, distance];
      }
      expect(nearest % GROUPS).toBe(i % GROUPS);
    }
  });

  it('is the same for the same rows and seed', async () => {
    const first = await mapEmbeddings(groups(), WIDTH, { seed: 1 });
    expect(await mapEmbeddings(groups(), WIDTH, { seed: 1 })).toEqual(first);
    expect(await mapEmbeddings(groups(), WIDTH, { seed: 2 })).not.toEqual(first);
  });

  it('lays out as few as five rows, and no fewer', async () => {
    const map = await mapEmbeddings(groups().slice(0, 5 * WIDTH), WIDTH);
    expect(map.every(Number.isFinite)).toBe(true);
    const four = mapEmbeddings(groups().slice(0, 4 * WIDTH), WIDTH);
    await expect(four).rejects.toMatchObject({ code: 'NM_SHAPE_MISMATCH' });
  });
});
