// The k best (score, row) pairs of a search, in memory, as a binary heap with the worst pair at its root:
//
//   byte   0        8      12    16       24
//          | score0 | row0 |     | score1 | row1 | …    16 bytes an entry, children of entry i at 2i + 1 and 2i + 2
//
// Scores are float64. The heap is always full: it starts with k entries of a floor score and no row. Of two equal scores
// the higher row is the worse one, whatever the order of arrival.

const NO_ROW: i32 = 0x7fffffff;

/** Is (score a, row ra) a worse result than (score b, row rb)? */
// @ts-ignore: decorator
@inline
function worse(a: f64, ra: i32, b: f64, rb: i32): bool {
  return a < b || (a == b && ra > rb);
}

/** Fills the heap with entries that a score of at least `floor` replaces (any score, if it is -Infinity). */
export function clearHits(heap: usize, k: i32, floor: f64): void {
  const end = heap + ((<usize>k) << 4);
  for (let p = heap; p < end; p += 16) {
    store<f64>(p, floor);
    store<i32>(p, NO_ROW, 8);
  }
}

/** Puts (score, row) at entry `hole` of a heap of n entries whose subtrees below the hole are heaps. */
function sink(heap: usize, n: i32, hole: i32, score: f64, row: i32): void {
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= n) break;
    let p = heap + ((<usize>child) << 4);
    if (child + 1 < n && worse(load<f64>(p, 16), load<i32>(p, 24), load<f64>(p), load<i32>(p, 8))) {
      child += 1;
      p += 16;
    }
    const s = load<f64>(p);
    const r = load<i32>(p, 8);
    if (!worse(s, r, score, row)) break;
    const to = heap + ((<usize>hole) << 4);
    store<f64>(to, s);
    store<i32>(to, r, 8);
    hole = child;
  }
  const to = heap + ((<usize>hole) << 4);
  store<f64>(to, score);
  store<i32>(to, row, 8);
}

/** Replaces the worst entry if (score, row) is better; tells whether it was. */
export function offerHit(heap: usize, k: i32, score: f64, row: i32): bool {
  if (!worse(load<f64>(heap), load<i32>(heap, 8), score, row)) return false;
  sink(heap, k, 0, score, row);
  return true;
}

/** Sorts the entries best first (the heap is gone then; `clearHits` starts a new one). */
export function sortHits(heap: usize, k: i32): void {
  for (let last = k - 1; last > 0; last--) {
    const p = heap + ((<usize>last) << 4);
    const score = load<f64>(p);
    const row = load<i32>(p, 8);
    store<f64>(p, load<f64>(heap));
    store<i32>(p, load<i32>(heap, 8), 8);
    sink(heap, last, 0, score, row);
  }
}
