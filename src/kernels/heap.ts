/**
 * Memory that kernels work in. The training module shares the tfjs backend's heap (`tfjsHeap` of nearmiss/tfjs);
 * `standaloneHeap` is for work without tfjs. Whoever takes a block frees it, in the same function. Typed-array views
 * are made after the last call that may grow the memory and are never kept.
 */
export interface Heap {
  readonly memory: WebAssembly.Memory;
  /** Address of `bytes` free bytes, a multiple of 16 for `standaloneHeap`. The content is arbitrary. */
  malloc(bytes: number): number;
  free(address: number): void;
}

/** Functions of a kernel module bound to the heap that they work in. */
export interface BoundKernels<Exports> {
  readonly heap: Heap;
  readonly exports: Exports;
}

const PAGE = 65536;

/** A heap of its own: blocks are kept by size for reuse, the memory grows and never shrinks. */
export function standaloneHeap(): Heap & { /** Bytes now taken. */ readonly used: number } {
  const memory = new WebAssembly.Memory({ initial: 16 });
  const spare = new Map<number, number[]>();
  const sizes = new Map<number, number>();
  let top = 1024;
  let used = 0;
  return {
    memory,
    get used() {
      return used;
    },
    malloc(bytes) {
      const size = Math.max(16, Math.ceil(bytes / 64) * 64);
      used += size;
      const reused = spare.get(size)?.pop();
      if (reused !== undefined) {
        sizes.set(reused, size);
        return reused;
      }
      const address = top;
      top += size;
      const missing = top - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
      sizes.set(address, size);
      return address;
    },
    free(address) {
      const size = sizes.get(address);
      if (size === undefined) throw new Error(`free: ${address} is not a taken block`);
      sizes.delete(address);
      used -= size;
      const list = spare.get(size);
      if (list) list.push(address);
      else spare.set(size, [address]);
    },
  };
}

/** A float32 view of `length` numbers at `address`; valid until the memory grows. */
export function floats(heap: Heap, address: number, length: number): Float32Array {
  return new Float32Array(heap.memory.buffer, address, length);
}

/** A view of `length` bytes at `address`; valid until the memory grows. */
export function bytes(heap: Heap, address: number, length: number): Uint8Array {
  return new Uint8Array(heap.memory.buffer, address, length);
}
