import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { compose } from './compose.js';
import { type KernelContext, type KernelRun, kernelConfig } from './kernel.js';

const TO_LAST = [0, 2, 3, 1];
const TO_FIRST = [0, 3, 1, 2];

const permuted = <T>(values: readonly T[], order: readonly number[]): T[] => order.map((axis) => values[axis]!);

/**
 * A convolution's kernel that takes NCHW too: pictures are transposed to NHWC and back, as our kernels work on NHWC only.
 * `images` are the inputs in that layout; `givesImages` says whether the output is.
 */
export function withChannelsFirst(
  context: KernelContext,
  kernelName: string,
  images: readonly string[],
  givesImages: boolean,
  run: (run: KernelRun) => TensorInfo,
): KernelConfig {
  return kernelConfig(kernelName, (given) => {
    if (given.attrs?.['dataFormat'] !== 'NCHW') return run(given);
    const { pad, inputShape } = given.attrs;
    const attrs = {
      ...given.attrs,
      dataFormat: 'NHWC',
      ...(Array.isArray(pad) ? { pad: permuted(pad as unknown as number[][], TO_LAST) } : {}),
      ...(Array.isArray(inputShape) ? { inputShape: permuted(inputShape as number[], TO_LAST) } : {}),
    };
    return compose(context, (stock) => {
      const inputs = { ...given.inputs };
      for (const name of images) inputs[name] = stock('Transpose', { x: inputs[name]! }, { perm: TO_LAST });
      const output = run({ inputs, attrs });
      if (!givesImages) return output;
      try {
        return stock('Transpose', { x: output }, { perm: TO_FIRST });
      } finally {
        context.backend.disposeData(output.dataId);
      }
    });
  });
}
