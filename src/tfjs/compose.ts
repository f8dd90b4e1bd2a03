import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import type { KernelContext } from './kernel.js';

/** Runs a kernel that is registered for the WASM backend and has one output. */
export type RunKernel = (name: string, inputs: NamedTensorInfoMap, attrs?: NamedAttrMap) => TensorInfo;

/**
 * A kernel made of other kernels: what they leave is freed, also where one of them throws, but for the tensor that
 * `body` answers with. (tfjs's scopes do not reach into kernels.)
 */
export function compose(context: KernelContext, body: (run: RunKernel) => TensorInfo): TensorInfo {
  const { backend, tf } = context;
  const made: TensorInfo[] = [];
  let result: TensorInfo | undefined;
  try {
    result = body((name, inputs, attrs = {}) => {
      const kernel = tf.getKernel(name, 'wasm');
      if (!kernel) throw new NearmissError('NM_TFJS_BACKEND', `${name}: not registered for tfjs's WASM backend`);
      const output = kernel.kernelFunc({ inputs, attrs, backend }) as TensorInfo;
      made.push(output);
      return output;
    });
    return result;
  } finally {
    for (const info of made) if (info !== result) backend.disposeData(info.dataId);
  }
}
