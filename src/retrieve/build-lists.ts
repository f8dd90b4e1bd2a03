import { NearmissError } from '../errors.js';
import type { RetrievalKernels } from '../kernels/retrieval.js';
import { MAX_TOP } from '../kernels/retrieval-layout.js';
import { permutation, randomStream } from '../random.js';
import type { EngineHits, ListOptions, ListReport } from './engine.js';
import { clusterRows } from './k-means.js';
import { type ListMemory, Lists } from './lists.js';
import type { LiveRows } from './live-rows.js';
import type { QueryBlocks } from './query-blocks.js';
import type { Rotation } from './rotation.js';
import type { Segments } from './segments.js';
import { checkWhole, type Metric, type Vectors } from './vectors.js';

/** Rows of the index that stand in for queries where none are given. */
const QUERIES = 256;
const PURPOSE = 0x6c697374;

/** What lists are built of, and the engine's own ways to search and to read. */
export interface ListSource {
  readonly kernels: RetrievalKernels;
  readonly metric: Metric;
  readonly segments: Segments;
  readonly rotation: Rotation;
  readonly queries: QueryBlocks;
  readonly live: LiveRows;
  readonly memory: ListMemory;
  /** The lists that there are. */
  readonly old: Lists | undefined;
  /** A copy of a row as it is searched. */
  vector(row: number): Float32Array;
  /** Queries as they are searched. */
  queryMatrix(queries: Vectors): Float32Array;
  searchExact(matrix: Float32Array, k: number): EngineHits;
  /** Told at once that the rows have moved into lists. */
  arranged(lists: Lists): void;
}

/** Divides all rows into lists, moves them so that each list is one stretch, and measures what recall costs. */
export async function buildLists(source: ListSource, options: ListOptions): Promise<Lists> {
  const { recall = 0.98, k = 10, seed = 0, signal, onProgress } = options;
  const { kernels, metric, segments, live } = source;
  const count = live.slots;
  const lists = options.lists ?? Math.max(1, Math.min(65536, Math.round(Math.sqrt(count))));
  if (!(recall > 0 && recall <= 1)) {
    throw new NearmissError('NM_OPTION_INVALID', `recall: found ${String(recall)}, allowed: above 0, at most 1`);
  }
  checkWhole('k', k, 1, MAX_TOP - 1);
  checkWhole('lists', lists, 1, Math.max(1, Math.min(65536, count)));
  checkWhole('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  // Checked before the work rather than after it.
  const given = options.queries === undefined ? undefined : source.queryMatrix(options.queries);
  const pause = async (done: number): Promise<void> => {
    onProgress?.(done);
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
  };
  signal?.throwIfAborted();
  const clustering = await clusterRows(kernels, segments, count, { metric, lists, seed, pause });
  const built = arrange(source, clustering.lists, lists, (starts, positions) => {
    const report = { lists, rows: count, probes: lists, recall: 1, curve: [] };
    const place = { kernels, segments, rotation: source.rotation };
    return new Lists(place, source.memory, clustering.centroids, starts, positions, report);
  });
  source.arranged(built);
  return built.reported(measure(source, built, { recall, k, seed, given }));
}

/** Sorts the positions by list and, within one, by row. */
function arrange(
  source: ListSource,
  assigned: Int32Array,
  lists: number,
  make: (starts: Int32Array, positions: Int32Array) => Lists,
): Lists {
  const { segments } = source;
  const count = assigned.length;
  const starts = new Int32Array(lists + 1);
  for (const list of assigned) starts[list + 1]! += 1;
  for (let list = 0; list < lists; list++) starts[list + 1]! += starts[list]!;
  const next = starts.slice();
  const from = new Int32Array(count);
  const rows = new Int32Array(count);
  const positions = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const position = source.old && row < source.old.positions.length ? source.old.positions[row]! : row;
    const to = next[assigned[position]!]!++;
    from[to] = position;
    rows[to] = row;
    positions[row] = to;
  }
  segments.setNumbers(0, count, rows);
  segments.reorder(from);
  return make(starts, positions);
}

/** In which of its nearest lists each true neighbour is: that answers for every number of probes at once. */
function measure(
  source: ListSource,
  lists: Lists,
  wanted: {
    readonly recall: number;
    readonly k: number;
    readonly seed: number;
    readonly given: Float32Array | undefined;
  },
): ListReport {
  const { queries, segments, live } = source;
  const { dimension } = segments.shape;
  const { given, k } = wanted;
  const own: number[] = [];
  let matrix = given;
  if (!matrix) {
    for (const row of permutation(live.slots, randomStream(wanted.seed, PURPOSE))) {
      if (own.length === QUERIES) break;
      if (live.isLive(row)) own.push(row);
    }
    matrix = new Float32Array(own.length * dimension);
    for (const [i, row] of own.entries()) matrix.set(source.vector(row), i * dimension);
  }
  const hits = source.searchExact(matrix, given ? k : k + 1);
  const count = lists.starts.length - 1;
  const atProbe = new Float64Array(count + 1);
  const rank = new Int32Array(count);
  let total = 0;
  for (let q = 0; q < hits.found.length; q++) {
    queries.prepare(0, matrix.subarray(q * dimension, (q + 1) * dimension), 1, 1, Number.NEGATIVE_INFINITY);
    for (const [i, list] of lists.nearest().entries()) rank[list] = i + 1;
    const rows = hits.rows.subarray(q * hits.width, q * hits.width + hits.found[q]!);
    const others = Array.from(rows.filter((row) => row !== own[q])).slice(0, k);
    total += others.length;
    for (const row of others) atProbe[rank[lists.listOf(lists.positions[row]!)]!]! += 1;
  }
  for (let p = 1; p <= count; p++) atProbe[p]! += atProbe[p - 1]!;
  const recallAt = (probes: number): number => (total === 0 ? 1 : atProbe[probes]! / total);
  let probes = 1;
  while (probes < count && recallAt(probes) < wanted.recall) probes += 1;
  const curve: { probes: number; recall: number }[] = [];
  for (let p = 1; p < count; p *= 2) curve.push({ probes: p, recall: recallAt(p) });
  curve.push({ probes: count, recall: recallAt(count) });
  return { lists: count, rows: lists.positions.length, probes, recall: recallAt(probes), curve };
}
