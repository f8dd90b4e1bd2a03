import { NearmissError } from '../errors.js';
import { checkDevice } from './device-check.js';
import type { DeviceExports } from './device-exports.js';
import { chooseTier, compileModule, type ModuleSource, type SimdTier, selfCheck } from './load.js';

/** The kernels that run exported encoders, with a memory of their own. */
export interface DeviceKernels {
  readonly tier: SimdTier;
  readonly exports: DeviceExports;
  /** What the self-check of the relaxed tier found, where plain SIMD stands in for it. */
  readonly passedOver?: string;
}

export interface DeviceKernelOptions {
  /** Default: the best tier this engine has. */
  readonly tier?: SimdTier;
  /** Where the modules are, for bundles, which are not beside dist/wasm. */
  readonly modules?: Partial<Readonly<Record<SimdTier, ModuleSource>>>;
}

/**
 * Loads the device kernels in the best tier that passes its self-check, or the one asked for, each call with a new memory
 * of their own. Works in Node and in browsers, without tfjs.
 *
 * @throws `NM_SIMD_UNSUPPORTED`, `NM_KERNELS_MISSING`, `NM_SELF_CHECK_FAILED`
 */
export async function loadDeviceKernels(options: DeviceKernelOptions = {}): Promise<DeviceKernels> {
  const tier = await chooseTier(options.tier);
  const module = await compileModule('device', tier, options.modules?.[tier]);
  const instance = await WebAssembly.instantiate(module);
  const exports = instance.exports as unknown as DeviceExports;
  try {
    if (exports.memory.buffer.byteLength === 0) exports.memory.grow(1);
    selfCheck(exports.probeMadd, tier);
    checkDevice(exports, tier);
    return { tier, exports };
  } catch (error) {
    const fault = error instanceof NearmissError && error.code === 'NM_SELF_CHECK_FAILED';
    if (!fault || tier === 'plain' || options.tier !== undefined) throw error;
    return { ...(await loadDeviceKernels({ ...options, tier: 'plain' })), passedOver: error.message };
  }
}
