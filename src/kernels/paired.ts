import { NearmissError } from '../errors.js';
import { builtModule, type ModuleSource, moduleBytes, supportsRelaxedSimd, supportsSimd } from './load.js';
import { type CheckedExports, checkKernels, PROBE_BYTES, packing } from './probe.js';

// The paired tier: training kernels for V8's `--experimental-wasm-revectorize`, which packs pairs of neighbouring v128
// operations into 256-bit ones (AVX2, FMA). The flag counts when machine code is made, so the module is compiled at once
// and whole by the optimising compiler while the flags are set; they are set back before anything else runs in this
// thread. The compiled module can be sent to worker threads, which then need no flags.

/** The compiled paired kernels, or why this engine does not run them. */
export type PairedKernels = { readonly module: WebAssembly.Module } | { readonly reason: string };

/** Node's first release whose V8 packs: 22 takes the flag and packs nothing. */
const FIRST_NODE = 24;

/** Flag to set, and the one that sets it back. */
const FLAGS: readonly (readonly [string, string])[] = [
  ['--experimental-wasm-revectorize', '--no-experimental-wasm-revectorize'],
  // Without these, functions are compiled one by one at their first calls, and by the baseline compiler.
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
  ['--no-liftoff', '--liftoff'],
];

/**
 * How much faster the 4x16 tile must be than the 4x8: about 1.9 where V8 packs, 0.6 where it does not, 1 where the
 * processor splits 256-bit operations.
 */
const LEAST_PACKING = 1.3;

const PAGE = 65536;

/** Why this engine cannot have paired kernels, as far as can be told without trying. */
function obstacle(): string | undefined {
  const { process } = globalThis;
  const node = process?.versions?.node;
  if (!node || !process.getBuiltinModule) return 'browsers have no such setting';
  if (Number.parseInt(node, 10) < FIRST_NODE) return `needs Node ${FIRST_NODE} or newer`;
  if (process.arch !== 'x64') return `V8 packs on x64 only, this is ${process.arch}`;
  return undefined;
}

/** True when the command line has set a flag, which then stays as it is (NODE_OPTIONS does not allow these). */
function givenByUser(flag: string): boolean {
  const name = flag.replace(/^--(no-?)?/, '').replaceAll('_', '-');
  return process.execArgv.some((argument) => argument.replaceAll('_', '-').replace(/^--(no-?)?/, '') === name);
}

/** Compiles `bytes` with 256-bit code. V8 flags are of the whole process; they are set for the time of this call. */
function compilePaired(bytes: BufferSource): WebAssembly.Module {
  const v8 = process.getBuiltinModule('node:v8');
  const flags = FLAGS.filter(([flag]) => !givenByUser(flag));
  for (const [flag] of flags) v8.setFlagsFromString(flag);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const [, back] of flags) v8.setFlagsFromString(back);
  }
}

async function tryPaired(source: BufferSource): Promise<PairedKernels> {
  const module = compilePaired(source);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(PROBE_BYTES / PAGE) });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const kernels = exports as unknown as CheckedExports;
  try {
    checkKernels(kernels, memory, 0, 'paired');
  } catch (error) {
    if (error instanceof NearmissError) return { reason: error.message };
    throw error;
  }
  const found = packing(kernels, memory, 0, LEAST_PACKING);
  if (found >= LEAST_PACKING) return { module };
  return { reason: `V8 did not pack: a 4x16 tile ran ${found.toFixed(2)}x as fast as 4x8, needs ${LEAST_PACKING}x` };
}

let known: Promise<PairedKernels> | undefined;

/**
 * The paired kernels of this process, compiled, checked and timed once (about 0.2 s, in which this thread does nothing
 * else), or the reason why there are none. `source`: as for `loadTrainingKernels`; a module that is compiled already is
 * taken as it is.
 */
export async function pairedKernels(source?: ModuleSource): Promise<PairedKernels> {
  if (source instanceof WebAssembly.Module) return { module: source };
  const reason = obstacle();
  if (reason) return { reason };
  if (!supportsSimd() || !(await supportsRelaxedSimd())) return { reason: 'this engine has no relaxed SIMD' };
  if (source !== undefined) return tryPaired(await moduleBytes(source));
  known ??= moduleBytes(builtModule('training-paired.wasm')).then(tryPaired);
  known.catch(() => {
    known = undefined;
  });
  return known;
}
