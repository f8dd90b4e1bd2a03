import { beforeAll, describe, expect, it } from 'vitest';
import {
  centredUnit,
  columnMean,
  fitLinearModel,
  PIXEL_WIDTH,
  pixelFeatures,
  type RetrievalQuality,
  retrievalQuality,
  retrievalRanks,
} from '../../src/evaluate/index.js';
import { type EmojiPictures, readEmoji } from '../../src/images/index.js';

/** Rows of a matrix. */
function take(rows: Float32Array, width: number, chosen: Int32Array): Float32Array {
  const taken = new Float32Array(chosen.length * width);
  chosen.forEach((row, to) => {
    taken.set(rows.subarray(row * width, (row + 1) * width), to * width);
  });
  return taken;
}

// Twemoji queries, Noto gallery; figures measured once with PyTorch and NumPy on the same split.
describe('baselines on the emoji that no model has seen', () => {
  let emoji: EmojiPictures;
  let noto: Float32Array;
  let twemoji: Float32Array;

  beforeAll(async () => {
    emoji = await readEmoji({ size: 32 });
    noto = pixelFeatures(emoji.noto.data, 32);
    twemoji = pixelFeatures(emoji.twemoji.data, 32);
  });

  function qualities(queries: Float32Array, gallery: Float32Array, width: number): Record<string, RetrievalQuality> {
    const { heldOut } = emoji;
    const own = Int32Array.from(heldOut, (_, i) => i);
    return {
      heldOut: retrievalQuality(retrievalRanks(queries, take(gallery, width, heldOut), width, own)),
      all: retrievalQuality(retrievalRanks(queries, gallery, width, heldOut)),
    };
  }

  it('reaches 45.3 / 61.6 / .533 and 36.0 with centred pixels', () => {
    const mean = columnMean(take(noto, PIXEL_WIDTH, emoji.training), PIXEL_WIDTH);
    const queries = centredUnit(take(twemoji, PIXEL_WIDTH, emoji.heldOut), mean);
    const { heldOut, all } = qualities(queries, centredUnit(noto, mean), PIXEL_WIDTH);
    expect(heldOut?.queries).toBe(417);
    expect(heldOut?.recallAt1).toBeCloseTo(0.4532, 3);
    expect(heldOut?.recallAt5).toBeCloseTo(0.6163, 3);
    expect(heldOut?.mrr).toBeCloseTo(0.533, 2);
    expect(all?.recallAt1).toBeCloseTo(0.3597, 3);
  });

  it('reaches 54.7 / 66.7 and 41.2 with the linear model of the pairs', () => {
    const model = fitLinearModel(
      take(noto, PIXEL_WIDTH, emoji.training),
      take(twemoji, PIXEL_WIDTH, emoji.training),
      PIXEL_WIDTH,
    );
    expect(model.dimensions).toBe(128);
    const queries = model.b(take(twemoji, PIXEL_WIDTH, emoji.heldOut));
    const { heldOut, all } = qualities(queries, model.a(noto), model.dimensions);
    expect(Math.abs(heldOut!.recallAt1 - 0.547)).toBeLessThan(0.01);
    expect(Math.abs(heldOut!.recallAt5 - 0.667)).toBeLessThan(0.01);
    expect(Math.abs(all!.recallAt1 - 0.412)).toBeLessThan(0.01);
  });
});
