import { NearmissError } from '../errors.js';
import { chooseTier, compileModule, type SimdTier, selfCheck } from './load.js';
import { RowTable, type ScanExports, type ScanKernels } from './scan.js';

/** What the retrieval module exports; each kernel's file declares its part. */
export interface RetrievalExports extends ScanExports {
  readonly memory: WebAssembly.Memory;
  probeMadd(a: number, b: number, c: number): number;
}

/** The retrieval kernels with a memory of their own. */
export interface RetrievalKernels extends ScanKernels {
  readonly tier: SimdTier;
  readonly exports: RetrievalExports;
}

async function instantiate(tier: SimdTier): Promise<RetrievalKernels> {
  const module = await compileModule('retrieval', tier);
  const instance = await WebAssembly.instantiate(module);
  const exports = instance.exports as unknown as RetrievalExports;
  return { tier, exports, memory: exports.memory };
}

/**
 * Scores of small whole numbers are exact in float32, fused or not, so both scan kernels have one right answer:
 * row i holds i everywhere and the query is ones, hence score i * dimension, best row last.
 */
function checkScan({ exports, memory, tier }: RetrievalKernels): void {
  const dimension = 21;
  const count = 13;
  const table = new RowTable({ exports, memory }, dimension);
  table.reserve(count);
  const rows = table.view(0, count);
  for (let i = 0; i < rows.length; i++) rows[i] = Math.floor(i / dimension);
  for (const queries of [1, 4]) {
    const { rows: found, scores } = table.search(new Float32Array(queries * dimension).fill(1), 2, count);
    for (let i = 0; i < found.length; i++) {
      const row = count - 1 - (i % 2);
      if (found[i] === row && scores[i] === row * dimension) continue;
      throw new NearmissError(
        'NM_SELF_CHECK_FAILED',
        `${tier} SIMD: a scan gave row ${found[i]} with ${scores[i]}, allowed: row ${row} with ${row * dimension}`,
      );
    }
  }
}

const checked = new Map<SimdTier, Promise<void>>();

/**
 * Loads the retrieval kernels in the best tier or the one asked for, each call with a new memory of their own; a tier is
 * checked once. Works in Node and in browsers, without tfjs.
 */
export async function loadRetrievalKernels(options: { readonly tier?: SimdTier } = {}): Promise<RetrievalKernels> {
  const tier = await chooseTier(options.tier);
  let check = checked.get(tier);
  if (!check) {
    check = instantiate(tier).then((kernels) => {
      selfCheck(kernels.exports.probeMadd, tier);
      checkScan(kernels);
    });
    check.catch(() => checked.delete(tier));
    checked.set(tier, check);
  }
  await check;
  return instantiate(tier);
}
