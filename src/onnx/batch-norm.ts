import { type EncoderNode, elements, NORM_EPSILON, type Weights } from '../encoders/graph.js';
import { NearmissError } from '../errors.js';

/** A convolution with bias that does what convolution and batch norm did: kernel [out, in per group, height, width]. */
export interface FoldedConvolution {
  readonly shape: readonly [number, number, number, number];
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

function weight(weights: Weights, name: string, shape: readonly number[]): Float32Array {
  const found = Object.hasOwn(weights, name) ? weights[name] : undefined;
  const allowed = `[${shape.join(', ')}]`;
  if (!found) throw new NearmissError('NM_SHAPE_MISMATCH', `weights: '${name}' is missing, needed: shape ${allowed}`);
  const sameShape = found.shape.length === shape.length && shape.every((length, axis) => found.shape[axis] === length);
  if (!sameShape || found.data.length !== elements(shape)) {
    const is = `shape [${found.shape.join(', ')}] and ${found.data.length} numbers`;
    throw new NearmissError('NM_SHAPE_MISMATCH', `weights: '${name}' has ${is}, allowed: shape ${allowed}`);
  }
  return found.data;
}

/**
 * Folds a batch norm on running statistics into the convolution before it: w' = w·γ/sqrt(var + ε),
 * b' = β - mean·γ/sqrt(var + ε), computed in float64 and rounded once. Kernels turn from height, width, in, out to
 * ONNX's out, in, height, width. A missing or wrongly shaped tensor is `NM_SHAPE_MISMATCH`.
 */
export function foldBatchNorm(
  conv: Extract<EncoderNode, { op: 'conv' }>,
  norm: Extract<EncoderNode, { op: 'norm' }>,
  weights: Weights,
): FoldedConvolution {
  const side = conv.kernel;
  const outputs = conv.outputChannels;
  const inputs = conv.depthwise ? 1 : conv.inputChannels;
  // A depthwise kernel [height, width, channels, 1] has the strides of [height, width, 1, channels].
  const source = weight(weights, `${conv.name}.kernel`, [
    side,
    side,
    conv.inputChannels,
    conv.depthwise ? 1 : conv.outputChannels,
  ]);
  const part = (name: string): Float32Array => weight(weights, `${norm.name}.${name}`, [outputs]);
  const gamma = part('gamma');
  const beta = part('beta');
  const mean = part('mean');
  const variance = part('variance');
  const kernel = new Float32Array(outputs * inputs * side * side);
  const bias = new Float32Array(outputs);
  let at = 0;
  for (let output = 0; output < outputs; output++) {
    const scale = gamma[output]! / Math.sqrt(variance[output]! + NORM_EPSILON);
    bias[output] = beta[output]! - mean[output]! * scale;
    for (let input = 0; input < inputs; input++) {
      for (let place = 0; place < side * side; place++) {
        kernel[at++] = source[(place * inputs + input) * outputs + output]! * scale;
      }
    }
  }
  return { shape: [outputs, inputs, side, side], kernel, bias };
}
