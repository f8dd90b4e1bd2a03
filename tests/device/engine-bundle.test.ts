import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SIMD_TIERS } from '../../src/kernels/load.js';
import { bundleEngine } from './engine-bundle.js';

describe('nearmiss/device in a bundle', () => {
  it('is our own code alone: no Node, no zod, no tfjs', async () => {
    const { files, text } = await bundleEngine(`export * from './index.js';`);
    expect(files.filter((file) => !/^(<stdin>$|src\/)/.test(file))).toEqual([]);
    const training = /^src\/(tfjs|train|encoders|methods|negatives|evaluate)\/|training|onnx\/(card|embedder|runtime)/;
    expect(files.filter((file) => training.test(file))).toEqual([]);
    expect(text).not.toMatch(/from\s*"|require\(|import\(/);
  });

  it('takes 24 KB for the engine with its kernels in both tiers, gzipped', async () => {
    const { text } = await bundleEngine(`export { openDeviceEncoder } from './index.js';`);
    const kernels = SIMD_TIERS.map((tier) =>
      readFileSync(new URL(`../../dist/wasm/device-${tier}.wasm`, import.meta.url)),
    );
    const bytes = [Buffer.from(text), ...kernels].map((part) => gzipSync(part, { level: 9 }).length);
    expect(bytes.reduce((sum, part) => sum + part)).toBeLessThan(24 * 1024);
  });
});
