// Claim: where the time of a training step goes, kernel by kernel and shape by shape.
//
//   npm run bench:step-profile -- [--encoder tiny-resnet|twelve-layer] [--views 256] [--steps 12] [--tier relaxed]
//
// Every tfjs kernel is wrapped in a clock of this process's CPU time; what is left is augmentation, the loss, the
// optimiser, and tfjs's own bookkeeping. Medians over steps, so single disturbances do not show.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import type { SimdTier } from '../src/kernels/index.js';
import { install } from '../src/tfjs/index.js';
import { benchedReplica, encoderToBench } from './training-step-replica.js';

const { values: options } = parseArgs({
  options: {
    encoder: { type: 'string', default: 'tiny-resnet' },
    views: { type: 'string', default: '256' },
    steps: { type: 'string', default: '12' },
    tier: { type: 'string' },
  },
});
const [views, steps] = [Number(options.views), Number(options.steps)];

const milliseconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

await tf.setBackend('wasm');
const kernels = await install(tf, options.tier ? { tier: options.tier as SimdTier } : {});

/** Time of this step by kernel and shapes; kernels that run other kernels count what is left. */
let times = new Map<string, number>();
let inner = 0;
for (const config of tf.getKernelsForBackend('wasm')) {
  tf.unregisterKernel(config.kernelName, 'wasm');
  tf.registerKernel({
    ...config,
    kernelFunc: (run) => {
      const outside = inner;
      inner = 0;
      const start = milliseconds();
      const output = config.kernelFunc(run);
      const spent = milliseconds() - start;
      const first = Array.isArray(output) ? output[0]! : output;
      const shapes = Object.values(run.inputs).flatMap((info) => (info ? [`[${info.shape}]`] : []));
      const name = `${config.kernelName} | ${shapes.slice(0, 2).join(' ')} → [${first.shape}]`;
      times.set(name, (times.get(name) ?? 0) + spent - inner);
      inner = outside + spent;
      return output;
    },
  });
}

const replica = benchedReplica(tf, kernels, encoderToBench(options.encoder), views);
const totals: number[] = [];
const augmentations: number[] = [];
const byKernel = new Map<string, number[]>();
for (let step = 0; step < steps + 3; step++) {
  times = new Map();
  inner = 0;
  const start = milliseconds();
  replica.run(step, step + 1, 10_000, ({ augmentMilliseconds }) => {
    if (step >= 3) augmentations.push(augmentMilliseconds);
  });
  const total = milliseconds() - start;
  if (step < 3) continue;
  totals.push(total);
  for (const [name, time] of [...times, ['everything else', total - inner] as const]) {
    const list = byKernel.get(name);
    if (list) list.push(time);
    else byKernel.set(name, [time]);
  }
}

const total = median(totals);
console.log(`Node ${process.version}, ${kernels.tier} SIMD, ${cpus()[0]?.model.trim()}, one thread, CPU time`);
console.log(`a step of ${options.encoder}, ${views} views of 32x32: ${total.toFixed(1)} ms`);
console.log(`(augmentation ${median(augmentations).toFixed(1)} ms wall)\n`);
console.log('| kernel | inputs → output | ms | % |');
console.log('|---|---|---|---|');
const rows = [...byKernel].map(([name, list]) => [name, median(list)] as const).sort((a, b) => b[1] - a[1]);
for (const [name, time] of rows) {
  if (time < 0.05) continue;
  const cells = name.includes('|') ? name : `${name} | `;
  console.log(`| ${cells} | ${time.toFixed(1)} | ${((100 * time) / total).toFixed(1)} |`);
}
const byName = new Map<string, number>();
for (const [name, time] of rows) {
  const kernel = name.split(' | ')[0]!;
  byName.set(kernel, (byName.get(kernel) ?? 0) + time);
}
console.log('\n| kernel | ms | % |');
console.log('|---|---|---|');
for (const [name, time] of [...byName].sort((a, b) => b[1] - a[1])) {
  console.log(`| ${name} | ${time.toFixed(1)} | ${((100 * time) / total).toFixed(1)} |`);
}
