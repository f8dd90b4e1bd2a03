import { describe, expect, it } from 'vitest';
import { openDeviceEncoder } from '../../src/device/encoder.js';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { emojiPictures } from '../onnx/emoji-pictures.js';
import { details, randomReadout, specimen } from '../onnx/specimen.js';
import { largestDifference } from './differences.js';

const COUNT = 24;

function exported(name: string, size: number, pool: 1 | 2, whitenedTo?: number): Uint8Array {
  const { graph, weights } = specimen(name);
  const readout = randomReadout(graph, pool, whitenedTo);
  return encoderToOnnx({ graph, weights, size, readout, card: details });
}

async function runtimeVectors(model: Uint8Array, pixels: Uint8Array): Promise<Float32Array> {
  const embedder = await createEmbedder(model);
  const vectors = await embedder.embed(pixels);
  await embedder.close();
  return vectors;
}

describe.each(SIMD_TIERS)('float32 encoders on %s SIMD', (tier) => {
  it.each([
    ['tiny-resnet', 32, 2, 128],
    // Maps of odd sides, and narrower than a tile of the kernels.
    ['tiny-resnet', 44, 2, 37],
    ['tiny-resnet', 9, 1, undefined],
    ['tiny-mobile', 32, 2, 64],
    ['tiny-mobile', 20, 1, 5],
    ['tiny-resnet-lab', 32, 2, 64],
  ] as const)("give onnxruntime's vectors of real pictures: %s, %i pixels", async (name, size, pool, whitened) => {
    const pixels = await emojiPictures(COUNT, size);
    const model = exported(name, size, pool, whitened);
    const encoder = await openDeviceEncoder(model, { tier });
    const found = encoder.embed(pixels);
    const expected = await runtimeVectors(model, pixels);
    expect(encoder).toMatchObject({ size, tier, dim: expected.length / COUNT });
    expect(largestDifference(found, expected)).toBeLessThan(1e-6);
  });
});
