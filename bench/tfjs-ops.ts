// Claim: with `install(tf)` no op of a usual training step is missing on tfjs's WASM backend or slower than on stock.
// Forward and gradient of the ops that layers, losses and optimisers are made of: stock WASM, ours, and the cpu backend.
//
//   npm run bench:tfjs-ops -- [--filter pool] [--rounds 9] [--tier plain|relaxed] [--no-cpu] [--out bench/results]
//
// All in one process and one thread, rounds alternating; the fastest run of each side, as other work on the machine only
// adds. The cpu backend runs once, and not at all where that takes a minute. "none": the backend has no kernel for it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import type { SimdTier } from '../src/kernels/index.js';
import { install, uninstall } from '../src/tfjs/index.js';
import { OPS, type Op } from './tfjs-ops-cases.js';

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    rounds: { type: 'string', default: '9' },
    tier: { type: 'string' },
    'no-cpu': { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const rounds = Number(options.rounds);
const tier = options.tier as SimdTier | undefined;

type Side = 'stock' | 'ours' | 'cpu';
const SIDES: readonly Side[] = options['no-cpu'] ? ['stock', 'ours'] : ['stock', 'ours', 'cpu'];

async function enter(side: Side): Promise<void> {
  await tf.setBackend(side === 'cpu' ? 'cpu' : 'wasm');
  if (side === 'ours') await install(tf, tier === undefined ? {} : { tier });
  else uninstall(tf);
}

/** Milliseconds of one run; its inputs lie on the side that runs it. */
function time(op: Op, gradient: boolean, inputs: tf.Tensor[]): number {
  const start = performance.now();
  tf.tidy(() => {
    const results = gradient ? tf.grads((...given) => op.run(...given))(inputs) : [op.run(...inputs)];
    // One number is read, so that nothing is left undone.
    for (const result of results) if (result.size > 0) tf.slice(tf.reshape(result, [-1]), 0, 1).dataSync();
  });
  return performance.now() - start;
}

type Cell = number | string;

/** The least time on each side, or why there is none. A side slower than a second is run once. */
async function measure(op: Op, gradient: boolean): Promise<Record<Side, Cell>> {
  const times: Record<Side, number[]> = { stock: [], ours: [], cpu: [] };
  const missing: Partial<Record<Side, string>> = {};
  for (let round = -1; round < rounds; round++) {
    for (const side of SIDES) {
      if (missing[side] !== undefined || (times[side][0] ?? 0) > 1000) continue;
      if (side === 'cpu' && (round > 0 || (gradient && op.slowOnCpu))) continue;
      await enter(side);
      const inputs = op.inputs(round + 2);
      try {
        const spent = time(op, gradient, inputs);
        // The first round warms up, unless it was long enough to speak for itself.
        if (round >= 0 || spent > 1000) times[side].push(spent);
      } catch (error) {
        const { message } = error as Error;
        missing[side] = /not registered|not found/.test(message) ? 'none' : `fails: ${message.slice(0, 80)}`;
      } finally {
        for (const input of inputs) input.dispose();
      }
    }
  }
  const cell = (side: Side): Cell => missing[side] ?? (times[side].length > 0 ? Math.min(...times[side]) : '—');
  return { stock: cell('stock'), ours: cell('ours'), cpu: cell('cpu') };
}

const shown = (cell: Cell): string => (typeof cell === 'number' ? cell.toFixed(cell < 10 ? 2 : 0) : cell);
const ratio = (other: Cell, ours: Cell): string =>
  typeof other === 'number' && typeof ours === 'number' ? `${(other / ours).toFixed(other / ours < 10 ? 1 : 0)}x` : '';

// Gradients are not registered by tfjs-core itself; the first install brings them, for stock too.
await tf.setBackend('wasm');
const { tier: chosen } = await install(tf, tier === undefined ? {} : { tier });
const head = [
  `tfjs ops, ms, fastest of ${rounds} rounds (cpu: one); Node ${process.versions.node}, tfjs ${tf.version_core}, ${chosen} SIMD, ${cpus()[0]?.model ?? '?'}`,
  '',
  '| op | stock | ours | cpu | stock / ours | cpu / ours |',
  '| --- | --- | --- | --- | --- | --- |',
];
for (const line of head) console.log(line);
const lines: string[] = [];
for (const op of OPS.filter(({ name }) => name.includes(options.filter))) {
  for (const gradient of op.gradient === false ? [false] : [false, true]) {
    const { stock, ours, cpu } = await measure(op, gradient);
    const cells = [shown(stock), shown(ours), shown(cpu), ratio(stock, ours), ratio(cpu, ours)];
    const line = `| ${op.name}${gradient ? ', with gradient' : ''} | ${cells.join(' | ')} |`;
    console.log(line);
    lines.push(line);
  }
}
if (options.out !== undefined) {
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, 'tfjs-ops.md'), `${[...head, ...lines].join('\n')}\n`);
}
process.exit(0);
