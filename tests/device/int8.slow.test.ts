import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDeviceEncoder } from '../../src/device/encoder.js';
import type { SimdTier } from '../../src/kernels/load.js';
import { CARD_KEY, cardOf } from '../../src/onnx/card.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { INPUT_NAME, OUTPUT_NAME } from '../../src/onnx/interface.js';
import { DataType, decodeModel, encodeModel, type ModelProto } from '../../src/onnx/model.js';
import { makeNode, makeTensorValueInfo } from '../../src/onnx/nodes.js';
import { planQuantisation, type QuantisationFormat, quantiseGraph } from '../../src/onnx/quantise-graph.js';
import { calibrate } from '../../src/onnx/quantise-ranges.js';
import { encodeSealedModel } from '../../src/onnx/seal.js';
import { emojiPictures } from '../onnx/emoji-pictures.js';
import { details, randomReadout, specimen } from '../onnx/specimen.js';
import { largestDifference } from './differences.js';

const COUNT = 16;
const SIZE = 32;

interface Int8 {
  readonly model: ModelProto;
  /** The maps that became codes: names, and elements of one picture's. */
  readonly maps: ReadonlyMap<string, number>;
}

/** Elements of a picture's map, of each of some tensors. */
async function elementsOf(model: ModelProto, tensors: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const output = tensors.map((name) => ({ name, type: { tensorType: { elemType: DataType.FLOAT } } }));
  const session = await InferenceSession.create(encodeModel({ ...model, graph: { ...model.graph!, output } }));
  const image = new Tensor('uint8', new Uint8Array(SIZE * SIZE * 3), [1, SIZE, SIZE, 3]);
  const values = await session.run({ [INPUT_NAME]: image });
  await session.release();
  return new Map(tensors.map((name) => [name, values[name]!.size]));
}

/** Weights of 7 bits: onnxruntime's sums of u8s8 products are exact on any CPU then, not only on those with VNNI. */
async function quantised(name: string, format: QuantisationFormat, pixels: Uint8Array): Promise<Int8> {
  const { graph, weights } = specimen(name);
  const readout = randomReadout(graph, 2, 32);
  const model = decodeModel(encoderToOnnx({ graph, weights, size: SIZE, readout, card: details }));
  const plan = planQuantisation(model.graph!);
  const { ranges, means } = await calibrate(model, plan, pixels, SIZE);
  const integers = quantiseGraph(
    model.graph!,
    plan,
    { ranges: ranges.percentile, means },
    { format, reduceRange: true },
  );
  return { model: { ...model, graph: integers }, maps: await elementsOf(model, plan.tensors) };
}

/** A model whose "embedding" is the numbers that a map's codes stand for: equal numbers are equal codes. */
function endingAt({ model, maps }: Int8, tensor: string): Uint8Array {
  const graph = model.graph!;
  const makers = new Map(graph.node.map((node) => [node.output[0]!, node]));
  const needed = new Set<string>();
  const need = (name: string): void => {
    if (needed.has(name)) return;
    needed.add(name);
    for (const input of makers.get(name)?.input ?? []) need(input);
  };
  need(`${tensor}.dequantised`);
  const dim = maps.get(tensor)!;
  const node = graph.node.filter(({ output }) => needed.has(output[0]!));
  return encodeSealedModel({
    ...model,
    graph: {
      ...graph,
      node: [...node, makeNode('Flatten', [`${tensor}.dequantised`], OUTPUT_NAME, { axis: 1 })],
      initializer: graph.initializer.filter(({ name }) => needed.has(name!)),
      output: [makeTensorValueInfo(OUTPUT_NAME, DataType.FLOAT, ['batch', dim])],
    },
    metadataProps: [{ key: CARD_KEY, value: JSON.stringify({ ...cardOf(model), dim }) }],
  });
}

async function both(bytes: Uint8Array, tier: SimdTier, pixels: Uint8Array): Promise<[Float32Array, Float32Array]> {
  const found = (await openDeviceEncoder(bytes, { tier })).embed(pixels);
  const embedder = await createEmbedder(bytes);
  const expected = await embedder.embed(pixels);
  await embedder.close();
  return [found, expected];
}

let pixels: Uint8Array;
beforeAll(async () => {
  pixels = await emojiPictures(COUNT, SIZE);
});

/** The share of numbers that differ. */
function differing(found: Float32Array, expected: Float32Array): number {
  return found.filter((number, i) => number !== expected[i]).length / expected.length;
}

/** The smallest cosine of a picture's two vectors. */
function leastCosine(found: Float32Array, expected: Float32Array): number {
  const dim = found.length / COUNT;
  const cosines = Array.from({ length: COUNT }, (_, picture) => {
    let cosine = 0;
    for (let j = picture * dim; j < (picture + 1) * dim; j++) cosine += found[j]! * expected[j]!;
    return cosine;
  });
  return Math.min(...cosines);
}

describe('int8 encoders', () => {
  it.each([
    ['tiny-resnet', 'plain'],
    ['tiny-mobile', 'relaxed'],
  ] as const)("give onnxruntime's codes to the bit, layer by layer: %s, %s SIMD", async (name, tier) => {
    const int8 = await quantised(name, 'u8s8', pixels);
    expect(int8.maps.size).toBeGreaterThan(8);
    for (const tensor of int8.maps.keys()) {
      const [found, expected] = await both(endingAt(int8, tensor), tier, pixels);
      expect(differing(found, expected), tensor).toBe(0);
      // Not one code for all.
      expect(new Set(found).size, tensor).toBeGreaterThan(20);
    }
    const [found, expected] = await both(encodeSealedModel(int8.model), tier, pixels);
    expect(largestDifference(found, expected)).toBeLessThan(1e-6);
  });

  // The codes of Lab channels come of float32 curves: a number half way between two codes may become either, in
  // onnxruntime too from one graph to the next. On x86 it runs int8 activations as uint8, not the same way in each graph.
  it.each([
    ['tiny-resnet-lab', 'u8s8', 'plain', ['l.lab', 'ab.lab']],
    ['tiny-resnet', 's8s8', 'relaxed', ['stem.norm', 'block3']],
  ] as const)("give onnxruntime's vectors but for roundings: %s, %s, %s SIMD", async (name, format, tier, tensors) => {
    const int8 = await quantised(name, format, pixels);
    for (const tensor of tensors) {
      const [found, expected] = await both(endingAt(int8, tensor), tier, pixels);
      expect(differing(found, expected), tensor).toBeLessThan(5e-3);
    }
    expect(leastCosine(...(await both(encodeSealedModel(int8.model), tier, pixels)))).toBeGreaterThan(1 - 5e-5);
  });
});
