import fc from 'fast-check';
import { onnx } from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import { readCard } from '../../src/onnx/card.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { AttributeType, DataType, decodeModel, encodeModel, type ModelProto } from '../../src/onnx/model.js';
import { floatElements, makeNode, makeTensor, makeTensorValueInfo } from '../../src/onnx/nodes.js';
import { decodeSealedModel, encodeSealedModel, fingerprint, SEAL_KEY } from '../../src/onnx/seal.js';
import { details, randomReadout, specimen } from './specimen.js';

const bare = { opsetImport: [], metadataProps: [] } as const;

function exported(name = 'tiny-mobile'): Uint8Array<ArrayBuffer> {
  const { graph, weights } = specimen(name);
  return encoderToOnnx({ graph, weights, size: 48, readout: randomReadout(graph, 2, 64), card: details });
}

function code(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof NearmissError) return error.code;
    throw error;
  }
  return undefined;
}

describe('an exported file', () => {
  const bytes = exported();
  const independent = onnx.ModelProto.decode(bytes);

  it('decodes and encodes to the same bytes', () => {
    for (const file of [bytes, exported('tiny-resnet')]) {
      expect(Buffer.compare(encodeModel(decodeModel(file)), file)).toBe(0);
    }
  });

  it('shows an independent reader the same nodes, shapes, weights and metadata', () => {
    const own = decodeModel(bytes);
    const graph = own.graph!;
    expect(Number(independent.irVersion)).toBe(8);
    expect(independent.opsetImport.map((set) => [set.domain, Number(set.version)])).toEqual([['', 17]]);
    expect(independent.metadataProps.map(({ key, value }) => ({ key, value }))).toEqual(own.metadataProps);
    expect(independent.graph!.node!.length).toBe(graph.node.length);
    independent.graph!.node!.forEach((node, index) => {
      const mine = graph.node[index]!;
      expect([node.opType, node.name, node.input, node.output]).toEqual([
        mine.opType,
        mine.name,
        mine.input,
        mine.output,
      ]);
      const attributes = node.attribute!.map((one) => [one.name, one.type, Number(one.i), one.ints!.map(Number)]);
      expect(attributes).toEqual(mine.attribute.map((one) => [one.name, one.type, one.i ?? 0, one.ints]));
    });
    independent.graph!.initializer!.forEach((tensor, index) => {
      const mine = graph.initializer[index]!;
      expect([tensor.name, tensor.dataType, tensor.dims!.map(Number)]).toEqual([mine.name, mine.dataType, mine.dims]);
      expect(Buffer.compare(tensor.rawData!, mine.rawData!)).toBe(0);
    });
    const shapes = [...independent.graph!.input!, ...independent.graph!.output!].map(({ name, type }) => ({
      name,
      elemType: type!.tensorType!.elemType,
      shape: type!.tensorType!.shape!.dim!.map((dim) => dim.dimParam || Number(dim.dimValue)),
    }));
    expect(shapes).toEqual([
      { name: 'image', elemType: DataType.UINT8, shape: ['batch', 48, 48, 3] },
      { name: 'embedding', elemType: DataType.FLOAT, shape: ['batch', 64] },
    ]);
  });

  it('has one convolution per batch norm and no batch norm left', () => {
    const { graph } = specimen('tiny-mobile');
    const kinds = independent.graph!.node!.map(({ opType }) => opType);
    expect(kinds.filter((kind) => kind === 'Conv').length).toBe(graph.nodes.filter(({ op }) => op === 'norm').length);
    expect(kinds).not.toContain('BatchNormalization');
    const depthwise = independent.graph!.node!.find(({ output }) => output![0] === 'block1.depthwise.norm.linear');
    expect(Number(depthwise!.attribute!.find(({ name }) => name === 'group')!.i)).toBe(32);
  });

  it('carries the card', () => {
    expect(readCard(bytes)).toEqual({
      ...details,
      format: 1,
      encoder: 'tiny-mobile',
      dim: 64,
      inputSize: 48,
      pool: 2,
      whitened: true,
      preprocessing: { mean: 128 / 255, std: 64 / 255 },
    });
  });

  it('is read from what an independent writer makes of it', () => {
    const rewritten = onnx.ModelProto.encode(onnx.ModelProto.decode(bytes)).finish();
    expect(decodeModel(rewritten)).toMatchObject({ graph: { name: 'tiny-mobile' }, opsetImport: [{ version: 17 }] });
    expect(decodeModel(rewritten).graph!.initializer.map(floatBytes)).toEqual(
      decodeModel(bytes).graph!.initializer.map(floatBytes),
    );
  });

  it('is refused when truncated anywhere', () => {
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), (length) => {
        expect(code(() => decodeSealedModel(bytes.subarray(0, length)))).toBe('NM_MODEL_CORRUPT');
      }),
      { numRuns: 200, examples: [[0], [1], [bytes.length - 1], [sealStart(bytes)]] },
    );
  });

  it('is refused when any bit is turned over', () => {
    fc.assert(
      fc.property(fc.nat({ max: 8 * bytes.length - 1 }), (bit) => {
        const altered = bytes.slice();
        altered[bit >> 3]! ^= 1 << (bit & 7);
        expect(code(() => decodeSealedModel(altered))).toBe('NM_MODEL_CORRUPT');
      }),
      { numRuns: 200 },
    );
    // The checksum's own entry, bit by bit.
    for (let bit = 8 * sealStart(bytes); bit < 8 * bytes.length; bit++) {
      const altered = bytes.slice();
      altered[bit >> 3]! ^= 1 << (bit & 7);
      expect(code(() => decodeSealedModel(altered))).toBe('NM_MODEL_CORRUPT');
    }
  }, 30_000);

  it('is refused with bytes added, and whole again when sealed anew', () => {
    const more = encodeModel({ ...bare, docString: 'added' });
    const longer = new Uint8Array([...bytes, ...more]);
    expect(code(() => decodeSealedModel(longer))).toBe('NM_MODEL_CORRUPT');
    const sealed = encodeSealedModel(decodeModel(longer));
    expect(decodeSealedModel(sealed).docString).toBe('added');
    expect(decodeSealedModel(sealed).metadataProps.filter(({ key }) => key === SEAL_KEY)).toHaveLength(1);
  });

  it('has the fingerprint that sha256sum prints', () => {
    expect(fingerprint(Buffer.from('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(fingerprint(bytes)).not.toBe(fingerprint(exported('tiny-resnet')));
  });
});

function floatBytes(tensor: { readonly rawData?: Uint8Array }): string {
  return fingerprint(tensor.rawData!);
}

/** Where the last metadata entry begins: its tag, length, key and value. */
function sealStart(bytes: Uint8Array): number {
  const start = Buffer.from(bytes).lastIndexOf(SEAL_KEY) - 4;
  expect(bytes[start]).toBe(8 * 14 + 2);
  return start;
}

const words = fc.string({ unit: 'binary' });
const integers = fc.maxSafeInteger();
const floats = fc.array(fc.float({ noNaN: true }), { maxLength: 4 });
const tensors = fc.record(
  {
    dims: fc.array(integers, { maxLength: 4 }),
    dataType: fc.integer(),
    floatData: floats,
    int32Data: fc.array(fc.integer(), { maxLength: 4 }),
    int64Data: fc.array(integers, { maxLength: 4 }),
    name: words,
    rawData: fc.uint8Array(),
    doubleData: fc.array(fc.double({ noNaN: true }), { maxLength: 4 }),
    docString: words,
  },
  { requiredKeys: ['dims', 'floatData', 'int32Data', 'int64Data', 'doubleData'] },
);
const attributes = fc.record(
  {
    name: words,
    f: fc.float({ noNaN: true }),
    i: integers,
    s: fc.uint8Array(),
    t: tensors,
    floats,
    ints: fc.array(integers, { maxLength: 4 }),
    strings: fc.array(fc.uint8Array(), { maxLength: 3 }),
    docString: words,
    type: fc.constantFrom(...Object.values(AttributeType)),
  },
  { requiredKeys: ['floats', 'ints', 'strings'] },
);
const list = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 3 });
const nodes = fc.record(
  { input: list(words), output: list(words), name: words, opType: words, attribute: list(attributes), domain: words },
  { requiredKeys: ['input', 'output', 'attribute'] },
);
const values = fc
  .tuple(words, fc.integer(), list(fc.oneof(integers, words)))
  .map((parts) => makeTensorValueInfo(...parts));
const models: fc.Arbitrary<ModelProto> = fc.record(
  {
    irVersion: integers,
    producerName: words,
    producerVersion: words,
    domain: words,
    modelVersion: integers,
    docString: words,
    graph: fc.record({
      node: list(nodes),
      name: words,
      initializer: list(tensors),
      docString: words,
      input: list(values),
      output: list(values),
      valueInfo: list(values),
    }),
    opsetImport: list(fc.record({ domain: words, version: integers })),
    metadataProps: list(fc.record({ key: words, value: words })),
  },
  { requiredKeys: ['opsetImport', 'metadataProps'] },
);

describe('the model codec', () => {
  it('agrees with an independent codec on any model, both ways', () => {
    fc.assert(
      fc.property(models, (model) => {
        const bytes = encodeModel(model);
        expect(decodeModel(bytes)).toEqual(model);
        const independent = onnx.ModelProto.decode(bytes);
        // The other library writes 64-bit numbers and packed lists in its own way: compare what is read, not bytes.
        expect(decodeModel(onnx.ModelProto.encode(independent).finish())).toEqual(model);
      }),
      { numRuns: 150, interruptAfterTimeLimit: 20_000 },
    );
  });

  it('reads an attribute that holds a graph', () => {
    const inner = { node: [makeNode('Relu', ['a'], 'b')], initializer: [], input: [], output: [], valueInfo: [] };
    const attribute = [{ name: 'body', g: inner, type: AttributeType.GRAPH, floats: [], ints: [], strings: [] }];
    const graph = { ...inner, node: [{ ...makeNode('Loop', ['x'], 'y'), attribute }] };
    expect(decodeModel(encodeModel({ ...bare, graph })).graph).toEqual(graph);
  });

  it('keeps negative attributes such as axis -1', () => {
    const graph = { node: [makeNode('Flatten', ['a'], 'b', { axis: -1 })], ...{ initializer: [], input: [] } };
    const bytes = encodeModel({ ...bare, graph: { ...graph, output: [], valueInfo: [] } });
    expect(Number(onnx.ModelProto.decode(bytes).graph!.node![0]!.attribute![0]!.i)).toBe(-1);
    expect(decodeModel(bytes).graph!.node[0]!.attribute[0]!.i).toBe(-1);
  });

  it('gives the numbers of float tensors, raw or listed, and of no others', () => {
    const data = Float32Array.of(1.5, -2, 3e-9);
    const tensor = makeTensor('w', [3], data);
    expect(floatElements(tensor)).toEqual(data);
    const { rawData: _, ...listed } = { ...tensor, floatData: [...data] };
    expect(floatElements(listed)).toEqual(data);
    const graph = { node: [], initializer: [tensor], input: [], output: [], valueInfo: [] };
    const fromBuffer = decodeModel(Buffer.from(encodeModel({ ...bare, graph }))).graph!.initializer[0]!;
    expect(floatElements(fromBuffer)).toEqual(data);
    expect(() => floatElements(makeTensor('b', [2], Uint8Array.of(1, 2)))).toThrow(/'b' has data type 2/);
    expect(() => makeTensor('w', [2], data)).toThrow(/'w' of \[2\] got 3 elements/);
  });

  it('takes a file that is no ONNX for corrupt, naming it', () => {
    const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]);
    expect(code(() => decodeModel(png, 'cat.png'))).toBe('NM_MODEL_CORRUPT');
    expect(() => decodeModel(png, 'cat.png')).toThrow(/^cat\.png: at byte/);
  });
});
