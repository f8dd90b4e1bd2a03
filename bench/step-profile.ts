// Claim: where the time of a training step goes, kernel by kernel.
//
//   npm run bench:step-profile -- [--encoder tiny-resnet|twelve-layer] [--views 256] [--steps 20] [--tier relaxed]
//
// Every function of the kernels' module and every tfjs kernel is wrapped in a clock; what is left is JavaScript: drawing
// augmentations, tfjs's bookkeeping, exchanging gradients. Medians over steps, so that single disturbances do not show.
// Times are wall times on a machine that may be shared: quote shares.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import type { TrainingTier } from '../src/kernels/index.js';
import { install } from '../src/tfjs/index.js';
import { benchedReplica, encoderToBench } from './training-step-replica.js';

const { values: options } = parseArgs({
  options: {
    encoder: { type: 'string', default: 'tiny-resnet' },
    views: { type: 'string', default: '256' },
    steps: { type: 'string', default: '20' },
    tier: { type: 'string' },
  },
});
const [views, steps] = [Number(options.views), Number(options.steps)];
const WARM_UP = 3;
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

await tf.setBackend('wasm');
const kernels = await install(tf, options.tier ? { tier: options.tier as TrainingTier } : {});

/** Time of this step by name; what a function's callees take is theirs. */
let times = new Map<string, number>();
let inner = 0;
function clocked<Args extends unknown[], Result>(
  name: string,
  run: (...args: Args) => Result,
): (...args: Args) => Result {
  return (...args) => {
    const outside = inner;
    inner = 0;
    const start = performance.now();
    const result = run(...args);
    const spent = performance.now() - start;
    times.set(name, (times.get(name) ?? 0) + spent - inner);
    inner = outside + spent;
    return result;
  };
}

const clockedExports = Object.fromEntries(
  Object.entries(kernels.exports).map(([name, run]) => [name, clocked(name, run as (...args: unknown[]) => unknown)]),
);
// Work that is under way reads its kernels from this one object.
Object.defineProperty(kernels, 'exports', { value: clockedExports });
for (const config of tf.getKernelsForBackend('wasm')) {
  tf.unregisterKernel(config.kernelName, 'wasm');
  tf.registerKernel({ ...config, kernelFunc: clocked(`tfjs ${config.kernelName}`, config.kernelFunc) });
}

const replica = benchedReplica(tf, kernels, encoderToBench(options.encoder), views);
const totals: number[] = [];
const byName = new Map<string, number[]>();
for (let step = 0; step < steps + WARM_UP; step++) {
  times = new Map();
  inner = 0;
  const start = performance.now();
  replica.run(step, step + 1, 10_000, () => {});
  const total = performance.now() - start;
  if (step < WARM_UP) continue;
  totals.push(total);
  for (const [name, time] of [...times, ['JavaScript', total - inner] as const]) {
    const list = byName.get(name);
    if (list) list.push(time);
    else byName.set(name, [time]);
  }
}

const total = median(totals);
console.log(`Node ${process.version}, ${kernels.tier} SIMD, ${cpus()[0]?.model.trim()}, one thread`);
console.log(`a step of ${options.encoder}, ${views} views of 32x32: ${total.toFixed(0)} ms\n`);
console.log('| kernel | ms | % |');
console.log('|---|---|---|');
for (const [name, list] of [...byName].sort((a, b) => median(b[1]) - median(a[1]))) {
  const time = median(list);
  if (time < 0.002 * total) continue;
  console.log(`| ${name} | ${time.toFixed(1)} | ${((100 * time) / total).toFixed(1)} |`);
}
