import * as tf from '@tensorflow/tfjs-core';
import { uniform } from './convolution-reference.js';

/** A call of each kernel that `install` registers, of odd sizes; floats are uniform in (-1, 1). */
export interface KernelCase {
  readonly kernel: string;
  /** Shapes of float32 inputs by name; others are given as they are. */
  readonly inputs: Readonly<Record<string, readonly number[] | (() => tf.Tensor)>>;
  readonly attrs?: tf.NamedAttrMap;
  /** Kernels of ours, which no other backend has. */
  readonly own?: true;
}

const IMAGE = [2, 9, 7, 5];
const CONVOLUTION = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
const FUSED = { ...CONVOLUTION, activation: 'relu' };
const POOLING = { filterSize: [3, 2], strides: [2, 2], pad: 'same' };
const integers =
  (...values: number[]) =>
  (): tf.Tensor =>
    tf.tensor1d(values, 'int32');
const positive = (shape: number[]) => (): tf.Tensor =>
  tf.tensor(
    uniform(tf.util.sizeFromShape(shape), 9).map((value) => 1.5 + value),
    shape,
  );

const unary = (kernel: string, attrs?: tf.NamedAttrMap): KernelCase => ({
  kernel,
  inputs: { x: [3, 7, 5] },
  ...(attrs ? { attrs } : {}),
});
const binary = (kernel: string): KernelCase => ({ kernel, inputs: { a: [3, 7, 5], b: [7, 1] } });

export const KERNEL_CASES: readonly KernelCase[] = [
  unary('Identity'),
  { kernel: 'Conv2D', inputs: { x: IMAGE, filter: [3, 3, 5, 6] }, attrs: CONVOLUTION },
  {
    kernel: 'Conv2DBackpropInput',
    inputs: { dy: [2, 9, 7, 6], filter: [3, 3, 5, 6] },
    attrs: { ...CONVOLUTION, inputShape: IMAGE },
  },
  {
    kernel: 'Conv2DBackpropFilter',
    inputs: { x: IMAGE, dy: [2, 9, 7, 6] },
    attrs: { ...CONVOLUTION, filterShape: [3, 3, 5, 6] },
  },
  { kernel: 'DepthwiseConv2dNative', inputs: { x: IMAGE, filter: [3, 3, 5, 2] }, attrs: CONVOLUTION },
  {
    kernel: 'DepthwiseConv2dNativeBackpropInput',
    inputs: { dy: [2, 9, 7, 10], filter: [3, 3, 5, 2] },
    attrs: { ...CONVOLUTION, inputShape: IMAGE },
  },
  {
    kernel: 'DepthwiseConv2dNativeBackpropFilter',
    inputs: { x: IMAGE, dy: [2, 9, 7, 10] },
    attrs: { ...CONVOLUTION, filterShape: [3, 3, 5, 2] },
  },
  { kernel: 'FusedConv2D', inputs: { x: IMAGE, filter: [3, 3, 5, 6], bias: [6] }, attrs: FUSED },
  { kernel: 'FusedDepthwiseConv2D', inputs: { x: IMAGE, filter: [3, 3, 5, 2], bias: [10] }, attrs: FUSED },
  {
    kernel: 'BatchMatMul',
    inputs: { a: [2, 7, 5], b: [2, 9, 5] },
    attrs: { transposeA: false, transposeB: true },
  },
  {
    kernel: '_FusedMatMul',
    inputs: { a: [2, 5, 7], b: [2, 5, 9], bias: [9] },
    attrs: { transposeA: true, transposeB: false, activation: 'elu' },
  },
  { kernel: 'Einsum', inputs: { 0: [2, 3, 5], 1: [2, 5, 4] }, attrs: { equation: 'bij,bjk->ik' } },
  { kernel: 'AvgPoolGrad', inputs: { dy: [2, 5, 4, 5], input: IMAGE }, attrs: POOLING },
  { kernel: 'MaxPoolGrad', inputs: { dy: [2, 5, 4, 5], input: IMAGE, output: [2, 5, 4, 5] }, attrs: POOLING },
  {
    kernel: 'FusedBatchNorm',
    inputs: { x: IMAGE, mean: [5], variance: positive([5]), offset: [5], scale: [5] },
    attrs: { varianceEpsilon: 1e-3 },
  },
  { kernel: 'UnsortedSegmentSum', inputs: { x: [4, 5], segmentIds: integers(2, 0, 2, 1) }, attrs: { numSegments: 3 } },
  { kernel: 'GatherV2', inputs: { x: [4, 5], indices: integers(3, 0, 3) }, attrs: { axis: 0, batchDims: 0 } },
  unary('Tile', { reps: [2, 1, 3] }),
  { kernel: 'BroadcastTo', inputs: { x: [3, 1] }, attrs: { shape: [2, 3, 5], inputShape: [3, 1] } },
  unary('Cast', { dtype: 'bool' }),
  unary('ClipByValue', { clipValueMin: -0.5, clipValueMax: 0.25 }),
  unary('Cumsum', { axis: 1, exclusive: false, reverse: false }),
  { kernel: 'LogSoftmax', inputs: { logits: [3, 7] }, attrs: { axis: 1 } },
  { kernel: 'Prelu', inputs: { x: [3, 7, 5], alpha: [7, 1] } },
  unary('Relu6'),
  ...['Sum', 'Mean', 'Min'].map((kernel) => unary(kernel, { axis: [0, 2], keepDims: false })),
  unary('Max', { reductionIndices: [1], keepDims: true }),
  ...['Maximum', 'Minimum', 'Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual'].map(binary),
  ...['Exp', 'Expm1', 'Tanh', 'Softplus', 'Erf', 'Selu'].map((kernel) => unary(kernel)),
  ...['Log', 'Log1p'].map((kernel) => ({ kernel, inputs: { x: positive([3, 7, 5]) } })),
  unary('LeakyRelu', { alpha: 0.2 }),
  {
    kernel: 'NearmissBatchNormTrain',
    inputs: { x: IMAGE, gamma: [5], beta: [5] },
    attrs: { epsilon: 1e-3, relu: true },
    own: true,
  },
  {
    kernel: 'NearmissBatchNormTrainGradient',
    inputs: { dy: IMAGE, x: IMAGE, gamma: [5], beta: [5], mean: [5], variance: positive([5]) },
    attrs: { epsilon: 1e-3, relu: true },
    own: true,
  },
  { kernel: 'NearmissAddRelu', inputs: { a: IMAGE, b: IMAGE }, own: true },
  { kernel: 'NearmissReluGradient', inputs: { dy: IMAGE, y: IMAGE }, own: true },
];

/** The inputs of a case on the active backend. */
export function inputsOf({ inputs }: KernelCase): tf.NamedTensorMap {
  const made: tf.NamedTensorMap = {};
  Object.entries(inputs).forEach(([name, given], i) => {
    made[name] =
      typeof given === 'function' ? given() : tf.tensor(uniform(tf.util.sizeFromShape([...given]), i + 1), [...given]);
  });
  return made;
}

/** Runs a case; one output or several. */
export function runCase({ kernel, attrs = {} }: KernelCase, inputs: tf.NamedTensorMap): tf.Tensor[] {
  const given = kernel === 'Einsum' ? (Object.values(inputs) as unknown as tf.NamedTensorMap) : inputs;
  return [tf.engine().runKernel(kernel, given, attrs)].flat() as tf.Tensor[];
}
