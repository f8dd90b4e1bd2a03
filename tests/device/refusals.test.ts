import { describe, expect, it } from 'vitest';
import { readModelCard } from '../../src/device/card.js';
import { openDeviceEncoder } from '../../src/device/encoder.js';
import { CARD_KEY, cardOf } from '../../src/onnx/card.js';
import { encoderToOnnx } from '../../src/onnx/export.js';
import { decodeModel, type GraphProto, type ModelProto, type NodeProto } from '../../src/onnx/model.js';
import { makeAttribute } from '../../src/onnx/nodes.js';
import { encodeSealedModel } from '../../src/onnx/seal.js';
import { refusal } from '../onnx/refusal.js';
import { details, randomReadout, specimen } from '../onnx/specimen.js';

const { graph, weights } = specimen('tiny-resnet');
const readout = randomReadout(graph, 2, 16);
const model = encoderToOnnx({ graph, weights, size: 32, readout, card: details });
const proto = decodeModel(model);

function withGraph(change: (graph: GraphProto) => Partial<GraphProto>): Uint8Array {
  return encodeSealedModel({ ...proto, graph: { ...proto.graph!, ...change(proto.graph!) } });
}

/** The model with one node, named by its output, replaced. */
function withNode(output: string, change: (node: NodeProto) => Partial<NodeProto>): Uint8Array {
  return withGraph(({ node }) => {
    expect(node.filter((one) => one.output[0] === output)).toHaveLength(1);
    return { node: node.map((one) => (one.output[0] === output ? { ...one, ...change(one) } : one)) };
  });
}

const withAttribute = (output: string, name: string, value: number | readonly number[]): Uint8Array =>
  withNode(output, ({ attribute }) => ({
    attribute: [...attribute.filter((one) => one.name !== name), makeAttribute(name, value)],
  }));

describe('openDeviceEncoder refuses', () => {
  it.each([
    [
      'an operator that it lacks',
      withNode('pooled', () => ({ opType: 'MaxPool' })),
      "node 'pooled' (MaxPool): found an operator",
    ],
    ['one of another domain', withNode('pooled', () => ({ domain: 'com.microsoft' })), "domain 'com.microsoft'"],
    ['dilations', withAttribute('block1.conv1.norm.linear', 'dilations', [2, 2]), 'found dilations 2,2, allowed: 1,1'],
    [
      'groups that are not channels',
      withAttribute('block1.conv1.norm.linear', 'group', 2),
      'found group 2, allowed: 32',
    ],
    ['a pool that rounds up', withAttribute('pooled', 'ceil_mode', 1), 'found ceil_mode 1, allowed: 0'],
    ['another order of axes', withAttribute('pixels.transposed', 'perm', [0, 2, 1, 3]), 'found perm 0,2,1,3'],
    ['a matrix that does not fit', withAttribute('whitened', 'transB', 1), 'found rows of its matrix 16, allowed: 512'],
    [
      'a scaled product',
      withNode('whitened', () => ({ attribute: [{ ...makeAttribute('alpha', 1), f: 0.5 }] })),
      'alpha 0.5',
    ],
    [
      'a value that no node makes',
      withNode('pooled', () => ({ input: ['nowhere'] })),
      "input 'nowhere', which no node",
    ],
    ['a patch larger than its map', withAttribute('pooled', 'kernel_shape', [9, 9]), 'patches of 9'],
  ])('%s', async (_, bytes, message) => {
    const error = await refusal(openDeviceEncoder(bytes, { name: 'm.onnx' }));
    expect(error.code).toBe('NM_MODEL_UNSUPPORTED');
    expect(error.message).toContain('m.onnx: ');
    expect(error.message).toContain(message);
  });

  it('what is damaged, cut short or no ONNX', async () => {
    const damaged = model.slice();
    damaged[damaged.length >> 1]! ^= 1;
    for (const bytes of [damaged, model.subarray(0, -100), new Uint8Array(100).fill(255)]) {
      expect((await refusal(openDeviceEncoder(bytes))).code).toBe('NM_MODEL_CORRUPT');
    }
  });

  it('a graph that is not what its card says', async () => {
    const input = withGraph(({ input }) => ({ input: [{ ...input[0]!, name: 'pixels' }] }));
    const error = await refusal(openDeviceEncoder(input));
    expect(error.code).toBe('NM_MODEL_MISMATCH');
    expect(error.message).toMatch(
      /input: found pixels of type 2 .*allowed by its card: image of type 2 \[batch, 32, 32, 3\]/,
    );
    // The declared shape is right, what the nodes make is not.
    const output = withNode('embedding', ({ input }) => ({
      opType: 'Relu',
      input: [input[1]!],
      output: ['embedding'],
    }));
    expect((await refusal(openDeviceEncoder(output))).code).toBe('NM_MODEL_MISMATCH');
  });

  it('pictures that are not whole', async () => {
    const encoder = await openDeviceEncoder(model);
    expect(encoder.embed(new Uint8Array())).toHaveLength(0);
    expect(() => encoder.embed(new Uint8Array(32 * 32 * 3 + 1))).toThrow(
      expect.objectContaining({ code: 'NM_SHAPE_MISMATCH', message: expect.stringContaining('3073 bytes') }),
    );
  });
});

describe('readModelCard', () => {
  const card = cardOf(proto);
  const withCard = (value: string | undefined, key = CARD_KEY): ModelProto => ({
    opsetImport: [],
    metadataProps: value === undefined ? [] : [{ key, value }],
  });
  const outcome = (read: () => unknown): unknown => {
    try {
      return read();
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it('reads and refuses what nearmiss/onnx does', () => {
    const changes: Record<string, unknown>[] = [
      {},
      { later: { field: [1] }, metrics: undefined, fit: 'crop' },
      { training: { objective: 'hcl', settings: { a: null, b: true, c: 'd', e: 1.5 }, later: 1 } },
      { training: { objective: 'hcl', settings: { a: {} } } },
      { training: { objective: 'hcl', settings: [] } },
      { preprocessing: null },
      { preprocessing: { mean: 0.5, std: 0 } },
      { preprocessing: { mean: '0.5', std: 1 } },
      { data: { description: 'x', pictures: -1 } },
      { data: { description: 'x' } },
      { data: { description: '' } },
      { fit: 'stretch' },
      { fit: null },
      { metrics: { recall: null } },
      { metrics: [1] },
      { dim: 1.5 },
    ];
    for (const field of Object.keys(card)) {
      for (const value of [undefined, null, 0, 2, -1, '', 'x', true, [], {}]) changes.push({ [field]: value });
    }
    const quantisation = {
      format: 'u8s8',
      reduceRange: false,
      calibration: { method: 'min-max', pictures: 64 },
      heldOut: { pictures: 64, cosineMean: 0.999, cosineMin: 0.99, neighbourOverlap: 0.9 },
      recallAt1: { task: 'pairs', queries: 64, float32: 0.7, int8: 0.7 },
      float32: 'ab',
    };
    const { heldOut, recallAt1, calibration } = quantisation;
    for (const change of [
      {},
      { format: 'u8u8' },
      { reduceRange: 0 },
      { float32: '' },
      { calibration: { ...calibration, method: 'guess' } },
      { heldOut: { ...heldOut, pictures: 0 } },
      { heldOut: { ...heldOut, cosineMin: 1.01 } },
      { heldOut: { ...heldOut, neighbourOverlap: -0.1 } },
      { recallAt1: { ...recallAt1, int8: 70 } },
    ]) {
      changes.push({ precision: 'int8', quantisation: { ...quantisation, ...change } });
    }
    changes.push({ precision: 'int4' });
    let refused = 0;
    for (const change of changes) {
      const file = withCard(JSON.stringify({ ...card, ...change }));
      const found = outcome(() => readModelCard(file, 'm'));
      expect(found, JSON.stringify(change)).toEqual(outcome(() => cardOf(file, 'm')));
      if (found === 'NM_MODEL_CARD_INVALID') refused += 1;
    }
    expect(refused).toBeGreaterThan(80);
    for (const file of [
      withCard('{'),
      withCard('null'),
      withCard('[]'),
      withCard('{}', 'other'),
      withCard(undefined),
    ]) {
      const found = outcome(() => readModelCard(file, 'm'));
      expect(found).toMatch(/^NM_MODEL_CARD_/);
      expect(found).toBe(outcome(() => cardOf(file, 'm')));
    }
  });

  it('names the field, what was found and what is allowed', () => {
    const file = withCard(JSON.stringify({ ...card, preprocessing: { mean: 0.5, std: 0 } }));
    const message = "m.onnx: 'nearmiss.card': preprocessing.std: found 0, allowed: a number above 0";
    expect(() => readModelCard(file, 'm.onnx')).toThrow(message);
  });
});
