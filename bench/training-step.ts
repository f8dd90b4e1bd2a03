// Claim: how long a whole training step of tiny-resnet takes on one thread (augmentation, forward, HCL loss, backward,
// Adam), beside the same step in PyTorch.
//
//   npm run bench:training-step -- [--python PYTHON_WITH_TORCH] [--views 256,512] [--rounds 5] [--steps 4]
//     [--clock wall|cpu] [--tier relaxed]
//
// Rounds of both sides alternate in one run. PyTorch is given an allocator that keeps freed memory (MALLOC_* below):
// without it glibc hands every large block back to the kernel, and PyTorch looks slower than it is.
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { initialWeights, tinyResnet } from '../src/encoders/index.js';
import { PAIRED_RECIPE } from '../src/images/index.js';
import type { SimdTier } from '../src/kernels/index.js';
import { hcl } from '../src/negatives/index.js';
import { randomStream } from '../src/random.js';
import { install } from '../src/tfjs/index.js';
import { allocateExchange } from '../src/train/exchange.js';
import { Replica } from '../src/train/replica.js';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    views: { type: 'string', default: '256,512' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '4' },
    clock: { type: 'string', default: 'wall' },
    tier: { type: 'string', default: 'relaxed' },
  },
});
const [rounds, steps] = [Number(options.rounds), Number(options.steps)];
const ITEMS = 1024;

const clock = (): number => {
  if (options.clock !== 'cpu') return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Steps of our own trainer, in this thread. */
async function ours(views: number): Promise<(count: number) => number[]> {
  const graph = tinyResnet();
  const random = randomStream(1);
  const data = Uint8Array.from({ length: ITEMS * 32 * 32 * 3 }, () => random.integer(256));
  const replica = new Replica(tf, kernels, {
    graph,
    weights: initialWeights(graph, 0),
    replica: 0,
    exchange: allocateExchange({
      replicas: 1,
      views,
      dim: graph.head[2],
      values: Replica.exchangedValues(graph),
    }),
    sources: [
      { size: 32, data },
      { size: 32, data },
    ],
    rows: Int32Array.from({ length: ITEMS }, (_, i) => i),
    recipe: PAIRED_RECIPE,
    method: 'simclr',
    methodOptions: {},
    objective: hcl({ temperature: 0.5, beta: 2, tauPlus: 0 }),
    seed: 0,
    batch: views / 2,
    learningRate: 2e-3,
    warmup: 0,
    weightDecay: 1e-6,
    updates: { optimiser: { kind: 'adam' }, clip: 0, accumulate: 1, ema: 0 },
  });
  let at = 0;
  return (count) =>
    Array.from({ length: count }, () => {
      const start = clock();
      replica.run(at, at + 1, 10_000, ({ loss }) => {
        if (!Number.isFinite(loss)) throw new Error(`loss ${loss}`);
      });
      at++;
      return clock() - start;
    });
}

await tf.setBackend('wasm');
const kernels = await install(tf, { tier: options.tier as SimdTier });
const python = options.python
  ? spawn(options.python, ['bench/training-step.py', options.clock], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '20000000000' },
    })
  : undefined;
const lines = python && createInterface({ input: python.stdout })[Symbol.asyncIterator]();
const answer = async (): Promise<string> => (await lines!.next()).value ?? '';
const rival = python ? await answer() : 'PyTorch not measured (give --python)';

console.log(`Node ${process.version}, ${kernels.tier} SIMD; ${rival}; ${cpus()[0]?.model.trim()}, one thread each`);
console.log(`a step of tiny-resnet, 32x32, medians in ms (${options.clock} time)\n`);
console.log('| views | nearmiss ms | images/s | PyTorch ms | PyTorch ÷ nearmiss |');
console.log('|---|---|---|---|---|');
for (const views of options.views.split(',').map(Number)) {
  const step = await ours(views);
  const theirs = async (count: number): Promise<number[]> => {
    python?.stdin.write(`${views} ${count}\n`);
    return python ? (await answer()).split(' ').map(Number) : [];
  };
  step(3);
  await theirs(3);
  const [a, b]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    a.push(...step(steps));
    b.push(...(await theirs(steps)));
  }
  const cells = b.length > 0 ? [median(b).toFixed(0), `${(median(b) / median(a)).toFixed(2)}x`] : ['–', '–'];
  console.log(
    `| ${views} | ${median(a).toFixed(0)} | ${((1000 * views) / median(a)).toFixed(0)} | ${cells.join(' | ')} |`,
  );
}
python?.stdin.end();
