// Claim: how long a whole training step takes (augmentation, forward, HCL loss, backward, Adam) and how much memory it
// needs, on one thread and on two, beside the same step in PyTorch and in stock tfjs. Encoders: tiny-resnet, and a plain
// stack of twelve 3x3 convolutions (training-step-replica.ts).
//
//   npm run bench:training-step -- [--python PYTHON_WITH_TORCH] [--encoders tiny-resnet,twelve-layer] [--views 256,512]
//     [--threads 1,2] [--tiers paired,relaxed] [--rounds 5] [--steps 4] [--clock cpu|wall] [--stock 4|0] [--dtypes fp32,bf16]
//     [--tfjs-node FOLDER_WITH_IT_INSTALLED] [--no-memory]
//
// Run it with Node 20 for 128-bit vectors and with Node 24 for 256-bit ones; the best tier of that Node is measured.
// Rounds of all sides alternate in one run. `--clock cpu` (processor time of the process) is less disturbed by other
// programs, for one thread only: two are always measured by the wall clock. PyTorch is given an allocator that keeps
// freed memory (MALLOC_* below): without it glibc hands every large block back to the kernel, and PyTorch looks slower
// than it is. Its memory is measured without, where it needs less. Writes Markdown; needs Linux for the memory.
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type * as tfCore from '@tensorflow/tfjs-core';
import { compileTraining, type TrainingTier } from '../src/kernels/index.js';
import { Team } from '../src/train/team.js';
import { benchedOptions, encoderToBench } from './training-step-replica.js';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    encoders: { type: 'string', default: 'tiny-resnet,twelve-layer' },
    views: { type: 'string', default: '256,512' },
    threads: { type: 'string', default: '1,2' },
    tiers: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '4' },
    dtypes: { type: 'string', default: 'fp32,bf16' },
    clock: { type: 'string', default: 'cpu' },
    stock: { type: 'string', default: '4' },
    'tfjs-node': { type: 'string' },
    'no-memory': { type: 'boolean', default: false },
    // A fresh process of this file measures memory: encoder:views:tier.
    'memory-of': { type: 'string' },
  },
});
const numbers = (list: string): number[] => list.split(',').map(Number);
const [rounds, steps] = [Number(options.rounds), Number(options.steps)];
/** PyTorch's; bf16 is very slow on processors without it. */
const dtypes = options.dtypes.split(',');
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Milliseconds of a step by both clocks. */
interface Time {
  readonly wall: number;
  readonly cpu: number;
}

interface Contender {
  readonly name: string;
  steps(count: number): Promise<Time[]>;
  close(): Promise<void>;
}

async function ours(encoder: string, views: number, threads: number, tier: TrainingTier): Promise<Contender> {
  const team = await Team.start(benchedOptions(encoderToBench(encoder), views, threads), tier);
  let at = 0;
  return {
    name: `nearmiss, ${tier}`,
    async steps(count) {
      const times: Time[] = [];
      let cpu = process.cpuUsage();
      let wall = performance.now();
      // The workers take their steps without a pause, as in training; a step ends where they report it.
      at = await team.run({ from: at, to: at + count, steps: 100_000 }, ({ loss }) => {
        if (!Number.isFinite(loss)) throw new Error(`loss ${loss}`);
        const { user, system } = process.cpuUsage(cpu);
        times.push({ wall: performance.now() - wall, cpu: (user + system) / 1000 });
        cpu = process.cpuUsage();
        wall = performance.now();
      });
      return times;
    },
    close: () => team.close(),
  };
}

/** Two runs of half the views at once that never meet: what two threads could gain here at most. */
async function apart(encoder: string, views: number, tier: TrainingTier): Promise<Contender> {
  const runs = [await ours(encoder, views / 2, 1, tier), await ours(encoder, views / 2, 1, tier)] as const;
  return {
    name: `nearmiss, ${tier}, two runs apart`,
    async steps(count) {
      const [a, b] = await Promise.all([runs[0].steps(count), runs[1].steps(count)]);
      return a.map((time, i) => ({ wall: (time.wall + b[i]!.wall) / 2, cpu: time.cpu }));
    },
    async close() {
      for (const run of runs) await run.close();
    },
  };
}

const KEEPING = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '20000000000' };

async function pytorch(encoder: string, views: number, threads: number, dtype: string): Promise<Contender> {
  const python = spawn(options.python!, ['bench/training-step.py', encoder, String(threads), dtype], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...KEEPING },
  });
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value } = await lines.next();
    if (value === undefined) throw new Error('PyTorch ended');
    return value;
  };
  const version = await answer();
  return {
    name: `${version}, ${dtype}`,
    async steps(count) {
      python.stdin.write(`${views} ${count}\n`);
      return (await answer()).split(' ').map((time) => {
        const [wall, cpu] = time.split(':').map(Number) as [number, number];
        return { wall, cpu };
      });
    },
    async close() {
      python.stdin.end();
      await new Promise((resolve) => python.once('exit', resolve));
    },
  };
}

/** Wall time of one thread's step by contender's name, for the gain of two. */
const single = new Map<string, number>();

async function row(encoder: string, views: number, threads: number, tiers: readonly TrainingTier[]): Promise<void> {
  const contenders: Contender[] = [];
  for (const tier of tiers) contenders.push(await ours(encoder, views, threads, tier));
  if (threads === 2) for (const tier of tiers) contenders.push(await apart(encoder, views, tier));
  if (options.python) {
    for (const dtype of dtypes) contenders.push(await pytorch(encoder, views, threads, dtype));
  }
  for (const contender of contenders) await contender.steps(3);
  const times = contenders.map((): Time[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) times[i]!.push(...(await contender.steps(steps)));
  }
  const clock = threads === 1 && options.clock === 'cpu' ? 'cpu' : 'wall';
  const milliseconds = times.map((list) => median(list.map((time) => time[clock])));
  const rival = contenders.findIndex(({ name }) => name.endsWith('fp32'));
  for (const [i, { name }] of contenders.entries()) {
    const own = milliseconds[i]!;
    const key = `${encoder} ${views} ${name.replace(', two runs apart', '')}`;
    const wall = median(times[i]!.map((time) => time.wall));
    if (threads === 1) single.set(key, wall);
    const before = single.get(key);
    const gain = threads > 1 && before ? `${(before / wall).toFixed(2)}x` : '–';
    const ratio = rival < 0 ? '–' : `${(milliseconds[rival]! / own).toFixed(2)}x`;
    const cells = [
      encoder,
      views,
      threads,
      name,
      own.toFixed(1),
      clock,
      ((1000 * views) / own).toFixed(0),
      ratio,
      gain,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  for (const contender of contenders) await contender.close();
}

/** Megabytes of /proc/self/status: of this process alone, which getrusage's maximum is not after a fork. */
const megabytes = (field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;

/** In a process of its own: memory with everything loaded, and the most that three steps needed. */
async function memoryOf(encoder: string, views: number, tier: TrainingTier): Promise<void> {
  const tf = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-wasm');
  const { install } = await import('../src/tfjs/index.js');
  const { benchedReplica } = await import('./training-step-replica.js');
  await tf.setBackend('wasm');
  const kernels = await install(tf, { tier });
  const loaded = megabytes('VmRSS');
  benchedReplica(tf, kernels, encoderToBench(encoder), views).run(0, 3, 100, () => undefined);
  console.log(`${loaded} ${megabytes('VmHWM')}`);
}

async function memory(encoder: string, views: number, tiers: readonly TrainingTier[]): Promise<void> {
  const run = async (name: string, program: string, args: string[]): Promise<void> => {
    const { stdout } = await promisify(execFile)(program, args);
    const [loaded, peak] = stdout.trim().split('\n').at(-1)!.split(' ').map(Number) as [number, number];
    const cells = [encoder, views, name, peak.toFixed(0), loaded.toFixed(0), (peak - loaded).toFixed(0)];
    console.log(`| ${cells.join(' | ')} |`);
  };
  const self = fileURLToPath(import.meta.url);
  for (const tier of tiers) {
    await run(`nearmiss, ${tier}`, process.execPath, [self, '--memory-of', `${encoder}:${views}:${tier}`]);
  }
  if (!options.python) return;
  for (const dtype of dtypes) {
    await run(`PyTorch, ${dtype}`, options.python, ['bench/training-step.py', encoder, '1', dtype, String(views)]);
  }
}

/** A step of `views` views with tfjs's own kernels. */
async function stock(name: string, backend: string, tf: typeof tfCore, views: number): Promise<void> {
  const { stockStep } = await import('./training-step-stock.js');
  const { registerStockGradients } = await import('../src/tfjs/stock-gradients.js');
  await registerStockGradients(tf.getGradient);
  await tf.setBackend(backend);
  const step = stockStep(tf, encoderToBench('tiny-resnet'));
  step(4);
  const times = Array.from({ length: backend === 'cpu' ? 1 : 3 }, () => {
    const start = process.cpuUsage();
    step(views);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  });
  const each = median(times) / views;
  console.log(
    `| tiny-resnet | ${name} | ${views} | ${median(times).toFixed(0)} | ${each.toFixed(2)} | ${(256 * each).toFixed(0)} |`,
  );
}

async function measure(): Promise<void> {
  const { tier: best, passedOver } = await compileTraining();
  const tiers = options.tiers ? (options.tiers.split(',') as TrainingTier[]) : [best];
  console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}; tiers measured: ${tiers.join(', ')}`);
  for (const { tier, reason } of passedOver) console.log(`${tier}: ${reason}`);
  if (!options.python) console.log('PyTorch not measured (give --python)');
  console.log(`\nA training step, 32x32, medians of ${rounds * steps} steps, rounds of all rows alternating\n`);
  console.log('| encoder | views | threads | who | ms | clock | images/s | PyTorch fp32 ÷ it | gain of 2nd thread |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  const encoders = options.encoders.split(',');
  for (const encoder of encoders) {
    for (const views of numbers(options.views)) {
      for (const threads of numbers(options.threads)) await row(encoder, views, threads, tiers);
    }
  }
  if (!options['no-memory']) {
    const views = Math.max(...numbers(options.views));
    console.log('\nMemory of a process that takes three steps on one thread, MiB resident\n');
    console.log('| encoder | views | who | peak | libraries loaded | peak above that |');
    console.log('|---|---|---|---|---|---|');
    for (const encoder of encoders) await memory(encoder, views, tiers);
  }
  const few = Number(options.stock);
  if (few > 0) {
    console.log('\nStock tfjs: forward, loss, backward, Adam; no augmentation; few views, scaled (processor time)\n');
    console.log('| encoder | who | views | ms a step | ms a view | ms for 256 views, scaled |');
    console.log('|---|---|---|---|---|---|');
    const tf: typeof tfCore = await import('@tensorflow/tfjs-core');
    await import('@tensorflow/tfjs-backend-cpu');
    await stock('tfjs cpu backend', 'cpu', tf, few);
    const folder = options['tfjs-node'];
    if (folder) {
      const node = createRequire(`${folder}/`)('@tensorflow/tfjs-node') as typeof tfCore;
      await stock('tfjs-node', 'tensorflow', node, 256);
    } else console.log('\ntfjs-node not measured (give --tfjs-node FOLDER)');
  }
}

const memoryOfThis = options['memory-of']?.split(':');
if (memoryOfThis) {
  const [encoder, views, tier] = memoryOfThis as [string, string, TrainingTier];
  await memoryOf(encoder, Number(views), tier);
} else {
  await measure();
}
process.exit(0);
