import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { floats, reduceAxis } from '../kernels/index.js';
import { compose } from './compose.js';
import { addressIn } from './heap.js';
import { floatOutput, type KernelContext, kernelConfig, stockKernel } from './kernel.js';

type Builder = (context: KernelContext) => KernelConfig;

const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);

/** Runs of neighbouring axes, last first: each is reduced in one pass, without transposing. */
function runsOf(axes: readonly number[], shape: readonly number[]): { first: number; end: number }[] {
  const runs: { first: number; end: number }[] = [];
  const wanted = new Set(axes);
  // Axes of length 1 cost nothing and join their neighbours.
  const joins = (axis: number): boolean => wanted.has(axis) || (shape[axis] === 1 && wanted.has(axis + 1));
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (!joins(axis)) continue;
    const last = runs.at(-1);
    if (last?.first === axis + 1) last.first = axis;
    else runs.push({ first: axis, end: axis + 1 });
  }
  return runs;
}

/** What comes of nothing; the stock kernels leave there what lay on the heap. */
const OF_NOTHING: Readonly<Record<string, number>> = {
  Sum: 0,
  Mean: Number.NaN,
  Max: Number.NEGATIVE_INFINITY,
  Min: Number.POSITIVE_INFINITY,
};

/** A reduction of float32 along any axes; other types stay with the stock kernel. */
function reduction(name: string, kind: 'sum' | 'max' | 'min', axisName: string): Builder {
  return (context) => {
    const stock = stockKernel(context, name);
    return kernelConfig(name, (given) => {
      const { x } = given.inputs;
      const axis = given.attrs?.[axisName] as number | number[] | null | undefined;
      // tfjs-core means all axes by none.
      if (x?.dtype !== 'float32') return stock(given);
      const axes = context.tf.util.parseAxisParam(axis ?? x.shape.map((_, i) => i), x.shape);
      const runs = runsOf(axes, x.shape);
      const shape = outShape(x.shape, axes, given.attrs?.['keepDims'] === true);
      const [only] = runs;
      if (product(x.shape) === 0) {
        const out = floatOutput(context, shape);
        floats(context.kernels.heap, out.address, out.length).fill(OF_NOTHING[name]!);
        return out.info;
      }
      if (!only) return stock(given);
      if (runs.length === 1) return reduceRun(context, kind, name === 'Mean', x, only, shape);
      return compose(context, (run) => {
        let info = x;
        for (const { first, end } of runs) {
          const places = Array.from({ length: end - first }, (_, i) => first + i);
          info = run(name, { x: info }, { [axisName]: places, keepDims: true });
        }
        return run('Reshape', { x: info }, { shape });
      });
    });
  };
}

function outShape(shape: readonly number[], axes: readonly number[], keepDims: boolean): number[] {
  return shape.flatMap((size, axis) => (axes.includes(axis) ? (keepDims ? [1] : []) : [size]));
}

function reduceRun(
  context: KernelContext,
  kind: 'sum' | 'max' | 'min',
  mean: boolean,
  x: TensorInfo,
  { first, end }: { readonly first: number; readonly end: number },
  shape: readonly number[],
): TensorInfo {
  const { backend, kernels } = context;
  const sizes = {
    outer: product(x.shape.slice(0, first)),
    length: product(x.shape.slice(first, end)),
    inner: product(x.shape.slice(end)),
  };
  const out = floatOutput(context, shape);
  reduceAxis(kernels, kind, addressIn(backend, x), out.address, sizes);
  if (mean) kernels.exports.divideBy(out.address, sizes.length, out.length);
  return out.info;
}

/** Reductions of float32 over any axes in place, where the stock kernels transpose first unless the axes are last. */
export const REDUCTIONS: readonly Builder[] = [
  reduction('Sum', 'sum', 'axis'),
  reduction('Mean', 'sum', 'axis'),
  reduction('Max', 'max', 'reductionIndices'),
  reduction('Min', 'min', 'axis'),
];
