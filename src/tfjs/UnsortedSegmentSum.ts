import type { KernelConfig } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import { addressIn } from './heap.js';
import { floatInput, floatOutput, type KernelContext, kernelConfig } from './kernel.js';

const NAME = 'UnsortedSegmentSum';

/**
 * Sums of the rows of x [rows, ...] by their segment, int32 [rows]; rows outside 0 … numSegments - 1 are left out. It is
 * the gradient of `gather`. Stock tfjs-backend-wasm has none.
 */
export function unsortedSegmentSum(context: KernelContext): KernelConfig {
  const { backend, kernels } = context;
  return kernelConfig(NAME, (run) => {
    const x = floatInput(NAME, run, 'x');
    const segments = run.inputs['segmentIds'];
    const rows = x.shape[0] ?? 1;
    if (segments?.dtype !== 'int32' || segments.shape.length !== 1 || segments.shape[0] !== rows) {
      throw new NearmissError(
        'NM_TENSOR_UNSUPPORTED',
        `${NAME}: segmentIds: found ${segments?.dtype} [${segments?.shape}], allowed: int32 [${rows}]`,
      );
    }
    const count = run.attrs?.['numSegments'] as number;
    const inner = x.shape.slice(1);
    const sums = floatOutput(context, [count, ...inner]);
    const length = inner.reduce((product, size) => product * size, 1);
    kernels.exports.unsortedSegmentSum(
      addressIn(backend, x),
      addressIn(backend, segments),
      sums.address,
      rows,
      length,
      count,
    );
    return sums.info;
  });
}
