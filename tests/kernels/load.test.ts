import { afterEach, describe, expect, it, vi } from 'vitest';
import { NearmissError } from '../../src/errors.js';
import {
  chooseTier,
  compileModule,
  SIMD_TIERS,
  selfCheck,
  supportsRelaxedSimd,
  supportsSimd,
} from '../../src/kernels/load.js';

async function refusal(work: () => unknown): Promise<NearmissError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof NearmissError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** An engine that validates no module with the given opcode after the SIMD prefix. */
function engineWithout(opcode: readonly number[]): void {
  const validate = WebAssembly.validate.bind(WebAssembly);
  const needle = Buffer.from([0xfd, ...opcode]);
  vi.spyOn(WebAssembly, 'validate').mockImplementation((bytes) =>
    Buffer.from(bytes as Uint8Array).includes(needle) ? false : validate(bytes),
  );
}

const I32X4_ADD = [0xae, 1];
const RELAXED_MADD = [0x85, 2];

describe('chooseTier', () => {
  it('takes the best tier that the engine has, or the one asked for', async () => {
    expect(supportsSimd()).toBe(true);
    const best = (await supportsRelaxedSimd()) ? 'relaxed' : 'plain';
    expect(await chooseTier()).toBe(best);
    expect(await chooseTier('plain')).toBe('plain');
  });

  it('falls back to plain SIMD, and says so where relaxed was asked for', async () => {
    engineWithout(RELAXED_MADD);
    expect(await chooseTier()).toBe('plain');
    const error = await refusal(() => chooseTier('relaxed'));
    expect(error.code).toBe('NM_SIMD_UNSUPPORTED');
    expect(error.message).toBe('this engine has no relaxed SIMD; allowed: plain');
  });

  it('refuses an engine without SIMD', async () => {
    engineWithout(I32X4_ADD);
    expect(supportsSimd()).toBe(false);
    expect((await refusal(() => chooseTier('plain'))).code).toBe('NM_SIMD_UNSUPPORTED');
  });
});

describe('compileModule', () => {
  it.each(SIMD_TIERS)('compiles each %s module once', async (tier) => {
    await chooseTier(tier);
    const compile = vi.spyOn(WebAssembly, 'compile');
    const [first, second] = await Promise.all([compileModule('training', tier), compileModule('training', tier)]);
    expect(first).toBe(second);
    expect(compile).toHaveBeenCalledTimes(1);
  });

  it('names a module that is not there, and finds it once it is', async () => {
    const name = 'missing' as 'training';
    const error = await refusal(() => compileModule(name, 'plain'));
    expect(error.code).toBe('NM_KERNELS_MISSING');
    expect(error.message).toMatch(/^kernel module not found: .*dist\/wasm\/missing-plain\.wasm$/);
    // A failure is not remembered: the module may have been built since.
    await expect(compileModule(name, 'plain')).rejects.toThrow('not found');
  });
});

describe('selfCheck', () => {
  it('accepts a fused and a twice rounded multiply-add', () => {
    const fused = (a: number, b: number, c: number): number => Math.fround(a * b + c);
    const rounded = (a: number, b: number, c: number): number => Math.fround(Math.fround(a * b) + c);
    const [a, c] = [Math.fround(1 + 2 ** -12), Math.fround(-1 - 2 ** -11)];
    expect(fused(a, a, c)).not.toBe(rounded(a, a, c));
    for (const madd of [fused, rounded]) expect(() => selfCheck(madd, 'relaxed')).not.toThrow();
  });

  it.each([
    ['negated', (a: number, b: number, c: number) => c - a * b],
    ['without its addend', (a: number, b: number) => Math.fround(a * b)],
    ['NaN', () => Number.NaN],
  ])('refuses one that is %s', async (_, madd) => {
    const error = await refusal(() => selfCheck(madd, 'relaxed'));
    expect(error.code).toBe('NM_SELF_CHECK_FAILED');
    expect(error.message).toMatch(/^relaxed SIMD: multiply-add gave .*, allowed: 0 or 5\.96/);
  });
});
