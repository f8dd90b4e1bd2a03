import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { multiplyMatrices } from '../kernels/index.js';
import { addressIn } from './heap.js';
import {
  floatInput,
  floatOutput,
  integerOutput,
  integersIn,
  type KernelContext,
  type KernelRun,
  kernelConfig,
} from './kernel.js';

const NAME = 'BatchMatMul';

/** Sizes of a product, and where each of its matrices lies in the operands, counted in matrices. */
interface Product {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly outer: readonly number[];
  readonly places: readonly (readonly [number, number])[];
}

/**
 * Products of matrices a [..., rows, depth] and b [..., depth, columns], either transposed; outer sizes broadcast. Both
 * float32, or both int32 (exact to 2^53, then modulo 2^32, as on tfjs's cpu backend; a plain loop).
 */
export function batchMatMul(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const { a, b } = run.inputs;
    if (a?.dtype === 'int32' && b?.dtype === 'int32') return multiplyIntegers(context, run, a, b);
    return multiplyFloats(run);
  });

  function multiplyFloats(run: KernelRun): TensorInfo {
    const a = floatInput(NAME, run, 'a');
    const b = floatInput(NAME, run, 'b');
    const { outer, places, ...sizes } = productOf(context, run, a.shape, b.shape);
    const { rows, depth, columns } = sizes;
    const product = floatOutput(context, [...outer, rows, columns]);
    const aAddress = addressIn(backend, a);
    const bAddress = addressIn(backend, b);
    places.forEach(([aPlace, bPlace], index) => {
      multiplyMatrices(kernels, {
        a: aAddress + 4 * rows * depth * aPlace,
        b: bAddress + 4 * depth * columns * bPlace,
        out: product.address + 4 * rows * columns * index,
        ...sizes,
      });
    });
    return product.info;
  }
}

function multiplyIntegers(context: KernelContext, run: KernelRun, a: TensorInfo, b: TensorInfo): TensorInfo {
  const { rows, depth, columns, transposeA, transposeB, outer, places } = productOf(context, run, a.shape, b.shape);
  const product = integerOutput(context, [...outer, rows, columns]);
  const [left, right, out] = [integersIn(context, a), integersIn(context, b), integersIn(context, product)];
  const [aRow, aStep] = transposeA ? [1, rows] : [depth, 1];
  const [bStep, bColumn] = transposeB ? [1, depth] : [columns, 1];
  let index = 0;
  for (const [aPlace, bPlace] of places) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const aStart = aPlace * rows * depth + row * aRow;
        const bStart = bPlace * depth * columns + column * bColumn;
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += left[aStart + k * aStep]! * right[bStart + k * bStep]!;
        out[index++] = sum;
      }
    }
  }
  return product;
}

function productOf(
  { tf }: KernelContext,
  { attrs }: KernelRun,
  aShape: readonly number[],
  bShape: readonly number[],
): Product {
  const transposeA = attrs?.['transposeA'] === true;
  const transposeB = attrs?.['transposeB'] === true;
  const [aRows, aColumns] = aShape.slice(-2);
  const [bRows, bColumns] = bShape.slice(-2);
  if (aRows === undefined || aColumns === undefined || bRows === undefined || bColumns === undefined) {
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `matMul: found shapes [${aShape}] and [${bShape}], allowed: two axes or more`,
    );
  }
  const depth = transposeA ? aRows : aColumns;
  const bDepth = transposeB ? bColumns : bRows;
  if (depth !== bDepth) {
    throw new NearmissError(
      'NM_SHAPE_MISMATCH',
      `matMul: found inner sizes ${depth} and ${bDepth} in shapes [${aShape}] and [${bShape}], allowed: equal ones`,
    );
  }
  const outerA = aShape.slice(0, -2);
  const outerB = bShape.slice(0, -2);
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
  const places = Array.from({ length: tf.util.sizeFromShape(outer) }, (_, index): [number, number] => [
    broadcastIndex(index, outer, outerA),
    broadcastIndex(index, outer, outerB),
  ]);
  const rows = transposeA ? aColumns : aRows;
  const columns = transposeB ? bRows : bColumns;
  return { rows, depth, columns, transposeA, transposeB, outer, places };
}

/** Which matrix of `own` outer sizes stands at place `index` of the broadcast `outer` sizes. */
function broadcastIndex(index: number, outer: readonly number[], own: readonly number[]): number {
  let place = 0;
  let stride = 1;
  let rest = index;
  for (let axis = outer.length - 1; axis >= 0; axis--) {
    const length = outer[axis]!;
    const ownLength = own[axis - (outer.length - own.length)] ?? 1;
    if (ownLength > 1) place += (rest % length) * stride;
    stride *= ownLength;
    rest = Math.floor(rest / length);
  }
  return place;
}
