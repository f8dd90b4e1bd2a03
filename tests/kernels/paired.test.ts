import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  compileTraining,
  fusesMultiplyAdd,
  loadTrainingKernels,
  pairedKernels,
  standaloneHeap,
  supportsRelaxedSimd,
  type TrainingExports,
  type TrainingTier,
} from '../../src/kernels/index.js';
import { checkKernels, packing } from '../../src/kernels/probe.js';
import { batchNormTrain, install } from '../../src/tfjs/index.js';
import { PAIRED_MISSING } from './tiers.js';

const here = PAIRED_MISSING === undefined ? 'here' : `here: ${PAIRED_MISSING}`;

afterEach(() => {
  vi.unstubAllGlobals();
});

/** This process as another Node would show it. */
function pretend(properties: Record<string, unknown>): void {
  const values = Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, { value }]));
  vi.stubGlobal('process', Object.create(process, values));
}

describe('the paired tier', () => {
  it.skipIf(PAIRED_MISSING && !process.env['NEARMISS_REQUIRE_PAIRED'])(`is the best tier ${here}`, async () => {
    expect(PAIRED_MISSING).toBeUndefined();
    expect(await compileTraining()).toMatchObject({ tier: 'paired', passedOver: [] });
  });

  it.each([
    ['an older Node', { versions: { node: '22.1.0' } }, 'needs Node 24 or newer'],
    ['another processor', { versions: { node: '24.0.0' }, arch: 'arm64' }, 'V8 packs on x64 only, this is arm64'],
    ['a browser', { versions: {} }, 'browsers have no such setting'],
  ])('is passed over on %s, and the reason kept', async (_, properties, reason) => {
    expect(await supportsRelaxedSimd()).toBe(true);
    pretend(properties);
    const { tier, passedOver } = await compileTraining();
    expect(tier).toBe('relaxed');
    expect(passedOver).toEqual([{ tier: 'paired', reason }]);
    await expect(compileTraining({ tier: 'paired' })).rejects.toMatchObject({
      code: 'NM_SIMD_UNSUPPORTED',
      message: `paired SIMD: ${reason}`,
    });
  });
});

describe('checkKernels', () => {
  it('refuses kernels whose products are wrong', async () => {
    const heap = standaloneHeap();
    const { exports } = await loadTrainingKernels(heap, { tier: 'relaxed' });
    const address = heap.malloc(65536);
    expect(() => checkKernels(exports, heap.memory, address, 'relaxed')).not.toThrow();
    const broken = { ...exports, matmulTransposedA: exports.matmul } as unknown as TrainingExports;
    expect(() => checkKernels(broken, heap.memory, address, 'relaxed')).toThrow(
      expect.objectContaining({
        code: 'NM_SELF_CHECK_FAILED',
        message: expect.stringMatching(/^relaxed SIMD: matmulTransposedA\[\d\]\[\d+\] gave .*, allowed: /),
      }),
    );
  });
});

describe.skipIf(PAIRED_MISSING)('paired kernels', () => {
  it('leave the flags of V8 as they were', async () => {
    await pairedKernels();
    const bytes = readFileSync(new URL('../../dist/wasm/training-paired.wasm', import.meta.url));
    // A custom section (id 0) named 'x': other bytes, so V8 cannot reuse the machine code it has.
    const other = Buffer.concat([bytes, Uint8Array.of(0, 2, 1, 0x78)]);
    for (const flag of ['--no-liftoff', '--no-wasm-lazy-compilation']) setFlagsFromString(flag);
    const copy = new WebAssembly.Module(other);
    for (const flag of ['--liftoff', '--wasm-lazy-compilation']) setFlagsFromString(flag);
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(copy, { env: { memory } });
    expect(packing(exports as unknown as TrainingExports, memory, 0, 1.3)).toBeLessThan(1.3);
  });

  it('are passed over where the command line forbids packing', async () => {
    const built = new URL('../../dist/kernels/index.js', import.meta.url).href;
    const script = `import { compileTraining } from '${built}'; console.log(JSON.stringify((await compileTraining()).passedOver))`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--no-experimental-wasm-revectorize', '--input-type=module', '--eval', script],
      { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
    );
    const [passed] = JSON.parse(stdout) as [{ tier: string; reason: string }];
    expect(passed.tier).toBe('paired');
    expect(passed.reason).toMatch(/^V8 did not pack: a 4x16 tile ran 0\.\d\dx as fast as 4x8, needs 1\.3x$/);
  });

  it('give the relaxed ones results to the bit', async () => {
    await tf.setBackend('wasm');
    /** Loss and gradients of a small net with 3x3, strided, pointwise and narrow layers. */
    const gradients = async (tier: TrainingTier): Promise<Uint32Array[]> => {
      const kernels = await install(tf, { tier });
      expect(kernels.tier).toBe(tier);
      expect(fusesMultiplyAdd(kernels.exports)).toBe(true);
      const values = (shape: number[], seed: number): tf.Tensor => tf.randomUniform(shape, -1, 1, 'float32', seed);
      const variables = [
        values([3, 3, 3, 32], 1),
        values([3, 3, 32, 32], 2),
        values([3, 3, 32, 24], 3),
        values([1, 1, 24, 48], 4),
        values([48, 10], 5),
        values([32], 6),
        values([32], 7),
      ];
      const { value, grads } = tf.valueAndGrads((...given: tf.Tensor[]) => {
        const [stem, same, down, point, dense, gamma, beta] = given as [
          tf.Tensor4D,
          tf.Tensor4D,
          tf.Tensor4D,
          tf.Tensor4D,
          tf.Tensor2D,
          tf.Tensor1D,
          tf.Tensor1D,
        ];
        let x = values([3, 13, 13, 3], 8) as tf.Tensor4D;
        x = tf.conv2d(x, stem, 2, 1);
        x = batchNormTrain(tf, x, gamma, beta, { relu: true }).y;
        x = tf.conv2d(x, same, 1, 1);
        x = tf.relu(tf.conv2d(x, down, 2, 1));
        x = tf.conv2d(x, point, 1, 0);
        const scores = tf.matMul(tf.mean<tf.Tensor2D>(x, [1, 2]), dense);
        return tf.sum(tf.square(tf.softmax(scores))) as tf.Scalar;
      })(variables);
      return [value, ...grads].map((tensor) => new Uint32Array(tensor.dataSync<'float32'>().slice().buffer));
    };
    const relaxed = await gradients('relaxed');
    const paired = await gradients('paired');
    const differing = relaxed.map((values, i) => values.filter((bits, place) => bits !== paired[i]![place]).length);
    expect(differing).toEqual(relaxed.map(() => 0));
    expect(new Set(relaxed[1]).size).toBeGreaterThan(100);
  });
});
