import type { EncoderGraph, Weights } from '../../src/encoders/graph.js';
import { initialWeights } from '../../src/encoders/initialise.js';
import { encoderByName } from '../../src/encoders/networks.js';
import type { ReadOut } from '../../src/encoders/readout.js';
import type { ModelCardDetails } from '../../src/onnx/card.js';
import { type Random, randomStream } from '../../src/random.js';

export const details: ModelCardDetails = {
  name: 'specimen',
  version: '1',
  training: { objective: 'hcl', settings: { temperature: 0.5, beta: 2, steps: 300 } },
  data: { description: 'random weights', pictures: 0 },
  metrics: { 'heldOut.recallAt1': 0.57 },
  createdBy: 'nearmiss tests',
  licence: 'unknown',
};

/** An encoder as training leaves it: no batch norm is the identity. */
export function specimen(name: string, seed = 3): { graph: EncoderGraph; weights: Weights } {
  const graph = encoderByName(name);
  const random = randomStream(seed, 1);
  const uniform = (low: number, high: number): number => low + (high - low) * random.uniform();
  const ranges: Record<string, readonly [number, number]> = {
    gamma: [0.5, 1.5],
    beta: [-0.3, 0.3],
    mean: [-0.5, 0.5],
    variance: [0.3, 2],
  };
  const weights: Record<string, Weights[string]> = {};
  for (const [tensor, { shape, data }] of Object.entries(initialWeights(graph, seed))) {
    const range = ranges[tensor.slice(tensor.lastIndexOf('.') + 1)];
    weights[tensor] = { shape, data: range ? data.map(() => uniform(...range)) : data };
  }
  return { graph, weights };
}

export function randomPictures(count: number, size: number, seed = 5): Uint8Array {
  const random = randomStream(seed, 2);
  return Uint8Array.from({ length: count * size * size * 3 }, () => random.integer(256));
}

function floats(length: number, random: Random, deviation: number): Float32Array {
  return Float32Array.from({ length }, () => deviation * random.normal());
}

export function randomReadout(graph: EncoderGraph, pool: 1 | 2, whitenedTo?: number): ReadOut {
  const width = pool * pool * graph.featureChannels;
  if (whitenedTo === undefined) return { pool };
  const random = randomStream(7, 3);
  const matrix = floats(width * whitenedTo, random, 0.3);
  return { pool, whitening: { mean: floats(width, random, 0.2), matrix, dimensions: whitenedTo } };
}
