import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { openDeviceEncoder } from '../../src/device/index.js';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { decodeModel } from '../../src/onnx/model.js';
import { planQuantisation, quantiseGraph } from '../../src/onnx/quantise-graph.js';
import { calibrate } from '../../src/onnx/quantise-ranges.js';
import { encodeSealedModel } from '../../src/onnx/seal.js';
import { chromiumPath, type OpenPage, openPage } from '../chromium.js';
import { emojiPictures } from '../onnx/emoji-pictures.js';
import { details, randomReadout, specimen } from '../onnx/specimen.js';
import { largestDifference } from './differences.js';
import { bundleEngine } from './engine-bundle.js';

declare global {
  var nearmissDevice: { readonly openDeviceEncoder: typeof openDeviceEncoder };
}

const SIZE = 32;
const COUNT = 24;
const chromium = chromiumPath();
if (!chromium) console.warn('no Chromium on the PATH: the device engine is not tested in a page');

describe.skipIf(!chromium)('openDeviceEncoder in Chromium', () => {
  let open: OpenPage;
  let pixels: Uint8Array;
  const models: Record<string, Uint8Array> = {};

  beforeAll(async () => {
    pixels = await emojiPictures(COUNT, SIZE);
    const { graph, weights } = specimen('tiny-resnet');
    const readout = randomReadout(graph, 2, 64);
    models['float32'] = encoderToOnnx({ graph, weights, size: SIZE, readout, card: details });
    const model = decodeModel(models['float32']);
    const plan = planQuantisation(model.graph!);
    const { ranges, means } = await calibrate(model, plan, pixels, SIZE);
    const values = { ranges: ranges.percentile, means };
    const int8 = quantiseGraph(model.graph!, plan, values, { format: 'u8s8', reduceRange: true });
    models['int8'] = encodeSealedModel({ ...model, graph: int8 });
    const { text } = await bundleEngine(
      `import { openDeviceEncoder } from './index.js'; globalThis.nearmissDevice = { openDeviceEncoder };`,
    );
    open = await openPage((path) => {
      if (path === '/engine.js') return text;
      if (path === '/pixels') return pixels;
      if (path.startsWith('/wasm/')) return readFileSync(new URL(`../../dist${path}`, import.meta.url));
      return models[path.slice(1)];
    });
    await open.page.addScriptTag({ url: '/engine.js', type: 'module' });
    await open.page.waitForFunction('globalThis.nearmissDevice');
  });
  afterAll(() => open?.close());

  it.each(['float32', 'int8'].flatMap((precision) => SIMD_TIERS.map((tier) => [precision, tier] as const)))(
    "gives onnxruntime's vectors of real pictures: %s, %s SIMD",
    async (precision, tier) => {
      const found = await open.page.evaluate(
        async ([path, simd]) => {
          const bytes = async (url: string): Promise<Uint8Array> =>
            new Uint8Array(await (await fetch(url)).arrayBuffer());
          const kernels = { plain: '/wasm/device-plain.wasm', relaxed: '/wasm/device-relaxed.wasm' };
          const encoder = await nearmissDevice.openDeviceEncoder(await bytes(path), { kernels, tier: simd });
          const { fingerprint, tier: used } = encoder;
          return { fingerprint, used, vectors: [...encoder.embed(await bytes('/pixels'))] };
        },
        [`/${precision}`, tier] as const,
      );
      const embedder = await createEmbedder(models[precision]!);
      const expected = await embedder.embed(pixels);
      await embedder.close();
      expect(found.used).toBe(tier);
      // A page has no hash of Node's, and outside of secure contexts none at all.
      expect(found.fingerprint).toBe(embedder.fingerprint);
      expect(largestDifference(Float32Array.from(found.vectors), expected)).toBeLessThan(1e-6);
      expect(open.errors).toEqual([]);
    },
  );
});
