// Claim: exact search, proven for each query, is faster than native flat search on one thread, with the same ids.
//
//   npm run bench:retrieval -- [--python PYTHON_WITH_FAISS_AND_TORCH] [--peers FOLDER] [--sets 10000x128,100000x128,…]
//     [--rounds 7] [--vectors FILE.npy|FILE.safetensors] [--lists]
//
// Every round asks each side in turn, single queries 16 in a row and then a batch of 64, new queries each round; the
// side that starts changes. Wall time and, because machines are shared, CPU time; medians and ratios. --peers names a folder
// with node_modules that hold usearch and sqlite-vec; both are used where they are found. Vectors are clusters with a
// decaying spectrum, seeded, of length 1, or the rows of --vectors, the last 1,024 of which are the queries.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomStream } from '../src/random.js';
import { createSearchEngine, loadRetrievalKernels, type SearchEngine } from '../src/retrieve/index.js';
import { jsLoop, python, type Side, sqliteVec, usearch } from './retrieval-peers.js';
import { readVectors } from './retrieval-vectors.js';

const TOP = 10;
const SINGLES = 16;
const BATCH = 64;
const QUERIES = 1024;

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    peers: { type: 'string' },
    sets: { type: 'string', default: '10000x128,100000x128,100000x384,1000000x128' },
    rounds: { type: 'string', default: '7' },
    vectors: { type: 'string' },
    lists: { type: 'boolean', default: false },
  },
});

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};

/** Rows of length 1 around 2,000 centres, component j of size (1 + j)^-0.4; rows of one seed share their centres. */
function clustered(count: number, dim: number, stream: number): Float32Array {
  const size = Float64Array.from({ length: dim }, (_, j) => (1 + j) ** -0.4);
  const placed = randomStream(7, dim);
  const centres = Float32Array.from({ length: 2000 * dim }, (_, i) => size[i % dim]! * placed.normal());
  const random = randomStream(8, dim, stream);
  const rows = new Float32Array(count * dim);
  for (let row = 0; row < count; row++) {
    const centre = random.integer(2000) * dim;
    let squared = 0;
    for (let j = 0; j < dim; j++) {
      const value = centres[centre + j]! + 0.5 * size[j]! * random.normal();
      rows[row * dim + j] = value;
      squared += value * value;
    }
    const scale = 1 / Math.sqrt(squared);
    for (let j = 0; j < dim; j++) rows[row * dim + j]! *= scale;
  }
  return rows;
}

interface Loaded {
  readonly name: string;
  readonly rows: Float32Array;
  readonly queries: Float32Array;
  readonly count: number;
  readonly dim: number;
}

function load(set: string): Loaded {
  if (options.vectors) {
    const { rows: all, dim } = readVectors(set);
    const count = all.length / dim - QUERIES;
    return { name: set, rows: all.subarray(0, count * dim), queries: all.subarray(count * dim), count, dim };
  }
  const [count, dim] = set.split('x').map(Number) as [number, number];
  return { name: set, rows: clustered(count, dim, 1), queries: clustered(QUERIES, dim, 2), count, dim };
}

function ours(engine: SearchEngine, { queries, dim }: Loaded, checks: number[]): Side {
  const ask = (first: number, count: number): Int32Array => {
    const { rows, exactChecks } = engine.search(queries.subarray(first * dim, (first + count) * dim), { k: TOP });
    checks.push(...exactChecks);
    return rows;
  };
  return { name: 'nearmiss', batches: true, ask };
}

/** Milliseconds (wall, CPU) of each call, and the ids found. */
interface Timing {
  readonly wall: number[];
  readonly cpu: number[];
  readonly ids: number[];
}

async function time(side: Side, first: number, count: number, batch: boolean): Promise<Timing> {
  if (side.timed) return side.timed(first, count, batch);
  const timing: Timing = { wall: [], cpu: [], ids: [] };
  const step = batch ? count : 1;
  for (let i = 0; i < count; i += step) {
    const [startCpu, start] = [cpu(), performance.now()];
    const ids = side.ask!(first + i, step);
    timing.wall.push(performance.now() - start);
    timing.cpu.push(cpu() - startCpu);
    timing.ids.push(...ids);
  }
  return timing;
}

/** Hits whose id differs; equal scores may be in either order, so positions do not count. */
function differing(a: readonly number[], b: readonly number[]): number {
  let differ = 0;
  for (let at = 0; at < a.length; at += TOP) {
    const there = new Set(b.slice(at, at + TOP));
    for (const id of a.slice(at, at + TOP)) if (!there.has(id)) differ += 1;
  }
  return differ;
}

async function compare(loaded: Loaded, folder: string): Promise<void> {
  const { rows, queries, count, dim } = loaded;
  const kernels = await loadRetrievalKernels();
  const engine = createSearchEngine(kernels, { dimension: dim });
  const [startCpu, start] = [cpu(), performance.now()];
  engine.add(rows);
  const build = [(performance.now() - start) / 1e3, (cpu() - startCpu) / 1e3];
  const outside = createSearchEngine(await loadRetrievalKernels(), { dimension: dim, readRow: () => undefined });
  console.log(
    `\n## ${loaded.name}: ${count} rows of ${dim}, ${kernels.tier} SIMD${kernels.coarse ? ', 5-bit first' : ''}\n`,
  );
  console.log(
    `build ${build[0]!.toFixed(2)} s (CPU ${build[1]!.toFixed(2)} s); bytes a row: ${engine.rowBytes}, with vectors outside ${outside.rowBytes}`,
  );
  const checks: number[] = [];
  const files = { rows: join(folder, 'rows.f32'), queries: join(folder, 'queries.f32') };
  writeFileSync(files.rows, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
  writeFileSync(files.queries, new Uint8Array(queries.buffer, queries.byteOffset, queries.byteLength));
  const peers = { rows, queries, dim, count, top: TOP, files };
  const sides: Side[] = [ours(engine, loaded, checks)];
  if (options.python) sides.push(...(await python(options.python, peers)));
  if (options.peers)
    sides.push(...[usearch(options.peers, peers), sqliteVec(options.peers, peers)].flatMap((side) => side ?? []));
  sides.push(jsLoop(peers));
  const rounds = Number(options.rounds);
  const singles = new Map(sides.map((side) => [side, { wall: [] as number[], cpu: [] as number[], differ: 0 }]));
  const batches = new Map(sides.map((side) => [side, { wall: [] as number[], cpu: [] as number[], differ: 0 }]));
  for (let round = -1; round < rounds; round++) {
    for (const [kind, results] of [
      ['single', singles],
      ['batch', batches],
    ] as const) {
      const size = kind === 'single' ? SINGLES : BATCH;
      const first = ((round + 1) * size) % (QUERIES - size);
      // Ours is asked first in even rounds and last in odd ones; its ids are the reference either way.
      const order = round % 2 ? [...sides.slice(1), sides[0]!] : sides;
      const found = new Map<Side, number[]>();
      for (const side of order) {
        if (kind === 'batch' && !side.batches) continue;
        const timing = await time(side, first, size, kind === 'batch');
        found.set(side, timing.ids);
        if (round < 0) continue;
        results.get(side)!.wall.push(...timing.wall);
        results.get(side)!.cpu.push(...timing.cpu);
      }
      const reference = found.get(sides[0]!)!;
      for (const [side, ids] of found) if (round >= 0) results.get(side)!.differ += differing(ids, reference);
    }
  }
  for (const [title, results] of [
    ['single query', singles],
    [`batch of ${BATCH}`, batches],
  ] as const) {
    const own = results.get(sides[0]!)!;
    console.log(`\n| ${title} | p50 ms | p99 ms | CPU ms | slower than nearmiss, wall | CPU | other ids |`);
    console.log('|---|---|---|---|---|---|---|');
    for (const side of sides) {
      const { wall, cpu: used, differ } = results.get(side)!;
      if (wall.length === 0) continue;
      const sorted = [...wall].sort((a, b) => a - b);
      const p99 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))]!;
      const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
      // CPU clocks tick in steps that are long beside one query: their mean, not their median.
      console.log(
        `| ${side.name} | ${median(wall).toFixed(3)} | ${p99.toFixed(3)} | ${mean(used).toFixed(3)} | ${(median(wall) / median(own.wall)).toFixed(2)}x | ${(mean(used) / mean(own.cpu)).toFixed(2)}x | ${differ} of ${wall.length * TOP * (title.startsWith('batch') ? BATCH : 1)} |`,
      );
    }
  }
  console.log(`\nexact scores a query: median ${median(checks)}, most ${Math.max(...checks)}`);
  for (const side of sides) side.close?.();
  if (options.lists) await measureLists(engine, loaded);
}

async function measureLists(engine: SearchEngine, { queries, dim }: Loaded): Promise<void> {
  const start = cpu();
  const report = await engine.buildLists({ queries: queries.slice(512 * dim) });
  console.log(
    `\nlists: ${report.lists}, built in ${((cpu() - start) / 1e3).toFixed(1)} s of CPU; ${report.probes} probes for recall ${report.recall.toFixed(4)} of the exact ten best (${report.curve.map(({ probes, recall }) => `${probes}: ${recall.toFixed(3)}`).join(', ')})`,
  );
  const walls: Record<'exact' | 'approximate', number[]> = { exact: [], approximate: [] };
  let same = 0;
  for (let i = 0; i < 256; i++) {
    const query = queries.subarray(i * dim, (i + 1) * dim);
    const hits = (['exact', 'approximate'] as const).map((mode) => {
      const begun = performance.now();
      const { rows } = engine.search(query, { k: TOP, mode });
      walls[mode].push(performance.now() - begun);
      return rows;
    });
    const there = new Set(hits[1]);
    same += hits[0]!.filter((row) => there.has(row)).length;
  }
  console.log(
    `approximate ${median(walls.approximate).toFixed(3)} ms, exact ${median(walls.exact).toFixed(3)} ms, p50; recall on other queries ${(same / 2560).toFixed(4)}`,
  );
}

const { model, speed } = cpus()[0]!;
console.log(`Node ${process.version}, ${model} ${speed} MHz, ${cpus().length} cores, one thread; top ${TOP}, cosine`);
const folder = mkdtempSync(join(tmpdir(), 'nearmiss-bench-'));
try {
  const sets = options.vectors ? [options.vectors] : options.sets.split(',');
  for (const set of sets) await compare(load(set), folder);
} finally {
  rmSync(folder, { recursive: true });
}
