import type { Heap } from '../kernels/index.js';

/** Blocks of one allocation, by name; addresses are multiples of 64. */
export interface Workspace<Name extends string> {
  readonly at: Readonly<Record<Name, number>>;
  release(): void;
}

const ALIGNMENT = 64;

/** Takes all blocks of a computation at once (sizes in bytes), so that one `release` in a `finally` frees them. */
export function takeWorkspace<Name extends string>(heap: Heap, sizes: Readonly<Record<Name, number>>): Workspace<Name> {
  const names = Object.keys(sizes) as Name[];
  const round = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  let total = ALIGNMENT;
  for (const name of names) total += round(sizes[name]);
  const base = heap.malloc(total);
  const at = {} as Record<Name, number>;
  let next = round(base);
  for (const name of names) {
    at[name] = next;
    next += round(sizes[name]);
  }
  return { at, release: () => heap.free(base) };
}
