// The k best (score, row) pairs of a scan, in memory, as a binary heap with the worst pair at its root:
//
//   byte   0        4       8        12      16
//          | score0 | row0  | score1 | row1  | …    8 bytes an entry, children of entry i at 2i + 1 and 2i + 2
//
// The heap is always full: it starts with k entries that every finite score beats. Of two equal scores the higher row is
// the worse one, so ties keep the lower rows whatever the order of arrival inside the heap.

const NO_ROW: i32 = 0x7fffffff;

/** Is (score a, row ra) a worse result than (score b, row rb)? */
// @ts-ignore: decorator
@inline
function worse(a: f32, ra: i32, b: f32, rb: i32): bool {
  return a < b || (a == b && ra > rb);
}

/** Fills the heap with entries that any finite score replaces. */
export function clearTop(heap: usize, k: i32): void {
  const end = heap + ((<usize>k) << 3);
  for (let p = heap; p < end; p += 8) {
    store<f32>(p, -Infinity);
    store<i32>(p, NO_ROW, 4);
  }
}

/** Puts (score, row) at entry `hole` of a heap of n entries whose subtrees below the hole are heaps. */
function sink(heap: usize, n: i32, hole: i32, score: f32, row: i32): void {
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= n) break;
    let p = heap + ((<usize>child) << 3);
    if (child + 1 < n && worse(load<f32>(p, 8), load<i32>(p, 12), load<f32>(p), load<i32>(p, 4))) {
      child += 1;
      p += 8;
    }
    const s = load<f32>(p);
    const r = load<i32>(p, 4);
    if (!worse(s, r, score, row)) break;
    const to = heap + ((<usize>hole) << 3);
    store<f32>(to, s);
    store<i32>(to, r, 4);
    hole = child;
  }
  const to = heap + ((<usize>hole) << 3);
  store<f32>(to, score);
  store<i32>(to, row, 4);
}

/** Replaces the worst entry; the caller has seen that `score` beats it. */
export function replaceWorst(heap: usize, k: i32, score: f32, row: i32): void {
  sink(heap, k, 0, score, row);
}

/** Sorts the entries best first (the heap is gone then; `clearTop` starts a new one). */
export function sortTop(heap: usize, k: i32): void {
  for (let last = k - 1; last > 0; last--) {
    const p = heap + ((<usize>last) << 3);
    const score = load<f32>(p);
    const row = load<i32>(p, 4);
    store<f32>(p, load<f32>(heap));
    store<i32>(p, load<i32>(heap, 4), 4);
    sink(heap, last, 0, score, row);
  }
}
