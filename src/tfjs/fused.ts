import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import type { RunKernel } from './compose.js';
import type { KernelRun } from './kernel.js';

const KERNEL_OF: Readonly<Record<string, string>> = { relu: 'Relu', relu6: 'Relu6', elu: 'Elu', sigmoid: 'Sigmoid' };

/**
 * What tfjs's fused kernels do after their product: add a bias of any shape that broadcasts, then an activation. With
 * `channelsFirst` a bias or PReLU weights [channels] belong to axis 1 of 4.
 */
export function biasAndActivation(
  kernelName: string,
  run: RunKernel,
  { inputs, attrs = {} }: KernelRun,
  product: TensorInfo,
  channelsFirst: boolean,
): TensorInfo {
  const perChannel = (info: TensorInfo): TensorInfo =>
    channelsFirst && info.shape.length === 1 && info.shape[0] !== 1
      ? run('Reshape', { x: info }, { shape: [info.shape[0]!, 1, 1] })
      : info;
  const { bias, preluActivationWeights: weights } = inputs;
  const sum = bias ? run('Add', { a: product, b: perChannel(bias) }) : product;
  const activation = (attrs['activation'] as string | null | undefined) ?? 'linear';
  if (activation === 'linear') return sum;
  if (activation === 'leakyrelu') {
    return run('LeakyRelu', { x: sum }, { alpha: attrs['leakyreluAlpha'] } as NamedAttrMap);
  }
  if (activation === 'prelu' && weights) return run('Prelu', { x: sum, alpha: perChannel(weights) });
  const kernel = KERNEL_OF[activation];
  if (!kernel) {
    throw new NearmissError(
      'NM_TENSOR_UNSUPPORTED',
      `${kernelName}: activation: found ${activation}, allowed: linear, leakyrelu, prelu with weights, ${Object.keys(KERNEL_OF).join(', ')}`,
    );
  }
  return run(kernel, { x: sum });
}
