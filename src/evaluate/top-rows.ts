/** The best gallery rows of one query, best first; equal scores by row, lower first. */
export interface TopScores {
  readonly rows: Int32Array;
  readonly scores: Float64Array;
}

/**
 * The k rows with the largest scores; fewer where fewer have a score. Scores that are not numbers are never chosen.
 *
 * @param scores [size]
 * @param skip a row that is left out, the query itself for instance; default none
 */
export function topRows(scores: Float64Array, k: number, skip = -1): TopScores {
  // A heap of the best k so far with the worst of them at its root.
  const heap = new Int32Array(Math.min(k, scores.length));
  let held = 0;
  const worse = (a: number, b: number): boolean => {
    const difference = scores[a]! - scores[b]!;
    return difference < 0 || (difference === 0 && a > b);
  };
  const sink = (from: number): void => {
    const row = heap[from]!;
    let at = from;
    for (let child = 2 * at + 1; child < held; child = 2 * at + 1) {
      if (child + 1 < held && worse(heap[child + 1]!, heap[child]!)) child++;
      if (!worse(heap[child]!, row)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = row;
  };
  for (let row = 0; row < scores.length; row++) {
    if (row === skip || Number.isNaN(scores[row]!)) continue;
    if (held < heap.length) {
      heap[held++] = row;
      if (held === heap.length) for (let i = Math.floor(held / 2) - 1; i >= 0; i--) sink(i);
    } else if (held > 0 && worse(heap[0]!, row)) {
      heap[0] = row;
      sink(0);
    }
  }
  const rows = heap.slice(0, held).sort((a, b) => (worse(b, a) ? -1 : 1));
  return { rows, scores: Float64Array.from(rows, (row) => scores[row]!) };
}
