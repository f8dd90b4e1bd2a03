import type { GradConfig, KernelConfig, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { compose, type RunKernel } from './compose.js';
import { type KernelContext, kernelConfig } from './kernel.js';

type Tf = KernelContext['tf'];

const NAME = 'Einsum';

interface Equation {
  /** One letter an axis: those of the output in its order, then those summed over. */
  readonly labels: readonly string[];
  readonly outputs: number;
  /** Each operand's axes as places in `labels`. */
  readonly operands: readonly (readonly number[])[];
}

function parse({ backend_util }: Tf, equation: string, tensors: readonly TensorInfo[]): Equation {
  const { allDims, summedDims, idDims } = backend_util.decodeEinsumEquation(equation, tensors.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as Tensor[]);
  const output = equation.replace(/\s/g, '').split('->')[1]!;
  if (new Set(output).size !== output.length) {
    throw new NearmissError('NM_SHAPE_MISMATCH', `${NAME}: found the output '${output}', allowed: each label once`);
  }
  return { labels: allDims, outputs: allDims.length - summedDims.length, operands: idDims };
}

const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);

/**
 * The sum of products that an equation such as 'bij,bjk->bik' names, of one tensor or two: axes of one operand only that
 * the output lacks are summed first, the rest is a batch of matrix products. Stock tfjs-backend-wasm has none.
 */
export function einsum(context: KernelContext): KernelConfig {
  return kernelConfig(NAME, ({ inputs, attrs }) => {
    const tensors = Object.values(inputs) as TensorInfo[];
    const { labels, outputs, operands } = parse(context.tf, attrs?.['equation'] as string, tensors);
    return compose(context, (run) => {
      const terms = operands.map((axes, i) => {
        const others = operands.filter((_, k) => k !== i).flat();
        return sumOver(run, tensors[i]!, axes, (axis) => axis >= outputs && !others.includes(axis));
      });
      const [a, b] = terms as [Term, Term | undefined];
      const joined = b ? contract(run, a, b, outputs) : a;
      const order = labels.slice(0, outputs).map((_, axis) => axis);
      return arrange(run, joined, order);
    });
  });
}

interface Term {
  readonly info: TensorInfo;
  readonly axes: readonly number[];
}

function sumOver(run: RunKernel, info: TensorInfo, axes: readonly number[], gone: (axis: number) => boolean): Term {
  const places = axes.flatMap((axis, place) => (gone(axis) ? [place] : []));
  if (places.length === 0) return { info, axes };
  return { info: run('Sum', { x: info }, { axis: places, keepDims: false }), axes: axes.filter((axis) => !gone(axis)) };
}

/** The term with its axes in `order`; always a tensor of `run`. */
function arrange(run: RunKernel, { info, axes }: Term, order: readonly number[]): TensorInfo {
  const perm = order.map((axis) => axes.indexOf(axis));
  if (perm.every((from, to) => from === to)) return run('Reshape', { x: info }, { shape: info.shape });
  return run('Transpose', { x: info }, { perm });
}

/** Both terms as batches of matrices [batch, own axes, shared axes], multiplied and summed over what they share. */
function contract(run: RunKernel, a: Term, b: Term, outputs: number): Term {
  const shared = a.axes.filter((axis) => b.axes.includes(axis));
  const batch = shared.filter((axis) => axis < outputs);
  const summed = shared.filter((axis) => axis >= outputs);
  const ownA = a.axes.filter((axis) => !shared.includes(axis));
  const ownB = b.axes.filter((axis) => !shared.includes(axis));
  const sizes = (term: Term, axes: readonly number[]): number[] =>
    axes.map((axis) => term.info.shape[term.axes.indexOf(axis)]!);
  const [count, rows, columns, depth] = [sizes(a, batch), sizes(a, ownA), sizes(b, ownB), sizes(a, summed)].map(
    product,
  ) as [number, number, number, number];
  const left = arrange(run, a, [...batch, ...ownA, ...summed]);
  const right = arrange(run, b, [...batch, ...ownB, ...summed]);
  const reshape = (x: TensorInfo, shape: number[]): TensorInfo => run('Reshape', { x }, { shape });
  let joined: TensorInfo;
  if (summed.length === 0) {
    joined = run('Multiply', { a: reshape(left, [count, rows, 1]), b: reshape(right, [count, 1, columns]) });
  } else if (rows === 1 && columns === 1) {
    // A matrix product of single numbers each would cost a call per batch.
    const products = run('Multiply', { a: reshape(left, [count, depth]), b: reshape(right, [count, depth]) });
    joined = run('Sum', { x: products }, { axis: [1], keepDims: false });
  } else {
    joined = run(
      'BatchMatMul',
      { a: reshape(left, [count, rows, depth]), b: reshape(right, [count, columns, depth]) },
      { transposeA: false, transposeB: true },
    );
  }
  const shape = [...sizes(a, batch), ...sizes(a, ownA), ...sizes(b, ownB)];
  return { info: reshape(joined, shape), axes: [...batch, ...ownA, ...ownB] };
}

/** How autodiff goes back through `tf.einsum`, which has no gradient in tfjs-core; of backends with an Einsum kernel. */
export function einsumGradient(tf: Tf): GradConfig {
  return {
    kernelName: NAME,
    // tf.einsum's inputs are a list, whose names are its places; with this set, all of them are saved.
    saveAllInputs: true,
    gradFunc: (dy, saved, attrs) => {
      const equation = attrs['equation'] as string;
      const { labels, outputs, operands } = parse(tf, equation, saved);
      const letters = (axes: readonly number[]): string => axes.map((axis) => labels[axis]).join('');
      const output = labels.slice(0, outputs).map((_, axis) => axis);
      const gradientOf = (i: number): Tensor => {
        const axes = operands[i]!;
        const other = operands.length === 2 ? 1 - i : undefined;
        const known = new Set([...output, ...(other === undefined ? [] : operands[other]!)]);
        const reached = axes.filter((axis) => known.has(axis));
        const sources = other === undefined ? letters(output) : `${letters(output)},${letters(operands[other]!)}`;
        const tensors = other === undefined ? [dy as Tensor] : [dy as Tensor, saved[other]!];
        const partial = tf.einsum(`${sources}->${letters(reached)}`, ...tensors);
        // Along axes that were only summed away every element gets the same gradient.
        const { shape } = saved[i]!;
        const kept = shape.map((size, place) => (known.has(axes[place]!) ? size : 1));
        return tf.broadcastTo(tf.reshape(partial, kept), shape as [number]) as Tensor;
      };
      return Object.fromEntries(operands.map((_, i) => [String(i), () => gradientOf(i)]));
    },
  };
}
