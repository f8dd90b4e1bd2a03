// What serve.ts serves: an int8 encoder, a store of items near the embeddings of real pictures, and pictures to ask with.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { readEmoji } from '../src/images/index.js';
import { createEmbedder } from '../src/onnx/index.js';
import { randomStream } from '../src/random.js';
import { openStore } from '../src/retrieve/index.js';

export interface ServeData {
  readonly store: string;
  /** The items' vectors, float32 [items, dim], of length 1. */
  readonly vectors: string;
  readonly dim: number;
  readonly size: number;
  /** PNG files of size x size. */
  readonly pictures: readonly Buffer[];
  remove(): Promise<void>;
}

const BATCH = 1000;

/**
 * Items are embeddings of emoji pictures (Noto's drawings) moved in a random direction, `spread` of their length, so that
 * there can be more of them than pictures; queries are the same emoji of Twemoji, so that nothing is found
 * by being equal.
 */
export async function serveData(
  model: string,
  items: number,
  options: { readonly pictures?: number; readonly spread?: number } = {},
): Promise<ServeData> {
  const { pictures: asked = 256, spread = 0.5 } = options;
  const embedder = await createEmbedder(model);
  const { dim, size, fingerprint } = embedder;
  const { noto, twemoji } = await readEmoji({ size });
  const centres = await embedder.embed(noto.data);
  await embedder.close();
  const folder = await mkdtemp(join(tmpdir(), 'nearmiss-serve-'));
  const rows = around(centres, dim, items, spread);
  const vectors = join(folder, 'rows.f32');
  await writeFile(vectors, rows);
  const path = join(folder, 'store.db');
  const store = await openStore(path, { create: { fingerprint, dimension: dim, metric: 'cosine' } });
  for (let from = 0; from < items; from += BATCH) {
    const length = Math.min(BATCH, items - from);
    await store.upsert(
      Array.from({ length }, (_, i) => ({
        id: `item ${from + i}`,
        vector: rows.subarray((from + i) * dim, (from + i + 1) * dim),
      })),
    );
  }
  await store.close();
  const picture = size * size * 3;
  const step = Math.max(1, Math.floor(twemoji.count / asked));
  const pictures = await Promise.all(
    Array.from({ length: Math.min(asked, twemoji.count) }, (_, i) =>
      // A copy: sharp takes no memory that threads share.
      sharp(twemoji.data.slice(i * step * picture, (i * step + 1) * picture), {
        raw: { width: size, height: size, channels: 3 },
      })
        .png()
        .toBuffer(),
    ),
  );
  return { store: path, vectors, dim, size, pictures, remove: () => rm(folder, { recursive: true, force: true }) };
}

function around(centres: Float32Array, dim: number, items: number, spread: number): Float32Array {
  const random = randomStream(7, 1);
  const count = centres.length / dim;
  const rows = new Float32Array(items * dim);
  const deviation = spread / Math.sqrt(dim);
  for (let row = 0; row < items; row++) {
    const centre = (row % count) * dim;
    let squared = 0;
    for (let j = 0; j < dim; j++) {
      const value = centres[centre + j]! + deviation * random.normal();
      rows[row * dim + j] = value;
      squared += value * value;
    }
    const scale = 1 / Math.sqrt(squared);
    for (let j = 0; j < dim; j++) rows[row * dim + j]! *= scale;
  }
  return rows;
}
