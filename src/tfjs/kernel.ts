import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import type { TrainingKernels } from '../kernels/index.js';
import { addressIn, makeNumbers, type WasmBackend } from './heap.js';

/** What a kernel of ours is bound to when it is registered. */
export interface KernelContext {
  readonly tf: typeof tfCore;
  readonly backend: WasmBackend;
  readonly kernels: TrainingKernels;
  /** Only algorithms as exact as a plain float32 sum. */
  readonly precise: boolean;
}

/** Inputs and attributes of one run of a kernel. */
export interface KernelRun {
  readonly inputs: tfCore.NamedTensorInfoMap;
  readonly attrs?: tfCore.NamedAttrMap;
}

/** A kernel for the WASM backend under tfjs's own name, or one of ours. */
export function kernelConfig(
  kernelName: string,
  run: (run: KernelRun) => tfCore.TensorInfo | tfCore.TensorInfo[],
): tfCore.KernelConfig {
  return {
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => run(attrs === undefined ? { inputs } : { inputs, attrs }),
  };
}

/** The stock kernel that a kernel of ours stands in for, to be called before ours is registered; for what ours leaves to it. */
export function stockKernel({ tf, backend }: KernelContext, kernelName: string): (run: KernelRun) => tfCore.TensorInfo {
  const stock = tf.getKernel(kernelName, 'wasm');
  if (!stock) throw new NearmissError('NM_TFJS_BACKEND', `${kernelName}: no stock kernel on tfjs's WASM backend`);
  return ({ inputs, attrs = {} }) => stock.kernelFunc({ inputs, attrs, backend }) as tfCore.TensorInfo;
}

/** An input by name, which must be float32 and lie on the WASM heap: `NM_TENSOR_UNSUPPORTED`. */
export function floatInput(kernelName: string, run: KernelRun, name: string): tfCore.TensorInfo {
  const tensor = run.inputs[name];
  if (tensor?.dtype !== 'float32') {
    throw new NearmissError(
      'NM_TENSOR_UNSUPPORTED',
      `${kernelName}: ${name}: found ${tensor?.dtype ?? 'nothing'}, allowed: float32`,
    );
  }
  return tensor;
}

/** Address and length of a new float32 output. */
export function floatOutput(
  context: KernelContext,
  shape: readonly number[],
): { readonly info: tfCore.TensorInfo; readonly address: number; readonly length: number } {
  const info = makeNumbers(context.backend, shape, 'float32');
  return { info, address: addressIn(context.backend, info), length: context.tf.util.sizeFromShape(info.shape) };
}

/** A new int32 output with arbitrary content. */
export function integerOutput(context: KernelContext, shape: readonly number[]): tfCore.TensorInfo {
  return makeNumbers(context.backend, shape, 'int32');
}

/** An int32 tensor where it lies on the heap; taken after the last allocation, which may move the heap. */
export function integersIn({ tf, backend, kernels }: KernelContext, info: tfCore.TensorInfo): Int32Array {
  return new Int32Array(kernels.heap.memory.buffer, addressIn(backend, info), tf.util.sizeFromShape(info.shape));
}
