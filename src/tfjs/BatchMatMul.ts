import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { multiplyMatrices } from '../kernels/index.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'BatchMatMul';

/** Products of matrices a [..., rows, depth] and b [..., depth, columns], either transposed; outer sizes broadcast. */
export function batchMatMul(context: KernelContext): KernelConfig {
  const { backend, kernels, tf } = context;
  return kernelConfig(NAME, (run) => {
    const a = floatInput(NAME, run, 'a');
    const b = floatInput(NAME, run, 'b');
    const transposeA = run.attrs?.['transposeA'] === true;
    const transposeB = run.attrs?.['transposeB'] === true;
    const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
    const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
    const rows = transposeA ? aColumns : aRows;
    const depth = transposeA ? aRows : aColumns;
    const columns = transposeB ? bRows : bColumns;
    const bDepth = transposeB ? bColumns : bRows;
    if (depth !== bDepth) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `matMul: found inner sizes ${depth} and ${bDepth} in shapes [${a.shape}] and [${b.shape}], allowed: equal ones`,
      );
    }
    const outerA = a.shape.slice(0, -2);
    const outerB = b.shape.slice(0, -2);
    const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
    const product = floatOutput(context, [...outer, rows, columns]);
    const aAddress = addressIn(backend, a);
    const bAddress = addressIn(backend, b);
    const count = tf.util.sizeFromShape(outer);
    for (let index = 0; index < count; index++) {
      multiplyMatrices(kernels, {
        a: aAddress + 4 * rows * depth * broadcastIndex(index, outer, outerA),
        b: bAddress + 4 * depth * columns * broadcastIndex(index, outer, outerB),
        out: product.address + 4 * rows * columns * index,
        rows,
        depth,
        columns,
        transposeA,
        transposeB,
      });
    }
    return product.info;
  });
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
