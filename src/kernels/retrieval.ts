import { NearmissError } from '../errors.js';
import { chooseTier, compileModule, type ModuleSource, type SimdTier, selfCheck } from './load.js';
import { checkRetrieval, type RetrievalCheck } from './retrieval-check.js';
import type { RetrievalExports } from './retrieval-exports.js';

/** Writes the float32 vector of a row into the module's memory and returns its address; errors end the scan. */
export type RowReader = (row: number) => number;

/** The retrieval kernels with a memory of their own. */
export interface RetrievalKernels {
  readonly tier: SimdTier;
  readonly memory: WebAssembly.Memory;
  readonly exports: RetrievalExports;
  /** Whether scans may start with the 5-bit query (`scanCoarse`). */
  readonly coarse: boolean;
  /** Why not, where they may not. */
  readonly coarseFault?: string;
  /** What the self-check of the relaxed tier found, where plain SIMD stands in for it. */
  readonly passedOver?: string;
  /** Sets who reads the vectors of segments that do not hold them. */
  onRead(reader: RowReader): void;
}

export interface RetrievalOptions {
  /** Default: the best tier this engine has. */
  readonly tier?: SimdTier;
  /** Where the modules are, for bundles, which are not beside dist/wasm. */
  readonly modules?: Partial<Readonly<Record<SimdTier, ModuleSource>>>;
}

async function instantiate(
  module: WebAssembly.Module,
): Promise<Pick<RetrievalKernels, 'exports' | 'memory' | 'onRead'>> {
  let read: RowReader = (row) => {
    throw new NearmissError('NM_SELF_CHECK_FAILED', `row ${row}: found a scan that needs its vector, allowed: none`);
  };
  const rows = { read: (row: number): number => read(row) };
  const instance = await WebAssembly.instantiate(module, { rows });
  const exports = instance.exports as unknown as RetrievalExports;
  return {
    exports,
    memory: exports.memory,
    onRead(reader) {
      read = reader;
    },
  };
}

const checked = new WeakMap<WebAssembly.Module, Promise<RetrievalCheck>>();

/** The self-check of a module, once. */
function check(module: WebAssembly.Module, tier: SimdTier): Promise<RetrievalCheck> {
  let result = checked.get(module);
  if (!result) {
    result = instantiate(module).then(({ exports }) => {
      selfCheck(exports.probeMadd, tier);
      return checkRetrieval(exports, tier);
    });
    result.catch(() => checked.delete(module));
    checked.set(module, result);
  }
  return result;
}

/**
 * Loads the retrieval kernels in the best tier that passes its self-check, or the one asked for, each call with a new
 * memory of their own; a module is checked and warmed once, which takes some 50 ms. Works in Node and in browsers,
 * without tfjs.
 *
 * @throws `NM_SIMD_UNSUPPORTED`, `NM_KERNELS_MISSING`, `NM_SELF_CHECK_FAILED`
 */
export async function loadRetrievalKernels(options: RetrievalOptions = {}): Promise<RetrievalKernels> {
  const tier = await chooseTier(options.tier);
  const module = await compileModule('retrieval', tier, options.modules?.[tier]);
  try {
    const result = await check(module, tier);
    return { tier, ...result, ...(await instantiate(module)) };
  } catch (error) {
    const fault = error instanceof NearmissError && error.code === 'NM_SELF_CHECK_FAILED';
    if (!fault || tier === 'plain' || options.tier !== undefined) throw error;
    return { ...(await loadRetrievalKernels({ ...options, tier: 'plain' })), passedOver: error.message };
  }
}
