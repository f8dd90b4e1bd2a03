import type * as tfCore from '@tensorflow/tfjs-core';
import { NearmissError } from '../errors.js';
import type { Heap } from '../kernels/index.js';

type Tf = typeof tfCore;

/** The part of tfjs-backend-wasm's backend that we use; its own types leave the WASM module's exports out. */
export interface WasmBackend {
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  readonly dataIdMap: {
    get(dataId: object): { readonly memoryOffset: number | null };
  };
  incRef(dataId: object): void;
  disposeData(dataId: object): boolean;
  makeOutput(shape: number[], dtype: tfCore.DataType): tfCore.TensorInfo;
}

const HOW = "call `await tf.setBackend('wasm')` after importing '@tensorflow/tfjs-backend-wasm'";

/** The running WASM backend of this tf, whether active or not; `NM_TFJS_BACKEND` if it has not been started. */
export function wasmBackend(tf: Tf): WasmBackend {
  const found = tf.engine().registry['wasm'] as unknown as WasmBackend | undefined;
  if (!found) {
    const running = Object.keys(tf.engine().registry).join(', ') || 'none';
    throw new NearmissError('NM_TFJS_BACKEND', `tfjs WASM backend: not started (running: ${running}); ${HOW}`);
  }
  return found;
}

/**
 * The heap of the WASM backend: kernels bound to it work on tensors where they lie. `malloc` fails with
 * `NM_OUT_OF_MEMORY`, the backend's threaded build with `NM_TFJS_BACKEND`.
 */
export function tfjsHeap(tf: Tf): Heap {
  return heapOf(wasmBackend(tf));
}

export function heapOf(backend: WasmBackend): Heap {
  const memory = backend.wasm.asm?.memory;
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new NearmissError('NM_TFJS_BACKEND', 'tfjs WASM backend: its memory is not exposed; allowed: tfjs 4.x');
  }
  if (typeof SharedArrayBuffer !== 'undefined' && (memory.buffer as ArrayBufferLike) instanceof SharedArrayBuffer) {
    throw new NearmissError(
      'NM_TFJS_BACKEND',
      "tfjs WASM backend: found the threaded build; set tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false) before it starts",
    );
  }
  return {
    memory,
    malloc(bytes) {
      // The C allocator may answer 0 for 0 bytes, which is also how it says that memory is short.
      const address = backend.wasm._malloc(Math.max(bytes, 1)) >>> 0;
      if (address === 0) throw outOfMemory(bytes);
      return address;
    },
    free(address) {
      backend.wasm._free(address);
    },
  };
}

function outOfMemory(bytes: number): NearmissError {
  return new NearmissError('NM_OUT_OF_MEMORY', `tfjs WASM heap: no room for ${bytes} more bytes`);
}

/** Address of a tensor of the WASM backend in its heap; valid while the tensor lives. */
export function addressOf(tf: Tf, tensor: tfCore.TensorInfo): number {
  return addressIn(wasmBackend(tf), tensor);
}

export function addressIn(backend: WasmBackend, tensor: tfCore.TensorInfo): number {
  const address = backend.dataIdMap.get(tensor.dataId).memoryOffset;
  if (address === null) throw new NearmissError('NM_SHAPE_MISMATCH', 'tensor: found strings, allowed: numbers');
  return address;
}

/** A float32 tensor on the WASM backend with arbitrary content, to be written through its address. */
export function emptyTensor(tf: Tf, shape: readonly number[]): tfCore.Tensor {
  const output = makeNumbers(wasmBackend(tf), shape, 'float32');
  return tf.engine().makeTensorFromTensorInfo(output);
}

/**
 * A copy of a float32 tensor's values, and the end of the tensor. It takes what a tidy returns: values returned from
 * the tidy itself would be searched for tensors, element by element.
 */
export function takeValues(tensor: tfCore.Tensor): Float32Array {
  const values = tensor.dataSync<'float32'>().slice();
  tensor.dispose();
  return values;
}

/** The output of a kernel with arbitrary content. `NM_OUT_OF_MEMORY` where stock tfjs would write to address 0. */
export function makeNumbers(
  backend: WasmBackend,
  shape: readonly number[],
  dtype: 'float32' | 'int32' | 'bool',
): tfCore.TensorInfo {
  const output = backend.makeOutput([...shape], dtype);
  const elements = shape.reduce((product, length) => product * length, 1);
  if (elements > 0 && addressIn(backend, output) === 0) throw outOfMemory(4 * elements);
  return output;
}
