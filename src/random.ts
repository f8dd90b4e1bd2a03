/**
 * Seeded random numbers that depend on what they are for, not on the order they are drawn in: a stream is named by a
 * key such as (seed, step, item, view), so a resumed run and any number of workers draw the same numbers.
 */
export interface Random {
  /** Uniform in 0 … 2^32 - 1. */
  uint32(): number;
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number;
  /** Uniform integer in 0 … n - 1, without bias. */
  integer(n: number): number;
  /** Standard normal (Box and Muller). */
  normal(): number;
}

/** Stirs one 32-bit word into a hash (murmur3's finaliser around a golden-ratio step). */
function stir(hash: number, word: number): number {
  let h = (hash ^ Math.imul(word, 0x9e3779b1)) + 0x6d2b79f5;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A stream (xoshiro128**, Blackman and Vigna 2018) named by its key: integers, each within ±2^53. */
export function randomStream(...key: readonly number[]): Random {
  let hash = 0x243f6a88;
  for (const part of key) {
    hash = stir(hash, part >>> 0);
    hash = stir(hash, Math.floor(part / 4294967296) >>> 0);
  }
  let a = stir(hash, 1);
  let b = stir(hash, 2);
  let c = stir(hash, 3);
  let d = stir(hash, 4) | 1;
  const uint32 = (): number => {
    const r = Math.imul(b, 5);
    const result = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return {
    uint32,
    uniform: () => uint32() / 4294967296,
    integer: (n) => {
      const limit = 4294967296 - (4294967296 % n);
      for (;;) {
        const value = uint32();
        if (value < limit) return value % n;
      }
    },
    normal: () => {
      const u = (uint32() + 1) / 4294967297;
      return Math.sqrt(-2 * Math.log(u)) * Math.cos((2 * Math.PI * uint32()) / 4294967296);
    },
  };
}

/** 0 … n - 1 in random order (Fisher and Yates). */
export function permutation(n: number, random: Random): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
