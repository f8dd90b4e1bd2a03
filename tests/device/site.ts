import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bundle, type BundleOptions, writeBundle } from '../../src/device/bundle.js';
import { fitWhitening } from '../../src/encoders/whitening.js';
import { decodeBatches, pictureBatches } from '../../src/images/batches.js';
import { type EmojiEntry, emojiEntries, emojiItems, emojiPackages } from '../../src/images/emoji-packages.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { indexPictures } from '../../src/retrieve/indexing.js';
import type { JsonObject } from '../../src/retrieve/items.js';
import { openStore } from '../../src/retrieve/sqlite-store.js';
import { openTrainerEncoder } from '../../src/train/features.js';
import { details, specimen } from '../onnx/specimen.js';

const SIZE = 32;
const POOL = 2;
const packages = emojiPackages(process.cwd());

/** An index of Noto emoji by an encoder that was not trained, whitened on the pairs of Noto and Twemoji pictures. */
export interface EmojiStore {
  readonly folder: string;
  readonly store: string;
  readonly model: string;
  /** The Noto pictures, by their ids. */
  readonly pictures: string;
  /** Twemoji pictures of the same emoji. */
  readonly queries: readonly string[];
}

async function pixelsOf(folder: string, entries: readonly EmojiEntry[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const { data } of decodeBatches(emojiItems(folder, entries), { size: SIZE })) parts.push(data);
  return Buffer.concat(parts);
}

async function writeEncoder(path: string, entries: readonly EmojiEntry[]): Promise<void> {
  const { graph, weights } = specimen('tiny-resnet');
  const noto = await pixelsOf(packages.noto, entries);
  const encoder = await openTrainerEncoder({ graph, weights, size: SIZE, pool: POOL });
  const a = await encoder.features(noto);
  const b = await encoder.features(await pixelsOf(packages.twemoji, entries));
  await encoder.close();
  const width = a.length / entries.length;
  const whitening = await fitWhitening(a, b, { width, dimensions: 64 });
  await writeFile(
    path,
    encoderToOnnx({ graph, weights, size: SIZE, readout: { pool: POOL, whitening }, card: details }),
  );
}

export async function emojiStore(folder: string, count: number): Promise<EmojiStore> {
  const all = await emojiEntries(packages);
  const entries = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
  const [model, store, pictures] = ['model.onnx', 'store.db', 'pictures'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(pictures, { recursive: true });
  for (const { image } of entries) await copyFile(join(packages.noto, image), join(pictures, image));
  await writeEncoder(model, entries);
  const embedder = await createEmbedder(model);
  const { fingerprint, dim: dimension, card } = embedder;
  const modelCard = JSON.parse(JSON.stringify(card)) as JsonObject;
  const opened = await openStore(store, { create: { fingerprint, dimension, modelPath: model, modelCard } });
  async function* batches() {
    for await (const batch of pictureBatches(pictures, { size: SIZE })) {
      yield { ...batch, metadata: batch.names.map((path) => ({ path, source: pictures })) };
    }
  }
  await indexPictures({ store: opened, fingerprint, batches: batches(), embed: (pixels) => embedder.embed(pixels) });
  await opened.close();
  await embedder.close();
  const queries = entries.map(({ image }) => join(packages.twemoji, image));
  return { folder, store, model, pictures, queries };
}

export async function bundleOf(store: string, site: string, options: BundleOptions = {}): Promise<Bundle> {
  const opened = await openStore(store, { readOnly: true });
  try {
    return await writeBundle(opened, site, options);
  } finally {
    await opened.close();
  }
}

export const configOf = async (site: string): Promise<JsonObject> =>
  JSON.parse(await readFile(join(site, 'config.json'), 'utf8')) as JsonObject;
