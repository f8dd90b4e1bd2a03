import { NearmissError } from '../errors.js';

/** SIMD tiers, slowest first: `plain` is WebAssembly SIMD, `relaxed` adds fused multiply-add. */
export const SIMD_TIERS = ['plain', 'relaxed'] as const;
export type SimdTier = (typeof SIMD_TIERS)[number];

// (func (result v128) v128.const 0 … v128.const 0, i32x4.add) and the same with f32x4.relaxed_madd
const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0];
const zero = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const body = (code: number[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([...header, 10, code.length + 4, 1, code.length + 2, 0, ...code, 0x0b]);

/** True when this engine runs WebAssembly SIMD. */
export function supportsSimd(): boolean {
  return WebAssembly.validate(body([...zero, ...zero, 0xfd, 0xae, 1]));
}

let relaxedAsked = false;

/** True when this engine runs relaxed SIMD; on Node 20 it sets the V8 flag that lets it. */
export async function supportsRelaxedSimd(): Promise<boolean> {
  const module = body([...zero, ...zero, ...zero, 0xfd, 0x85, 2]);
  if (WebAssembly.validate(module)) return true;
  const node = globalThis.process?.versions?.node;
  if (node && Number.parseInt(node, 10) <= 20 && !relaxedAsked) {
    relaxedAsked = true;
    process.getBuiltinModule('node:v8').setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  return WebAssembly.validate(module);
}

/** Where the bytes of a kernel module are: at a URL (relative ones to the page), in memory, or compiled already. */
export type ModuleSource = ModulePlace | BufferSource | WebAssembly.Module;
type ModulePlace = string | URL;

async function read(url: URL): Promise<BufferSource> {
  // Not imported: bundlers for browsers stop at imports of Node's own modules, also at those that never run.
  const files = url.protocol === 'file:' ? globalThis.process?.getBuiltinModule?.('node:fs/promises') : undefined;
  if (!files) {
    const answer = await fetch(url).catch((cause: unknown) => {
      throw new NearmissError('NM_KERNELS_MISSING', `${url.href}: could not be fetched`, { cause });
    });
    const type = answer.headers.get('content-type') ?? '';
    // Development servers answer with their page where a file is missing.
    if (!answer.ok || type.startsWith('text/html')) {
      throw new NearmissError('NM_KERNELS_MISSING', `${url.href}: found HTTP ${answer.status} ${type}`.trimEnd());
    }
    return answer.arrayBuffer();
  }
  try {
    return await files.readFile(url);
  } catch (cause) {
    throw new NearmissError('NM_KERNELS_MISSING', `kernel module not found: ${url.pathname}`, { cause });
  }
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** The best tier of this engine, or the one asked for; `NM_SIMD_UNSUPPORTED` if the engine lacks it. */
export async function chooseTier(wanted?: SimdTier): Promise<SimdTier> {
  if (!supportsSimd()) throw new NearmissError('NM_SIMD_UNSUPPORTED', 'this engine has no WebAssembly SIMD');
  if (wanted === 'plain') return 'plain';
  const relaxed = await supportsRelaxedSimd();
  if (wanted === 'relaxed' && !relaxed) {
    throw new NearmissError('NM_SIMD_UNSUPPORTED', 'this engine has no relaxed SIMD; allowed: plain');
  }
  return relaxed ? 'relaxed' : 'plain';
}

/** The bytes of a module that is not compiled yet. */
export async function moduleBytes(source: ModulePlace | BufferSource): Promise<BufferSource> {
  // `location` is undefined outside browsers, where a URL must be whole.
  const isPlace = typeof source === 'string' || source instanceof URL;
  return isPlace ? read(new URL(source, globalThis.location?.href)) : source;
}

/** Where a module of this package is; src/kernels and dist/kernels are equally deep, so one relative path serves both. */
export function builtModule(file: string): URL {
  return new URL(`../../dist/wasm/${file}`, import.meta.url);
}

async function compileSource(source: ModuleSource): Promise<WebAssembly.Module> {
  return source instanceof WebAssembly.Module ? source : WebAssembly.compile(await moduleBytes(source));
}

/**
 * Compiles the module `<name>-<tier>.wasm`: from `source`, else (once) from dist/wasm beside this file, which a bundle
 * is not.
 */
export function compileModule(
  name: 'training' | 'retrieval' | 'device',
  tier: SimdTier,
  source?: ModuleSource,
): Promise<WebAssembly.Module> {
  if (source !== undefined) return compileSource(source);
  const file = `${name}-${tier}.wasm`;
  let module = compiled.get(file);
  if (!module) {
    module = compileSource(builtModule(file));
    module.catch(() => compiled.delete(file));
    compiled.set(file, module);
  }
  return module;
}

/** Throws `NM_SELF_CHECK_FAILED` unless a multiply-add gives the fused or the twice rounded result. */
export function selfCheck(probeMadd: (a: number, b: number, c: number) => number, tier: string): void {
  const a = Math.fround(1 + 2 ** -12);
  const c = Math.fround(-1 - 2 ** -11);
  const once = 2 ** -24;
  const found = probeMadd(a, a, c);
  if (found !== once && found !== 0) {
    throw new NearmissError('NM_SELF_CHECK_FAILED', `${tier} SIMD: multiply-add gave ${found}, allowed: 0 or ${once}`);
  }
}
