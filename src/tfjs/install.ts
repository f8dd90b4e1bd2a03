import type * as tfCore from '@tensorflow/tfjs-core';
import { type LoadOptions, loadTrainingKernels, type TrainingKernels } from '../kernels/index.js';
import { heapOf, type WasmBackend, wasmBackend } from './heap.js';
import { correctedGradients, KERNELS, newGradients } from './registry.js';
import { registerStockGradients } from './stock-gradients.js';

type Tf = typeof tfCore;

/** Which kernels are loaded, from where, and how exact they are; `tier` and `modules` as for `loadTrainingKernels`. */
export interface InstallOptions extends LoadOptions {
  /**
   * True keeps 3x3 convolutions as exact as a plain float32 sum: F(2x2, 3x3) without stride, direct sums with stride 2.
   * Default false: Winograd's F(4x4, 3x3) and phases, up to several times faster, with relative errors up to 1e-5.
   */
  readonly precise?: boolean;
}

interface Installation {
  readonly backend: WasmBackend;
  readonly kernels: TrainingKernels;
  readonly precise: boolean;
  readonly registered: readonly tfCore.KernelConfig[];
  /** What stood in their places before. */
  readonly replaced: readonly tfCore.KernelConfig[];
  readonly gradients: readonly string[];
  readonly replacedGradients: readonly tfCore.GradConfig[];
}

// Kernels are registered in tfjs's one global table, which its engine stands for.
const installations = new WeakMap<object, Installation>();

/**
 * Registers our kernels with tfjs's WASM backend, which must be running, so that convolutional networks train on it;
 * returns the kernels, bound to the backend's heap. A second call changes nothing unless it asks for another tier or
 * precision. `uninstall` undoes it. Gradients of tfjs-core that are not registered yet are registered too, and stay; some
 * of them are replaced by faster or corrected ones on every backend. Errors: `NM_TFJS_BACKEND`, `NM_SIMD_UNSUPPORTED`,
 * `NM_KERNELS_MISSING`.
 *
 * @example
 * import * as tf from '@tensorflow/tfjs-core';
 * import '@tensorflow/tfjs-backend-wasm';
 * await tf.setBackend('wasm');
 * await install(tf);
 */
export async function install(tf: Tf, options: InstallOptions = {}): Promise<TrainingKernels> {
  const heap = heapOf(wasmBackend(tf));
  const precise = options.precise ?? false;
  const kernels = await loadTrainingKernels(heap, options);
  await registerStockGradients(tf.getGradient);
  // Another call may have finished, or the backend been replaced, while the module loaded.
  const backend = wasmBackend(tf);
  const existing = installations.get(tf.engine());
  if (
    existing?.backend === backend &&
    existing.precise === precise &&
    existing.kernels.tier === (options.tier ?? existing.kernels.tier) &&
    // A second copy of tfjs's backend that loads later puts its stock kernels in the place of ours.
    existing.registered.every((config) => tf.getKernel(config.kernelName, 'wasm') === config)
  ) {
    return existing.kernels;
  }
  uninstall(tf);
  const configs = KERNELS.map((kernel) => kernel({ tf, backend, kernels, precise }));
  const replaced: tfCore.KernelConfig[] = [];
  for (const config of configs) {
    const stock = tf.getKernel(config.kernelName, 'wasm');
    if (stock) {
      replaced.push(stock);
      tf.unregisterKernel(config.kernelName, 'wasm');
    }
    tf.registerKernel(config);
  }
  const corrected = correctedGradients(tf);
  const replacedGradients: tfCore.GradConfig[] = [];
  for (const { kernelName } of corrected) {
    const stock = tf.getGradient(kernelName);
    if (stock) {
      replacedGradients.push(stock);
      tf.unregisterGradient(kernelName);
    }
  }
  const added = newGradients(tf).filter(({ kernelName }) => tf.getGradient(kernelName) === undefined);
  const gradients = [...corrected, ...added];
  for (const gradient of gradients) tf.registerGradient(gradient);
  installations.set(tf.engine(), {
    backend,
    kernels,
    precise,
    registered: configs,
    replaced,
    gradients: gradients.map((gradient) => gradient.kernelName),
    replacedGradients,
  });
  return kernels;
}

/** The kernels that `install` registered for the running WASM backend, or undefined. */
export function installedKernels(tf: Tf): { readonly kernels: TrainingKernels; readonly precise: boolean } | undefined {
  const installation = installations.get(tf.engine());
  const running = tf.engine().registry['wasm'] as unknown;
  return installation && installation.backend === running ? installation : undefined;
}

/**
 * Takes our kernels and gradients out again and puts stock kernels back; does nothing where nothing is installed.
 * Gradients of tfjs's own that `install` had to load stay.
 */
export function uninstall(tf: Tf): void {
  const installation = installations.get(tf.engine());
  if (!installation) return;
  for (const { kernelName } of installation.registered) tf.unregisterKernel(kernelName, 'wasm');
  const running = tf.engine().registry['wasm'];
  for (const config of installation.replaced) {
    tf.registerKernel(config);
    // Stock kernels bind to a backend when it starts; this one started while ours stood in their place.
    if (running && (running as unknown) !== installation.backend) config.setupFunc?.(running);
  }
  for (const name of installation.gradients) tf.unregisterGradient(name);
  for (const gradient of installation.replacedGradients) tf.registerGradient(gradient);
  installations.delete(tf.engine());
}
