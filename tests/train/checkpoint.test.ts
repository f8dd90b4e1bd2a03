import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { initialWeights, parameterCount, tinyMobile, tinyResnet } from '../../src/encoders/index.js';
import { NearmissError } from '../../src/errors.js';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.js';

const graph = tinyResnet();
const parameters = parameterCount(graph);
const checkpoint = {
  step: 17,
  state: {
    weights: initialWeights(graph, 5),
    optimiser: {
      m: Float32Array.from({ length: parameters }, (_, i) => i / 7),
      v: new Float32Array(parameters).fill(1e-9),
    },
    average: initialWeights(graph, 6),
    method: {
      'queue.rows': { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, -0) },
      'queue.ids': { shape: [2], data: Int32Array.of(-1, 2 ** 31 - 1) },
    },
  },
  readOut: {
    pool: 2 as const,
    whitening: { mean: new Float32Array(512).fill(0.5), matrix: new Float32Array(512 * 9).fill(2), dimensions: 9 },
  },
};
let folder = '';
let path = '';

/** A hash of each tensor: comparing megabytes number by number, and printing them, takes minutes. */
function digest(value: typeof checkpoint | Awaited<ReturnType<typeof readCheckpoint>>): Record<string, string> {
  const tensors: Record<string, Float32Array> = { ...value.state.optimiser };
  for (const [name, weight] of Object.entries(value.state.weights)) tensors[`${name} [${weight.shape}]`] = weight.data;
  for (const [name, weight] of Object.entries(value.state.average!)) tensors[`average.${name}`] = weight.data;
  const { mean, matrix } = value.readOut!.whitening!;
  const kept = Object.entries(value.state.method).map(
    ([name, { shape, data }]) => [`${name} [${shape}]`, data] as const,
  );
  const all = [...Object.entries({ ...tensors, mean, matrix }), ...kept];
  return Object.fromEntries(all.map(([name, data]) => [name, createHash('sha256').update(data).digest('hex')]));
}

async function code(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof NearmissError ? error.code : String(error);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-'));
  path = join(folder, 'checkpoint.safetensors');
  await writeCheckpoint(path, graph, checkpoint);
});

describe('checkpoints', () => {
  it('give back weights, their average, moments, what the method keeps, step and read-out, bit for bit', async () => {
    const read = await readCheckpoint(path, graph);
    expect(read.step).toBe(17);
    expect(read.readOut?.pool).toBe(2);
    expect(read.readOut?.whitening?.dimensions).toBe(9);
    const [found, expected] = [read, checkpoint].map(digest);
    expect(found).toEqual(expected);
  });

  it.each([true, false, undefined])('keep whether multiply-adds were fused: %s', async (fusesMultiplyAdd) => {
    const other = join(folder, 'arithmetic.safetensors');
    const known = fusesMultiplyAdd === undefined ? {} : { fusesMultiplyAdd };
    await writeCheckpoint(other, graph, { step: 1, state: { ...checkpoint.state, method: {} }, ...known });
    expect((await readCheckpoint(other, graph)).fusesMultiplyAdd).toBe(fusesMultiplyAdd);
    const file = decodeSafetensors(await readFile(other), other);
    await writeFile(other, encodeSafetensors({ ...file, metadata: { ...file.metadata, multiplyAdd: 'thrice' } }));
    expect(await code(readCheckpoint(other, graph))).toBe('NM_CHECKPOINT_CORRUPT');
    await rm(other);
  });

  it('leave no temporary file behind', async () => {
    expect(await readdir(folder)).toEqual(['checkpoint.safetensors']);
  });

  it('are refused when they are cut short, of another encoder, or another kind of file', async () => {
    const bytes = await readFile(path);
    const cut = join(folder, 'cut.safetensors');
    await writeFile(cut, bytes.subarray(0, bytes.length - 4));
    expect(await code(readCheckpoint(cut, graph))).toBe('NM_CHECKPOINT_CORRUPT');
    expect(await code(readCheckpoint(path, tinyMobile()))).toBe('NM_CHECKPOINT_CORRUPT');
    const text = join(folder, 'text.safetensors');
    await writeFile(text, 'hello, this is a text file and no checkpoint');
    expect(await code(readCheckpoint(text, graph))).toBe('NM_CHECKPOINT_CORRUPT');
  });

  it('keep the old file whole when the new one cannot be written', async () => {
    const before = await readFile(path);
    const missing = join(folder, 'gone', 'checkpoint.safetensors');
    await expect(writeCheckpoint(missing, graph, checkpoint)).rejects.toThrow();
    expect(before.equals(await readFile(path))).toBe(true);
  });
});
