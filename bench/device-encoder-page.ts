// What bench/device-encoder.ts runs in a page: both engines on the same pictures, in turns.
import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm';
import { openDeviceEncoder } from '../src/device/index.js';

export interface Turns {
  /** Milliseconds a picture, one number a round. */
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  readonly openOurs: number;
  readonly openTheirs: number;
  /** Largest difference of any number of an embedding. */
  readonly difference: number;
  readonly tier: string;
}

async function bytesAt(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

/** Embeds pictures one by one, `rounds` times `count` of them by each side; the side that starts changes. */
async function compare(model: string, rounds: number, count: number, tier?: 'plain' | 'relaxed'): Promise<Turns> {
  env.wasm.numThreads = 1;
  env.wasm.wasmPaths = '/ort/';
  const bytes = await bytesAt(model);
  const pictures = await bytesAt('/pictures');
  let start = performance.now();
  const kernels = { plain: '/wasm/device-plain.wasm', relaxed: '/wasm/device-relaxed.wasm' };
  const encoder = await openDeviceEncoder(bytes, { kernels, ...(tier && { tier }) });
  const openOurs = performance.now() - start;
  start = performance.now();
  const session = await InferenceSession.create(bytes, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
  const openTheirs = performance.now() - start;
  const { size } = encoder;
  const length = size * size * 3;
  const total = pictures.length / length;
  const picture = (i: number): Uint8Array => pictures.subarray((i % total) * length, ((i % total) + 1) * length);
  let difference = 0;
  const check = async (i: number): Promise<void> => {
    const found = encoder.embed(picture(i));
    const expected = await theirVector(picture(i));
    for (let j = 0; j < found.length; j++) difference = Math.max(difference, Math.abs(found[j]! - expected[j]!));
  };
  const theirVector = async (pixels: Uint8Array): Promise<Float32Array> => {
    const result = await session.run({ image: new Tensor('uint8', pixels, [1, size, size, 3]) });
    return result['embedding']!.data as Float32Array;
  };
  // Also warms both up.
  for (let i = 0; i < 60; i++) await check(i);
  let sink = 0;
  const turn = async (side: 'ours' | 'theirs', round: number): Promise<number> => {
    const from = performance.now();
    for (let i = 0; i < count; i++) {
      const pixels = picture(round * count + i);
      sink += (side === 'ours' ? encoder.embed(pixels) : await theirVector(pixels))[0]!;
    }
    return (performance.now() - from) / count;
  };
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      (side === 'ours' ? ours : theirs).push(await turn(side, round));
    }
  }
  if (!Number.isFinite(sink)) throw new Error('an embedding is not finite');
  return { ours, theirs, openOurs, openTheirs, difference, tier: encoder.tier };
}

declare global {
  var deviceBench: { readonly compare: typeof compare };
}
globalThis.deviceBench = { compare };
