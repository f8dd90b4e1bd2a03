import { randomStream } from '../random.js';
import { type EncoderGraph, elements, type Weights, weightSpecs } from './graph.js';

/**
 * Fresh weights: convolutions normal with variance 2 / (height · width · out) (He et al. 2015, fan out; depthwise
 * 2 / (height · width)), head layers uniform within ±1/sqrt(in), batch norms the identity. A tensor depends on the seed
 * and its place in the encoder only.
 */
export function initialWeights(graph: EncoderGraph, seed: number): Weights {
  const weights: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  weightSpecs(graph).forEach((spec, index) => {
    const random = randomStream(seed, 0x57, index);
    const data = new Float32Array(elements(spec.shape));
    if (spec.shape.length === 4) {
      const [height = 1, width = 1, , out = 1] = spec.shape;
      const deviation = Math.sqrt(2 / (height * width * out));
      for (let i = 0; i < data.length; i++) data[i] = deviation * random.normal();
    } else if (spec.name.startsWith('head.')) {
      const fanIn = spec.name.includes('.0.') ? graph.head[0] : graph.head[1];
      const bound = 1 / Math.sqrt(fanIn);
      for (let i = 0; i < data.length; i++) data[i] = bound * (2 * random.uniform() - 1);
    } else if (spec.name.endsWith('.gamma') || spec.name.endsWith('.variance')) {
      data.fill(1);
    }
    weights[spec.name] = { shape: spec.shape, data };
  });
  return weights;
}
