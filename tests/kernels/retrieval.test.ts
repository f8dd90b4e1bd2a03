import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { loadRetrievalKernels } from '../../src/kernels/retrieval.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

/** The bytes of a built module with every occurrence of an instruction replaced by another of its length. */
async function altered(tier: string, from: readonly number[], to: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Uint8Array.from(await readFile(new URL(`../../dist/wasm/retrieval-${tier}.wasm`, import.meta.url)));
  let count = 0;
  for (let i = 0; i + from.length <= bytes.length; i++) {
    if (!from.every((byte, j) => bytes[i + j] === byte)) continue;
    bytes.set(to, i);
    count += 1;
  }
  expect(count).toBeGreaterThan(0);
  return bytes;
}

// i16x8.relaxed_dot_i8x16_i7x16_s and i16x8.mul; f32x4.relaxed_madd and relaxed_nmadd; i32x4.dot_i16x8_s and i32x4.mul
const DOT_I7 = [0xfd, 0x92, 0x02];
const MUL_I16 = [0xfd, 0x95, 0x01];
const MADD = [0xfd, 0x85, 0x02];
const NMADD = [0xfd, 0x86, 0x02];
const DOT_I16 = [0xfd, 0xba, 0x01];
const MUL_I32 = [0xfd, 0xb5, 0x01];

describe('loadRetrievalKernels', () => {
  it('uses 5-bit queries where relaxed SIMD passes its check, and only there', async () => {
    expect(await loadRetrievalKernels({ tier: 'relaxed' })).toMatchObject({ tier: 'relaxed', coarse: true });
    expect(await loadRetrievalKernels({ tier: 'plain' })).toMatchObject({ tier: 'plain', coarse: false });
    expect((await loadRetrievalKernels()).passedOver).toBeUndefined();
  });

  it('does without 5-bit queries where their product is wrong, and says so', async () => {
    const relaxed = await altered('relaxed', DOT_I7, MUL_I16);
    const kernels = await loadRetrievalKernels({ modules: { relaxed } });
    expect(kernels).toMatchObject({ tier: 'relaxed', coarse: false });
    expect(kernels.coarseFault).toContain('5-bit product');
  });

  it('falls back to plain SIMD where relaxed SIMD is wrong, and says so; never where it was asked for', async () => {
    const relaxed = await altered('relaxed', MADD, NMADD);
    const kernels = await loadRetrievalKernels({ modules: { relaxed } });
    expect(kernels.tier).toBe('plain');
    expect(kernels.passedOver).toContain('relaxed SIMD');
    await expect(loadRetrievalKernels({ tier: 'relaxed', modules: { relaxed } })).rejects.toThrow(
      code('NM_SELF_CHECK_FAILED'),
    );
  });

  it.each(SIMD_TIERS)('refuses %s code whose fine scan is wrong', async (tier) => {
    const module = await altered(tier, DOT_I16, MUL_I32);
    await expect(loadRetrievalKernels({ tier, modules: { [tier]: module } })).rejects.toThrow(
      code('NM_SELF_CHECK_FAILED'),
    );
  });
});
