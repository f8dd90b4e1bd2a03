import { describe, expect, it } from 'vitest';
import { weightSpecs } from '../../src/encoders/graph.js';
import { initialWeights } from '../../src/encoders/initialise.js';
import { tinyMobile, tinyResnet } from '../../src/encoders/networks.js';

function statistics(data: Float32Array): { mean: number; deviation: number } {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  return { mean, deviation: Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length) };
}

describe.each([tinyResnet(), tinyMobile()])('initialWeights of $name', (graph) => {
  const weights = initialWeights(graph, 11);

  it('hold every tensor in its shape, in order', () => {
    expect(Object.keys(weights)).toEqual(weightSpecs(graph).map(({ name }) => name));
    for (const { name, shape } of weightSpecs(graph)) {
      expect(weights[name]!.shape).toEqual(shape);
      expect(weights[name]!.data).toHaveLength(shape.reduce((a, b) => a * b, 1));
    }
  });

  it('draw convolutions with variance 2 / fan out', () => {
    for (const node of graph.nodes) {
      if (node.op !== 'conv') continue;
      const { data } = weights[`${node.name}.kernel`]!;
      const fanOut = node.kernel ** 2 * (node.depthwise ? 1 : node.outputChannels);
      const expected = Math.sqrt(2 / fanOut);
      const { mean, deviation } = statistics(data);
      // Five standard errors of a normal sample's mean and deviation.
      expect(Math.abs(mean), node.name).toBeLessThan((5 * expected) / Math.sqrt(data.length));
      expect(Math.abs(deviation - expected), node.name).toBeLessThan((5 * expected) / Math.sqrt(2 * data.length));
    }
  });

  it('draw the head evenly within 1 / sqrt(fan in), bias included', () => {
    for (const layer of [0, 1] as const) {
      const bound = 1 / Math.sqrt(graph.head[layer]);
      for (const part of ['kernel', 'bias']) {
        const { data } = weights[`head.${layer}.${part}`]!;
        expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(Math.fround(bound));
        const { mean, deviation } = statistics(data);
        expect(Math.abs(mean)).toBeLessThan((5 * bound) / Math.sqrt(3 * data.length));
        expect(Math.abs(deviation / bound - 1 / Math.sqrt(3))).toBeLessThan(1.5 / Math.sqrt(data.length));
      }
    }
  });

  it('make every batch norm the identity', () => {
    for (const node of graph.nodes) {
      if (node.op !== 'norm') continue;
      for (const [part, value] of Object.entries({ gamma: 1, beta: 0, mean: 0, variance: 1 })) {
        expect(weights[`${node.name}.${part}`]!.data.every((found) => found === value)).toBe(true);
      }
    }
  });

  it('are the same to the bit for the same seed, and others for another', () => {
    const again = initialWeights(graph, 11);
    const other = initialWeights(graph, 12);
    for (const [name, { data }] of Object.entries(weights)) {
      expect(Buffer.from(again[name]!.data.buffer).equals(Buffer.from(data.buffer)), name).toBe(true);
      const drawn = name.endsWith('.kernel') || name.startsWith('head.');
      expect(Buffer.from(other[name]!.data.buffer).equals(Buffer.from(data.buffer)), name).toBe(!drawn);
    }
  });
});
