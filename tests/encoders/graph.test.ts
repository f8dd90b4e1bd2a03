import { describe, expect, it } from 'vitest';
import { type EncoderGraph, elements, parameterCount, weightSpecs } from '../../src/encoders/graph.js';

/** Two convolutions, one depthwise, and a residual. */
const graph: EncoderGraph = {
  name: 'specimen',
  nodes: [
    { op: 'conv', name: 'stem', input: 'image', kernel: 3, stride: 2, inputChannels: 3, outputChannels: 8 },
    { op: 'norm', name: 'stem.norm', input: 'stem', channels: 8, relu: true },
    {
      op: 'conv',
      name: 'deep',
      input: 'stem.norm',
      kernel: 3,
      stride: 1,
      inputChannels: 8,
      outputChannels: 8,
      depthwise: true,
    },
    { op: 'norm', name: 'deep.norm', input: 'deep', channels: 8, relu: false },
    { op: 'add', name: 'sum', inputs: ['deep.norm', 'stem.norm'], relu: true },
  ],
  featureChannels: 8,
  downsampling: 2,
  head: [8, 16, 4],
};

describe('weightSpecs', () => {
  it('lists the tensors in the order of the nodes, the head last', () => {
    expect(
      weightSpecs(graph).map(({ name, shape, trainable }) => `${name} [${shape}]${trainable ? '' : ' fixed'}`),
    ).toEqual([
      'stem.kernel [3,3,3,8]',
      'stem.norm.gamma [8]',
      'stem.norm.beta [8]',
      'stem.norm.mean [8] fixed',
      'stem.norm.variance [8] fixed',
      'deep.kernel [3,3,8,1]',
      'deep.norm.gamma [8]',
      'deep.norm.beta [8]',
      'deep.norm.mean [8] fixed',
      'deep.norm.variance [8] fixed',
      'head.0.kernel [8,16]',
      'head.0.bias [16]',
      'head.1.kernel [16,4]',
      'head.1.bias [4]',
    ]);
  });
});

describe('parameterCount', () => {
  it('counts what is trained, not the running statistics', () => {
    expect(parameterCount(graph)).toBe(216 + 16 + 72 + 16 + (128 + 16) + (64 + 4));
  });
});

describe('elements', () => {
  it('is the product of a shape, 1 of a scalar', () => {
    expect([[], [7], [2, 3, 4], [5, 0]].map(elements)).toEqual([1, 7, 24, 0]);
  });
});
