import { NearmissError } from '../errors.js';
import type { MatmulExports } from './matmul.js';

/** Functions of assembly/lib/probe.ts and probe-tiles.ts. */
export interface ProbeExports {
  probeMadd(a: number, b: number, c: number): number;
  panelColumns(): number;
  probeTile(wide: boolean, times: number, depth: number, a: number, panel: number, out: number): void;
}

/** What `checkKernels` runs. */
export type CheckedExports = ProbeExports & MatmulExports;

/** True where a multiply-add rounds once. Results of the two kinds differ in the last bits. */
export function fusesMultiplyAdd({ probeMadd }: Pick<ProbeExports, 'probeMadd'>): boolean {
  return probeMadd(...MADD) === ONCE;
}

const MADD = [Math.fround(1 + 2 ** -12), Math.fround(1 + 2 ** -12), Math.fround(-1 - 2 ** -11)] as const;
const ONCE = 2 ** -24;

// Sizes that use whole and partial tiles of either width; small whole numbers, so that every sum is exact.
const [ROWS, DEPTH, COLUMNS] = [5, 7, 43];

/** Bytes that `checkKernels` and `packing` each work in. */
export const PROBE_BYTES = 65536;

/**
 * Compares products with sums taken in JavaScript, in `PROBE_BYTES` of `memory` at `address`; `NM_SELF_CHECK_FAILED`
 * where they differ.
 */
export function checkKernels(exports: CheckedExports, memory: WebAssembly.Memory, address: number, tier: string): void {
  const at = (index: number): number => address + 8192 * index;
  const view = (index: number, length: number): Float32Array => new Float32Array(memory.buffer, at(index), length);
  const a = view(0, ROWS * DEPTH);
  const b = view(1, DEPTH * COLUMNS);
  for (let i = 0; i < a.length; i++) a[i] = ((7 * i) % 11) - 5;
  for (let i = 0; i < b.length; i++) b[i] = ((5 * i) % 13) - 6;
  const check = (name: string, left: (row: number, k: number) => number): void => {
    const out = view(2, ROWS * COLUMNS);
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        let sum = 0;
        for (let k = 0; k < DEPTH; k++) sum += left(row, k) * b[k * COLUMNS + column]!;
        const found = out[row * COLUMNS + column];
        if (found === sum) continue;
        const where = `${name}[${row}][${column}]`;
        throw new NearmissError('NM_SELF_CHECK_FAILED', `${tier} SIMD: ${where} gave ${found}, allowed: ${sum}`);
      }
    }
  };
  exports.matmul(at(0), at(1), at(2), ROWS, DEPTH, COLUMNS, false, at(3));
  check('matmul', (row, k) => a[row * DEPTH + k]!);
  exports.matmulTransposedA(at(0), at(1), at(2), ROWS, DEPTH, COLUMNS, at(3));
  check('matmulTransposedA', (row, k) => a[k * ROWS + row]!);
}

/** Depth of the timed tile: its panel fits into the first-level cache. */
const PROBE_DEPTH = 128;
const PROBE_TIMES = 400;
const ROUNDS = 3;
const ATTEMPTS = 5;

/**
 * How many times as fast tiles of the panel's width are as those of eight columns, best of a few rounds of each, about
 * 1 ms in all; again, up to five times, while it is less than `enough`, lest another process's work decide.
 */
export function packing(exports: ProbeExports, memory: WebAssembly.Memory, address: number, enough: number): number {
  const columns = exports.panelColumns();
  const a = address;
  const panel = a + 16 * PROBE_DEPTH;
  const out = panel + 4 * columns * PROBE_DEPTH;
  new Float32Array(memory.buffer, a, (out - a) / 4 + 4 * columns).fill(0.5);
  const time = (wide: boolean): number => {
    const start = performance.now();
    exports.probeTile(wide, PROBE_TIMES, PROBE_DEPTH, a, panel, out);
    return performance.now() - start;
  };
  let best = 0;
  for (let attempt = 0; attempt < ATTEMPTS && best < enough; attempt++) {
    let [wide, narrow] = [Infinity, Infinity];
    for (let round = 0; round < ROUNDS; round++) {
      wide = Math.min(wide, time(true));
      narrow = Math.min(narrow, time(false));
    }
    best = Math.max(best, narrow / wide);
  }
  return best;
}
