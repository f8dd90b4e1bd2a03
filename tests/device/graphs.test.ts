import { beforeAll, describe, expect, it } from 'vitest';
import { openDeviceEncoder } from '../../src/device/encoder.js';
import type { ModelCard } from '../../src/onnx/card.js';
import { createEmbedder } from '../../src/onnx/embedder.js';
import { CARD_KEY, INPUT_NAME, OUTPUT_NAME } from '../../src/onnx/interface.js';
import { DataType, type NodeProto, type TensorProto } from '../../src/onnx/model.js';
import { makeNode, makeTensor, makeTensorValueInfo } from '../../src/onnx/nodes.js';
import { encodeSealedModel } from '../../src/onnx/seal.js';
import { randomStream } from '../../src/random.js';
import { emojiPictures } from '../onnx/emoji-pictures.js';
import { details } from '../onnx/specimen.js';
import { largestDifference } from './differences.js';

const SIZE = 13;
const COUNT = 6;

/** A graph by hand, from `pixels` (float32, channels first) to a map or list that becomes the embedding. */
class Sketch {
  readonly nodes: NodeProto[] = [
    makeNode('Transpose', [INPUT_NAME], 'bytes', { perm: [0, 3, 1, 2] }),
    makeNode('DequantizeLinear', ['bytes', 'pixels.scale', 'pixels.zero'], 'pixels'),
  ];
  readonly tensors: TensorProto[] = [
    makeTensor('pixels.scale', [], Float32Array.of(1 / 64)),
    makeTensor('pixels.zero', [], Uint8Array.of(128)),
  ];
  readonly #random = randomStream(11, 1);

  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, number | readonly number[]>> = {},
  ): string {
    const output = `${op.toLowerCase()}${this.nodes.length}`;
    this.nodes.push(makeNode(op, inputs, output, attributes));
    return output;
  }

  constant(...values: readonly number[]): string {
    return this.tensor(values.length === 1 ? [] : [values.length], Float32Array.from(values));
  }

  random(...dims: readonly number[]): string {
    const length = dims.reduce((product, one) => product * one, 1);
    const scale = Math.sqrt(3 / (length / dims[0]!));
    return this.tensor(
      dims,
      Float32Array.from({ length }, () => scale * (2 * this.#random.uniform() - 1)),
    );
  }

  tensor(dims: readonly number[], data: Float32Array | Uint8Array): string {
    const name = `tensor${this.tensors.length}`;
    this.tensors.push(makeTensor(name, dims, data));
    return name;
  }

  /** The model whose embedding is a value of so many numbers a picture. */
  model(value: string, dim: number): Uint8Array {
    const card: ModelCard = {
      ...{ ...details, format: 1, encoder: 'sketch', dim, inputSize: SIZE, pool: 1, whitened: false },
      preprocessing: { mean: 0.5, std: 0.25 },
    };
    return encodeSealedModel({
      irVersion: 8,
      opsetImport: [{ domain: '', version: 17 }],
      metadataProps: [{ key: CARD_KEY, value: JSON.stringify(card) }],
      graph: {
        name: 'sketch',
        node: [...this.nodes, makeNode('Flatten', [value], OUTPUT_NAME, { axis: 1 })],
        initializer: this.tensors,
        input: [makeTensorValueInfo(INPUT_NAME, DataType.UINT8, ['batch', SIZE, SIZE, 3])],
        output: [makeTensorValueInfo(OUTPUT_NAME, DataType.FLOAT, ['batch', dim])],
        valueInfo: [],
      },
    });
  }
}

let pixels: Uint8Array;
beforeAll(async () => {
  pixels = await emojiPictures(COUNT, SIZE);
});

async function difference(model: Uint8Array): Promise<number> {
  const found = (await openDeviceEncoder(model)).embed(pixels);
  const embedder = await createEmbedder(model);
  const expected = await embedder.embed(pixels);
  await embedder.close();
  expect(new Set(expected).size).toBeGreaterThan(COUNT);
  return largestDifference(found, expected);
}

const graphs: Readonly<Record<string, (s: Sketch) => readonly [value: string, dim: number]>> = {
  'a convolution without bias, of 5x4 with uneven padding and strides': (s) => {
    const attributes = { pads: [2, 0, 1, 3], strides: [3, 2], kernel_shape: [5, 4] };
    return [s.node('Conv', ['pixels', s.random(9, 3, 5, 4)], attributes), 9 * 4 * 7];
  },
  'a map that readers pad differently': (s) => {
    const first = s.node('Conv', ['pixels', s.random(8, 3, 1, 1)]);
    const wide = s.node('Conv', [first, s.random(4, 8, 5, 5)], { pads: [2, 2, 2, 2] });
    const narrow = s.node('Conv', [first, s.random(4, 8, 3, 3)], { pads: [1, 1, 1, 1] });
    const none = s.node('Conv', [first, s.random(4, 8, 1, 1)]);
    return [s.node('Concat', [wide, narrow, none], { axis: 1 }), 12 * 169];
  },
  'a sum whose addend comes later, one of a map with itself, and ReLU by itself': (s) => {
    const a = s.node('Conv', ['pixels', s.random(5, 3, 3, 3), s.random(5)]);
    const b = s.node('Relu', [a]);
    const c = s.node('Conv', ['pixels', s.random(5, 3, 3, 3)]);
    const sum = s.node('Add', [b, s.node('Relu', [c])]);
    const twice = s.node('Add', [sum, sum]);
    return [s.node('Relu', [s.node('Add', [twice, a])]), 5 * 121];
  },
  'a convolution that is read before and behind its sum': (s) => {
    const a = s.node('Conv', ['pixels', s.random(8, 3, 1, 1)]);
    const b = s.node('Conv', [a, s.random(8, 8, 3, 3)], { pads: [1, 1, 1, 1] });
    const sum = s.node('Relu', [s.node('Add', [a, b])]);
    return [s.node('Concat', [sum, b], { axis: 1 }), 16 * 169];
  },
  'functions of each element, of pixels and of maps': (s) => {
    const pale = s.node('Max', [s.node('Mul', ['pixels', s.constant(0.5)]), s.constant(-0.25)]);
    const dark = s.node('Where', [
      s.node('Greater', [pale, s.constant(0)]),
      pale,
      s.node('Pow', ['pixels', s.constant(2)]),
    ]);
    const map = s.node('Conv', [dark, s.random(3, 3, 2, 2)]);
    const cut = s.node('Where', [s.node('Greater', [map, s.constant(0.1)]), map, s.node('Div', [map, s.constant(3)])]);
    return [s.node('Add', [s.node('Mul', [cut, map]), s.constant(0.5)]), 3 * 144];
  },
  'pools of pixels and of maps, and a matrix either way': (s) => {
    const pooled = s.node('AveragePool', ['pixels'], { kernel_shape: [4, 3], strides: [3, 2] });
    const map = s.node('Conv', [pooled, s.random(10, 3, 1, 1), s.random(10)]);
    const list = s.node('Flatten', [map], { axis: 1 });
    const product = s.node('Gemm', [list, s.random(11, 10 * 4 * 6), s.random(11)], { transB: 1 });
    return [s.node('Gemm', [product, s.random(11, 7)]), 7];
  },
  'a depthwise convolution of the picture, with a sum': (s) => {
    const depthwise = s.node('Conv', ['pixels', s.random(3, 1, 3, 3), s.random(3)], { group: 3, pads: [1, 1, 1, 1] });
    const again = s.node('Conv', [depthwise, s.random(3, 1, 3, 3)], { group: 3, pads: [1, 1, 1, 1] });
    return [s.node('GlobalAveragePool', [s.node('Relu', [s.node('Add', [again, depthwise])])]), 3];
  },
  'codes that float32 layers read': (s) => {
    const scale = s.constant(0.05);
    const zero = s.tensor([], Uint8Array.of(100));
    // Sums of quarters of pixels are exact, so that no rounding to codes depends on the order of a sum. Codes of the
    // convolution itself would make onnxruntime turn its weights into int8 ones too, which the file does not ask for.
    const quarters = Float32Array.from({ length: 18 }, (_, i) => ((i * 5) % 9) / 4 - 1);
    const map = s.node('Max', [s.node('Conv', ['pixels', s.tensor([6, 3, 1, 1], quarters)]), s.constant(-4)]);
    const codes = s.node('QuantizeLinear', [map, scale, zero]);
    const numbers = s.node('DequantizeLinear', [codes, scale, zero]);
    return [s.node('Concat', [numbers, s.node('Relu', [numbers])], { axis: 1 }), 12 * 169];
  },
};

describe('graphs that no exporter of ours writes', () => {
  it.each(Object.keys(graphs))("give onnxruntime's numbers: %s", async (name) => {
    const sketch = new Sketch();
    const [value, dim] = graphs[name]!(sketch);
    // Numbers here are up to 10.
    expect(await difference(sketch.model(value, dim))).toBeLessThan(1e-5);
  });
});
