// Claim: forward + gradient of the contrastive objectives is faster on one thread than the published formula in PyTorch,
// and its memory grows linearly with the batch.
//
//   npm run bench:contrastive-loss -- [--python PYTHON_WITH_TORCH] [--views 256,512,…] [--rounds 5] [--tier relaxed]
//     [--clock wall|cpu] [--only HCL,…]
//
// Rounds of both sides alternate in one run; every repeat has new inputs, its loss is checked to be finite. `--clock cpu` counts the
// processes' CPU time, for a machine that other work shares. PyTorch is measured twice: as it comes, and with an
// allocator that keeps freed memory (MALLOC_* below), because glibc hands every large block back to the kernel, which
// costs PyTorch more than the arithmetic of large batches.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { floats, type Heap, loadTrainingKernels, type SimdTier, standaloneHeap } from '../src/kernels/index.js';
import { contrastBatch, hcl, ntxent, type Objective, resolveObjective, ring } from '../src/negatives/index.js';
import { randomStream } from '../src/random.js';

const DIM = 128;
const ALL: Readonly<Record<string, Objective>> = {
  'NT-Xent': ntxent({ temperature: 0.5 }),
  HCL: hcl({ temperature: 0.5, beta: 1, tauPlus: 0.1 }),
  'HCL β 2': hcl({ temperature: 0.5, beta: 2, tauPlus: 0.1 }),
  ring: ring({ temperature: 0.07, inner: 0.1, outer: 0.5 }),
};
/** What PyTorch is asked for. */
const RIVALS: Readonly<Record<string, string>> = { 'NT-Xent': 'ntxent', HCL: 'hcl' };

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    views: { type: 'string', default: '256,512,1024,2048,4096,8192,16384' },
    rounds: { type: 'string', default: '5' },
    clock: { type: 'string', default: 'wall' },
    only: { type: 'string' },
    tier: { type: 'string', default: 'relaxed' },
    'rival-limit': { type: 'string', default: '4096' },
  },
});

/** Milliseconds, by the clock asked for. */
const now = (): number => {
  if (options.clock !== 'cpu') return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};

const wanted = options.only?.split(',');
const OBJECTIVES = Object.fromEntries(Object.entries(ALL).filter(([name]) => !wanted || wanted.includes(name)));

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** A heap that knows the most bytes that were taken at once since `reset`. */
function measuredHeap(): { heap: Heap; peak(): number; reset(): void } {
  const inner = standaloneHeap();
  let peak = 0;
  let base = 0;
  return {
    heap: {
      memory: inner.memory,
      malloc(bytes) {
        const address = inner.malloc(bytes);
        peak = Math.max(peak, inner.used - base);
        return address;
      },
      free: (address) => inner.free(address),
    },
    peak: () => peak,
    reset() {
      base = inner.used;
      peak = 0;
    },
  };
}

/** PyTorch in a process of its own, asked one line at a time. */
class Rival {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string, clock: string, environment: NodeJS.ProcessEnv) {
    this.#process = spawn(python, ['bench/contrastive-loss.py', clock], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the Python process ended');
    return value;
  }

  async times(views: number, repeats: number, objective: string): Promise<number[]> {
    this.#process.stdin!.write(`${views} ${DIM} ${repeats} ${objective}\n`);
    return (await this.line()).split(' ').map(Number);
  }

  end(): void {
    this.#process.stdin!.end();
  }
}

const tier = options.tier as SimdTier;
const { heap, peak, reset } = measuredHeap();
const kernels = await loadTrainingKernels(heap, { tier });
/** PyTorch as it comes, and with an allocator that keeps its memory. */
const ALLOCATORS = [{}, { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '20000000000' }];
const { python } = options;
const rivals = python ? ALLOCATORS.map((environment) => new Rival(python, options.clock, environment)) : [];
let versions = 'PyTorch not measured (give --python)';
for (const rival of rivals) versions = await rival.line();
console.log(
  `Node ${process.version}, ${tier} SIMD; ${versions}; ${cpus()[0]?.model ?? 'unknown CPU'}, one thread each`,
);
console.log(
  `d = ${DIM}; forward + gradient, medians in ms (${options.clock} time); memory beyond inputs and gradients\n`,
);
console.log('| views | objective | nearmiss ms | peak MB | PyTorch ms | ratio | PyTorch, memory kept, ms | ratio |');
console.log('| ----- | --------- | ----------- | ------- | ---------- | ----- | ------------------------ | ----- |');

const random = randomStream(1);
for (const views of options.views.split(',').map(Number)) {
  const rows = heap.malloc(4 * views * DIM);
  const gradient = heap.malloc(4 * views * DIM);
  const repeats = views <= 1024 ? 20 : views <= 4096 ? 3 : 1;
  const rounds = views <= 4096 ? Number(options.rounds) : Math.min(3, Number(options.rounds));
  const sizes: Record<string, number> = {};

  const run = (name: string): number => {
    const z = floats(heap, rows, views * DIM);
    for (let i = 0; i < views; i++) {
      let squares = 0;
      for (let k = i * DIM; k < (i + 1) * DIM; k++) {
        const value = random.uniform() + random.uniform() + random.uniform() - 1.5;
        z[k] = value;
        squares += value * value;
      }
      for (let k = i * DIM; k < (i + 1) * DIM; k++) z[k] = z[k]! / Math.sqrt(squares);
    }
    floats(heap, gradient, views * DIM).fill(0);
    reset();
    const start = now();
    const objective = resolveObjective(OBJECTIVES[name]!, 0, 1);
    const { loss } = contrastBatch(kernels, { rows, count: views, dim: DIM, objective, gradient });
    const time = now() - start;
    sizes[name] = peak();
    if (!Number.isFinite(loss + floats(heap, gradient, 1)[0]!)) throw new Error(`${name}: the loss is not finite`);
    return time;
  };

  const compared = views <= Number(options['rival-limit']) ? rivals : [];
  const ours: Record<string, number[]> = {};
  const theirs: Record<string, number[]>[] = compared.map(() => ({}));
  for (const name of Object.keys(OBJECTIVES)) for (let i = 0; i < (views <= 1024 ? 10 : 1); i++) run(name);
  for (const rival of compared) {
    for (const name of Object.values(RIVALS)) await rival.times(views, views <= 1024 ? 5 : 1, name);
  }
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(OBJECTIVES)) {
      ours[name] ??= [];
      for (let i = 0; i < repeats; i++) ours[name].push(run(name));
      const asked = RIVALS[name];
      if (!asked) continue;
      for (const [index, rival] of compared.entries()) {
        const times = theirs[index]!;
        times[name] ??= [];
        times[name].push(...(await rival.times(views, repeats, asked)));
      }
    }
  }
  for (const [name, times] of Object.entries(ours)) {
    const mine = median(times);
    const cells = [String(views), name, mine.toFixed(2), (sizes[name]! / 2 ** 20).toFixed(1)];
    for (let index = 0; index < 2; index++) {
      const found = theirs[index]?.[name];
      const other = found ? median(found) : undefined;
      cells.push(other?.toFixed(2) ?? '–', other === undefined ? '–' : (mine / other).toFixed(2));
    }
    console.log(`| ${cells.join(' | ')} |`);
  }
  heap.free(gradient);
  heap.free(rows);
}
for (const rival of rivals) rival.end();
