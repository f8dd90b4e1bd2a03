import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { type EncoderExport, encoderToOnnx } from '../../src/onnx/export.js';
import { type Map64, referenceMap, referenceReadout } from './reference.js';
import { details, randomPictures, randomReadout, specimen } from './specimen.js';

function code(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof NearmissError) return error.code;
    throw error;
  }
  return undefined;
}

async function embed(request: EncoderExport, pixels: Uint8Array): Promise<Float32Array> {
  const embedder = await createEmbedder(encoderToOnnx(request));
  try {
    return await embedder.embed(pixels);
  } finally {
    await embedder.close();
  }
}

describe.each(['tiny-resnet', 'tiny-mobile', 'tiny-resnet-lab'])('exported %s', (name) => {
  const { graph, weights } = specimen(name);
  // 40 gives a 5x5 map, whose quarters overlap.
  describe.each([32, 40, 48])('at size %i', (size) => {
    const count = 2;
    const pixels = randomPictures(count, size);
    let maps: Map64[] | undefined;
    const referenceMaps = (): Map64[] => {
      const picture = pixels.length / count;
      maps ??= [0, 1].map((i) => referenceMap(graph, weights, pixels.subarray(i * picture, (i + 1) * picture), size));
      return maps;
    };

    it.each([
      { pool: 1, whitenedTo: undefined },
      { pool: 1, whitenedTo: 48 },
      { pool: 2, whitenedTo: undefined },
      { pool: 2, whitenedTo: 48 },
    ] as const)(
      'equals the float64 forward pass with pool $pool, whitened to $whitenedTo',
      async ({ pool, whitenedTo }) => {
        const readout = randomReadout(graph, pool, whitenedTo);
        const found = await embed({ graph, weights, size, readout, card: details }, pixels);
        const dimensions = whitenedTo ?? pool * pool * graph.featureChannels;
        expect(found.length).toBe(count * dimensions);
        referenceMaps().forEach((map, row) => {
          const expected = referenceReadout(map, readout);
          const difference = expected.reduce(
            (largest, value, i) => Math.max(largest, Math.abs(value - found[row * dimensions + i]!)),
            0,
          );
          expect(difference).toBeLessThan(2e-6);
          // Otherwise embeddings that barely depend on the picture would pass.
          expect(Math.hypot(...expected)).toBeCloseTo(1, 9);
        });
        const [a, b] = referenceMaps().map((map) => referenceReadout(map, readout)) as [Float64Array, Float64Array];
        expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))).toBeGreaterThan(1e-3);
      },
    );
  });
});

describe('encoderToOnnx', () => {
  const { graph, weights } = specimen('tiny-resnet');
  const request: EncoderExport = { graph, weights, size: 32, readout: randomReadout(graph, 1), card: details };

  it('gives zeros, not NaN, for a picture whose features are all zero', async () => {
    const dead: Record<string, (typeof weights)[string]> = { ...weights };
    for (const norm of ['block3.conv2.norm', 'block3.shortcut.norm']) {
      dead[`${norm}.gamma`] = { shape: [128], data: new Float32Array(128) };
      dead[`${norm}.beta`] = { shape: [128], data: new Float32Array(128).fill(-1) };
    }
    const found = await embed({ ...request, weights: dead }, randomPictures(2, 32));
    expect([...found]).toEqual(new Array(256).fill(0));
  });

  it('gives the same bytes for the same encoder', () => {
    expect(Buffer.compare(encoderToOnnx(request), encoderToOnnx(request))).toBe(0);
  });

  it('refuses missing and wrongly shaped weights', () => {
    const { 'stem.norm.mean': _, ...without } = weights;
    expect(code(() => encoderToOnnx({ ...request, weights: without }))).toBe('NM_SHAPE_MISMATCH');
    const turned = { ...weights, 'stem.kernel': { shape: [3, 3, 32, 3], data: weights['stem.kernel']!.data } };
    expect(code(() => encoderToOnnx({ ...request, weights: turned }))).toBe('NM_SHAPE_MISMATCH');
    const short = { ...weights, 'stem.kernel': { shape: [3, 3, 3, 32], data: new Float32Array(3) } };
    expect(code(() => encoderToOnnx({ ...request, weights: short }))).toBe('NM_SHAPE_MISMATCH');
  });

  it('refuses read-outs that do not fit the encoder', () => {
    const mean = new Float32Array(128);
    const matrix = new Float32Array(128 * 8);
    for (const readout of [
      { pool: 1, whitening: { mean: new Float32Array(64), matrix, dimensions: 8 } },
      { pool: 1, whitening: { mean, matrix, dimensions: 9 } },
    ] as const) {
      expect(code(() => encoderToOnnx({ ...request, readout }))).toBe('NM_SHAPE_MISMATCH');
    }
  });

  it('refuses sizes without a feature map and a grid finer than the map', () => {
    for (const size of [0, 7, 32.5, Number.NaN]) {
      expect(code(() => encoderToOnnx({ ...request, size }))).toBe('NM_OPTION_INVALID');
    }
    const readout = randomReadout(graph, 2);
    expect(code(() => encoderToOnnx({ ...request, size: 8, readout }))).toBe('NM_OPTION_INVALID');
  });

  it('refuses encoders it would export wrongly', () => {
    const nodes = graph.nodes.filter((node) => node.name !== 'stem.norm');
    expect(() => encoderToOnnx({ ...request, graph: { ...graph, nodes } })).toThrow(/'stem' must be read by one batch/);
  });
});
