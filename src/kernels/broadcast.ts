import type { BoundKernels } from './heap.js';

/** Kernels of assembly/broadcast.ts: addresses; steps in elements. */
export interface BroadcastExports {
  broadcastBinary(
    kind: number,
    flipped: number,
    block: number,
    a: number,
    b: number,
    out: number,
    scratch: number,
  ): void;
}

/** Functions of two float32 tensors: of the last four the result is bool, one byte an element. */
export const BROADCAST_KINDS = { maximum: 0, minimum: 1, equal: 2, less: 3, lessEqual: 4 } as const;
export type BroadcastKind = keyof typeof BROADCAST_KINDS;

const AXES = 4;
const BLOCK_BYTES = 4 * 3 * AXES;
const SCRATCH_BYTES = 32;

/** Sizes of the output and the steps of both operands along four axes, outermost first; 0 where an operand repeats. */
export interface BroadcastAxes {
  readonly sizes: readonly number[];
  readonly aSteps: readonly number[];
  readonly bSteps: readonly number[];
}

/**
 * The axes of two shapes that broadcast to `shape`, neighbours that repeat alike taken as one; undefined where more than
 * four are left.
 */
export function broadcastAxes(
  shape: readonly number[],
  aShape: readonly number[],
  bShape: readonly number[],
): BroadcastAxes | undefined {
  interface Axis {
    size: number;
    readonly a: boolean;
    readonly b: boolean;
  }
  const axes: Axis[] = [];
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const own = (from: readonly number[]): boolean => (from[axis - shape.length + from.length] ?? 1) !== 1;
    const [a, b] = [own(aShape), own(bShape)];
    const last = axes.at(-1);
    if (last?.a === a && last.b === b) last.size *= size;
    else axes.push({ size, a, b });
  });
  if (axes.length > AXES) return undefined;
  while (axes.length < AXES) axes.unshift({ size: 1, a: false, b: false });
  const steps = (of: 'a' | 'b'): number[] => {
    let stride = 1;
    return axes
      .toReversed()
      .map((axis) => {
        const step = axis[of] ? stride : 0;
        if (axis[of]) stride *= axis.size;
        return step;
      })
      .reverse();
  };
  return { sizes: axes.map(({ size }) => size), aSteps: steps('a'), bSteps: steps('b') };
}

/** Runs a function of two float32 tensors at addresses; `flipped` negates a comparison. */
export function broadcastBinary(
  kernels: BoundKernels<BroadcastExports>,
  kind: BroadcastKind,
  flipped: boolean,
  axes: BroadcastAxes,
  addresses: { readonly a: number; readonly b: number; readonly out: number },
): void {
  const { heap, exports } = kernels;
  const block = heap.malloc(BLOCK_BYTES + SCRATCH_BYTES);
  try {
    const numbers = new Int32Array(heap.memory.buffer, block, 3 * AXES);
    numbers.set([...axes.sizes, ...axes.aSteps, ...axes.bSteps]);
    const { a, b, out } = addresses;
    exports.broadcastBinary(BROADCAST_KINDS[kind], Number(flipped), block, a, b, out, block + BLOCK_BYTES);
  } finally {
    heap.free(block);
  }
}
