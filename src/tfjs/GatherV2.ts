import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { addressIn, makeNumbers } from './heap.js';
import { integersIn, type KernelContext, kernelConfig, stockKernel } from './kernel.js';

const NAME = 'GatherV2';

/** Slices of x picked by int32 indices along an axis; copies whole slices, where the stock kernel goes by numbers. */
export function gatherV2(context: KernelContext): KernelConfig {
  const stock = stockKernel(context, NAME);
  const { backend, kernels, tf } = context;
  return kernelConfig(NAME, (run) => {
    const { x, indices } = run.inputs;
    if (indices?.dtype !== 'int32' || (x?.dtype !== 'float32' && x?.dtype !== 'int32')) return stock(run);
    const [axis] = tf.util.parseAxisParam((run.attrs?.['axis'] as number | undefined) ?? 0, x.shape) as [number];
    const batchDims = (run.attrs?.['batchDims'] as number | undefined) ?? 0;
    const length = x.shape[axis]!;
    const found = integersIn(context, indices).find((index) => index < 0 || index >= length);
    if (found !== undefined) {
      // tfjs's other backends say it in these words.
      throw new NearmissError('NM_SHAPE_MISMATCH', `GatherV2: the index value ${found} is not in [0, ${length - 1}]`);
    }
    const { collectGatherOpShapeInfo } = tf.backend_util.segment_util;
    const info = collectGatherOpShapeInfo(
      x as Parameters<typeof collectGatherOpShapeInfo>[0],
      indices as Parameters<typeof collectGatherOpShapeInfo>[1],
      axis,
      batchDims,
    );
    const out = makeNumbers(backend, info.outputShape, x.dtype);
    const count = tf.util.sizeFromShape(indices.shape) / info.batchSize;
    const slice = 4 * info.sliceSize;
    if (tf.util.sizeFromShape(info.outputShape) === 0) return out;
    const [from, places, to] = [addressIn(backend, x), addressIn(backend, indices), addressIn(backend, out)];
    for (let batch = 0; batch < info.batchSize; batch++) {
      kernels.exports.take(
        from + batch * info.outerSize * length * slice,
        places + 4 * batch * count,
        to + batch * info.outerSize * count * slice,
        info.outerSize,
        length,
        count,
        slice,
      );
    }
    return out;
  });
}
