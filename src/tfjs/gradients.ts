import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';

type Tf = typeof tfCore;
type Tensor = tfCore.Tensor;
type Attributes = tfCore.NamedAttrMap;

/** Gradient by input name, as tfjs asks for it, of one output's dy. */
type Gradient = (dy: Tensor, saved: Tensor[], attrs: Attributes) => Record<string, () => Tensor>;

function config(kernelName: string, inputsToSave: string[], gradient: Gradient, saveOutput = false): tfCore.GradConfig {
  return {
    kernelName,
    inputsToSave,
    outputsToSave: [saveOutput],
    gradFunc: (dy, saved, attrs) => gradient(dy as Tensor, saved, attrs),
  };
}

/**
 * Gradients that a convolutional network needs. tfjs-core's Node build registers none (they are in the union package
 * @tensorflow/tfjs), so `install` adds those of this list that are absent and leaves the others alone.
 */
export function stockGradients(tf: Tf): readonly tfCore.GradConfig[] {
  return [...arithmetic(tf), ...shapes(tf), ...reductions(tf), ...layers(tf)];
}

/** Sums a gradient over the axes along which its operand was broadcast. */
function unbroadcast(tf: Tf, gradient: Tensor, shape: number[]): Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(gradient, axes) : gradient, shape);
}

function arithmetic(tf: Tf): tfCore.GradConfig[] {
  const binary = (name: string, byA: (dy: Tensor, a: Tensor, b: Tensor) => Tensor, byB: typeof byA) =>
    config(name, ['a', 'b'], (dy, saved) => {
      const [a, b] = saved as [Tensor, Tensor];
      return {
        a: () => unbroadcast(tf, byA(dy, a, b), a.shape),
        b: () => unbroadcast(tf, byB(dy, a, b), b.shape),
      };
    });
  const unary = (name: string, byX: (dy: Tensor, x: Tensor) => Tensor) =>
    config(name, ['x'], (dy, saved) => ({ x: () => byX(dy, saved[0]!) }));
  const fromOutput = (name: string, byY: (dy: Tensor, y: Tensor) => Tensor) =>
    config(name, [], (dy, saved) => ({ x: () => byY(dy, saved[0]!) }), true);
  return [
    binary(
      'Add',
      (dy) => dy,
      (dy) => dy,
    ),
    binary(
      'Sub',
      (dy) => dy,
      (dy) => tf.neg(dy),
    ),
    binary(
      'Multiply',
      (dy, _, b) => tf.mul(dy, b),
      (dy, a) => tf.mul(dy, a),
    ),
    binary(
      'RealDiv',
      (dy, _, b) => tf.div(dy, b),
      (dy, a, b) => tf.neg(tf.div(tf.mul(dy, a), tf.square(b))),
    ),
    unary('Neg', (dy) => tf.neg(dy)),
    unary('Square', (dy, x) => tf.mul(dy, tf.mul(x, 2))),
    fromOutput('Sqrt', (dy, y) => tf.div(dy, tf.mul(y, 2))),
    unary('Rsqrt', (dy, x) => tf.neg(tf.div(dy, tf.mul(tf.pow(x, 1.5), 2)))),
    fromOutput('Exp', (dy, y) => tf.mul(dy, y)),
    unary('Log', (dy, x) => tf.div(dy, x)),
    fromOutput('Sigmoid', (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
    fromOutput('Tanh', (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
    unary('Relu', (dy, x) => tf.mul(dy, tf.step(x))),
    unary('Step', (dy) => tf.zerosLike(dy)),
  ];
}

function shapes(tf: Tf): tfCore.GradConfig[] {
  return [
    config('Reshape', ['x'], (dy, [x]) => ({ x: () => tf.reshape(dy, x!.shape) })),
    config('ExpandDims', ['input'], (dy, [input]) => ({ input: () => tf.reshape(dy, input!.shape) })),
    config('Identity', ['x'], (dy) => ({ x: () => tf.cast(dy, 'float32') })),
    config('Cast', ['x'], (dy) => ({ x: () => tf.clone(dy) })),
    config('Transpose', ['x'], (dy, _, { perm }) => ({
      x: () => tf.transpose(dy, tf.backend_util.getUndoAxesPermutation(perm as number[])),
    })),
    config('GatherV2', ['x', 'indices'], (dy, saved, attrs) => {
      const [x, indices] = saved as [Tensor, Tensor];
      return { x: () => gatherGradient(tf, dy, x, indices, attrs), indices: () => indices };
    }),
  ];
}

/** Rows of dy summed where they were gathered from, along the first axis. */
function gatherGradient(tf: Tf, dy: Tensor, x: Tensor, indices: Tensor, attrs: Attributes): Tensor {
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, x.shape)[0]!;
  if (axis !== 0 || (attrs['batchDims'] ?? 0) !== 0) {
    throw new NearmissError(
      'NM_TENSOR_UNSUPPORTED',
      `gradient of gather: axis: found ${axis}, allowed: 0, no batchDims`,
    );
  }
  const flat = tf.reshape(indices, [indices.size]) as tfCore.Tensor1D;
  return tf.unsortedSegmentSum(tf.reshape(dy, [indices.size, ...x.shape.slice(1)]), flat, x.shape[0]!);
}

function reductions(tf: Tf): tfCore.GradConfig[] {
  const spread = (dy: Tensor, x: Tensor, attrs: Attributes, mean: boolean): Tensor => {
    const axes = tf.util.parseAxisParam(attrs['axis'] as number[], x.shape);
    const kept = x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
    const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
    const share = mean ? tf.div(dy, count) : dy;
    const repeats = x.shape.map((length, axis) => (axes.includes(axis) ? length : 1));
    return tf.tile(tf.reshape(share, kept), repeats);
  };
  return [
    config('Sum', ['x'], (dy, saved, attrs) => ({ x: () => spread(dy, saved[0]!, attrs, false) })),
    config('Mean', ['x'], (dy, saved, attrs) => ({ x: () => spread(dy, saved[0]!, attrs, true) })),
  ];
}

function layers(tf: Tf): tfCore.GradConfig[] {
  const run = (name: string, inputs: Record<string, Tensor>, attrs: Attributes): Tensor =>
    tf.engine().runKernel(name, inputs, attrs) as Tensor;
  return [
    config('BatchMatMul', ['a', 'b'], (dy, saved, { transposeA, transposeB }) => {
      const [a, b] = saved as [Tensor, Tensor];
      const [ta, tb] = [transposeA === true, transposeB === true];
      // Columns of out are those of b, rows those of a; a transposed operand's gradient is computed transposed.
      const byA = (): Tensor => (ta ? tf.matMul(b, dy, tb, true) : tf.matMul(dy, b, false, !tb));
      const byB = (): Tensor => (tb ? tf.matMul(dy, a, true, ta) : tf.matMul(a, dy, !ta, false));
      return { a: () => unbroadcast(tf, byA(), a.shape), b: () => unbroadcast(tf, byB(), b.shape) };
    }),
    config('Conv2D', ['x', 'filter'], (dy, saved, attrs) => {
      const [x, filter] = saved as [Tensor, Tensor];
      undilated(tf, 'conv2d', attrs);
      return {
        x: () => run('Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape: x.shape }),
        filter: () => run('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape: filter.shape }),
      };
    }),
    config('DepthwiseConv2dNative', ['x', 'filter'], (dy, saved, attrs) => {
      const [x, filter] = saved as [Tensor, Tensor];
      const all = { ...attrs, inputShape: x.shape, filterShape: filter.shape };
      return {
        x: () => run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, all),
        filter: () => run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, all),
      };
    }),
  ];
}

/** tfjs's kernels for a convolution's gradients have no dilations among their attributes. */
function undilated(tf: Tf, op: string, attrs: Attributes): void {
  const dilations = attrs['dilations'] as number | [number, number];
  if (!tf.backend_util.tupleValuesAreOne(dilations)) {
    throw new NearmissError('NM_TENSOR_UNSUPPORTED', `gradient of ${op}: dilations: found ${dilations}, allowed: 1`);
  }
}
