import type { RetrievalKernels } from '../kernels/retrieval.js';
import type { EngineHits, EngineSearch } from './engine.js';
import type { Lists } from './lists.js';
import type { LiveRows } from './live-rows.js';
import { GROUP, LANES, type QueryBlocks } from './query-blocks.js';
import type { Segments } from './segments.js';
import type { Metric } from './vectors.js';

/** Up to this many bytes of vectors, reading them costs no more than their codes. */
const FLOAT_BYTES = 512 * 1024;
/** From this many queries on, a panel of eight is faster than one scan a query. */
const PANEL_FROM = 4;
/** Codes read before the next query takes its turn, bytes: they stay in the second-level cache. */
const TURN_BYTES = 64 * 1024;

/** What a search works on. */
export interface Searched {
  readonly kernels: RetrievalKernels;
  readonly metric: Metric;
  readonly segments: Segments;
  readonly queries: QueryBlocks;
  readonly live: LiveRows;
  /** The lists to visit; undefined for exact search. */
  readonly lists: Lists | undefined;
}

/** A query as it is compared: `factor` times its vector, scores to be divided by it. */
interface Asked {
  readonly vector: Float32Array;
  readonly factor: number;
  /** Inner products with a vector of zeros are all 0; a scan could exclude nothing. */
  readonly zero: boolean;
}

function ask(vector: Float32Array, metric: Metric): Asked {
  let squared = 0;
  for (let j = 0; j < vector.length; j++) squared += vector[j]! * vector[j]!;
  if (metric === 'l2') return { vector, factor: 1, zero: false };
  // Brought to a length of about 1 by a power of two, which rounds nothing, no product underflows in float32.
  const factor = metric === 'cosine' || squared === 0 ? 1 : 2 ** -Math.floor(Math.log2(squared) / 2);
  return { vector, factor, zero: squared === 0 };
}

/** A score in a heap below all that a radius allows, by more than rounding: `within` decides on the scores as reported. */
function floorOf(radius: number | undefined, metric: Metric, factor: number): number {
  if (radius === undefined) return Number.NEGATIVE_INFINITY;
  const limit = metric === 'l2' ? -(radius * radius) : radius * factor;
  return limit - Math.abs(limit) * 2 ** -18 - 2 ** -120;
}

/** How many of the first `hits` scores, best first, a radius allows. */
function within(radius: number | undefined, metric: Metric, scores: Float32Array, hits: number): number {
  let kept = hits;
  if (radius === undefined) return kept;
  while (kept > 0 && (metric === 'l2' ? scores[kept - 1]! > radius : scores[kept - 1]! < radius)) kept -= 1;
  return kept;
}

/**
 * Answers queries [count, dimension], which have been checked and, under cosine, brought to length 1.
 *
 * @param width hits a query, at least 1, at most the rows that may be found
 */
export function runSearch(
  searched: Searched,
  matrix: Float32Array,
  width: number,
  options: EngineSearch,
): Omit<EngineHits, 'width'> {
  const { segments, queries, live, metric, lists } = searched;
  const { dimension } = segments.shape;
  const { filter, radius } = options;
  const count = matrix.length / dimension;
  const rows = new Int32Array(count * width).fill(-1);
  const scores = new Float32Array(count * width).fill(Number.NaN);
  const found = new Int32Array(count);
  const exactChecks = new Int32Array(count);
  const masked = filter !== undefined || live.size < live.slots ? 1 : 0;
  if (masked && !lists) live.mask(segments, 0, live.slots, filter);
  const order = new Float64Array(width);
  const size = lists ? 1 : GROUP;
  for (let first = 0; first < count; first += size) {
    const group: Asked[] = [];
    for (let q = first; q < Math.min(count, first + size); q++) {
      const asked = ask(matrix.subarray(q * dimension, (q + 1) * dimension), metric);
      group.push(asked);
      queries.prepare(q - first, asked.vector, asked.factor, width, floorOf(radius, metric, asked.factor));
    }
    const scanned = group.flatMap(({ zero }, lane) => (zero ? [] : [lane]));
    if (lists) {
      if (scanned.length > 0) scanLists(searched, lists, width, masked, options);
    } else scanAll(searched, scanned, group.length, masked);
    for (const [lane, { factor, zero }] of group.entries()) {
      const at = (first + lane) * width;
      const part = rows.subarray(at, at + width);
      if (zero) {
        const lowest = radius !== undefined && radius > 0 ? [] : live.lowest(width, filter);
        part.set(lowest);
        scores.fill(0, at, at + lowest.length);
        found[first + lane] = lowest.length;
        continue;
      }
      const hits = queries.read(lane, part, order);
      for (let i = 0; i < hits; i++) scores[at + i] = metric === 'l2' ? Math.sqrt(-order[i]!) : order[i]! / factor;
      const kept = within(radius, metric, scores.subarray(at, at + hits), hits);
      rows.fill(-1, at + kept, at + hits);
      scores.fill(Number.NaN, at + kept, at + hits);
      found[first + lane] = kept;
      exactChecks[first + lane] = queries.exactChecks(lane);
    }
  }
  return { found, rows, scores, exactChecks };
}

/** Every row for the queries in `lanes` of a group of `count`. */
function scanAll(searched: Searched, lanes: readonly number[], count: number, masked: number): void {
  const { kernels, segments, queries, live } = searched;
  const { dimension, stride } = segments.shape;
  const { exports } = kernels;
  const end = live.slots;
  const floats = end * dimension * 4 <= FLOAT_BYTES && segments.firstOutside(end) < 0;
  // A lane of zeros in a panel could exclude no row; such groups go one by one.
  if (floats && lanes.length >= PANEL_FROM && lanes.length === count) {
    queries.pack(count);
    segments.each(0, end, (block, first, stop) => {
      for (let panel = 0; panel * LANES < count; panel++) queries.scanPanel(panel, block, first, stop, masked);
    });
    return;
  }
  const scan = floats ? exports.scanFloats : kernels.coarse ? exports.scanCoarse : exports.scanFine;
  const turn = lanes.length === 1 ? segments.rows : Math.max(32, Math.floor(TURN_BYTES / stride) & ~31);
  segments.each(0, end, (block, first, stop) => {
    for (let start = first; start < stop; start += turn) {
      const until = Math.min(stop, start + turn);
      for (const lane of lanes) scan(queries.block(lane), block, start, until, masked);
    }
  });
}

/** The lists nearest to query 0, and more while they hold too few rows that may be found; then the rows in no list. */
function scanLists(searched: Searched, lists: Lists, width: number, masked: number, options: EngineSearch): void {
  const { kernels, segments, queries, live } = searched;
  const { filter, probes = lists.report.probes } = options;
  const { scanCoarse, scanFine } = kernels.exports;
  const scan = kernels.coarse ? scanCoarse : scanFine;
  const query = queries.block(0);
  let allowed = 0;
  const visit = (first: number, end: number): void => {
    if (first >= end) return;
    allowed += masked ? live.mask(segments, first, end, filter) : end - first;
    segments.each(first, end, (block, from, to) => scan(query, block, from, to, masked));
  };
  const nearest = lists.nearest();
  const count = nearest.length;
  for (let i = 0; i < count && (i < probes || allowed < width); i++) {
    const list = nearest[i]!;
    visit(lists.starts[list]!, lists.starts[list + 1]!);
    // Rows in no list come before any lists beyond those asked for.
    if (i + 1 === Math.min(probes, count)) visit(lists.report.rows, live.slots);
  }
}
