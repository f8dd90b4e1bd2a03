/**
 * What a store in an SQLite file costs: opening, inserting and removing one item durably, and searching with a filter that
 * leaves 1 % against searching without, on seeded vectors. `npm run bench:stores`, or see bench/results/stores.md.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomStream } from '../src/random.js';
import { openStore, readDeviceIndex, writeDeviceIndex } from '../src/retrieve/index.js';

const ITEMS = Number(process.argv[2] ?? 100_000);
const DIMENSION = 128;
const REPEATS = 200;
const BATCH = 1000;

const folder = await mkdtemp(join(tmpdir(), 'nearmiss-bench-'));
const path = join(folder, 'store.db');

function vectors(count: number, seed: number): Float32Array {
  const random = randomStream(7, seed);
  return Float32Array.from({ length: count * DIMENSION }, () => random.normal());
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** CPU time of the process since `start`, ms: what a machine busy with other work does not lengthen. */
function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

const quantile = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(share * times.length))]!;
const shown = (times: readonly number[]): string =>
  `${quantile(times, 0.5).toFixed(2)} | ${quantile(times, 0.99).toFixed(2)}`;

const lines: string[] = [];
const say = (line: string): void => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};

try {
  const create = { fingerprint: 'bench', dimension: DIMENSION };
  const store = await openStore(path, { create });
  let build = 0;
  const built = process.cpuUsage();
  let making = 0;
  for (let start = 0; start < ITEMS; start += BATCH) {
    const before = process.cpuUsage();
    const some = vectors(BATCH, start);
    const items = Array.from({ length: BATCH }, (_, i) => ({
      id: `photos/2024/${String(start + i).padStart(8, '0')}.jpg`,
      vector: some.subarray(i * DIMENSION, (i + 1) * DIMENSION),
      metadata: { path: `photos/2024/${start + i}.jpg`, album: (start + i) % 100 },
    }));
    making += cpuSince(before);
    build += await timed(() => store.upsert(items));
  }
  const buildCpu = cpuSince(built) - making;
  await store.close();
  const opens: number[] = [];
  const openCpu: number[] = [];
  for (let i = 0; i < 5; i++) {
    let opened = await openStore(path, { readOnly: true });
    await opened.close();
    const before = process.cpuUsage();
    opens.push(
      await timed(async () => {
        opened = await openStore(path, { readOnly: true });
        await opened.search(vectors(1, 1e8 + i));
      }),
    );
    openCpu.push(cpuSince(before));
    await opened.close();
  }
  const open = await openStore(path);
  const queries = Array.from({ length: REPEATS }, (_, i) => vectors(1, 1e9 + i));
  const filter = { op: 'eq', field: 'album', value: 7 } as const;
  await open.search(queries[0]!, { filter });
  await new Promise((resolve) => setTimeout(resolve, 2000)); // the vectors come into memory
  const plain: number[] = [];
  const filtered: number[] = [];
  for (const query of queries) {
    plain.push(await timed(() => open.search(query)));
    filtered.push(await timed(() => open.search(query, { filter })));
  }
  const inserts: number[] = [];
  const fresh: number[] = [];
  const deletes: number[] = [];
  const flush: number[] = [];
  const flushed = async (): Promise<void> => {
    flush.push(await timed(() => writeFile(join(folder, 'flush'), 'x'.repeat(4096), { flush: true })));
  };
  for (const [i, vector] of queries.entries()) {
    await flushed();
    inserts.push(await timed(() => open.upsert([{ id: `new ${i}`, vector, metadata: { album: 7 } }])));
    // the first search after a write follows it, and evaluates the filter again
    fresh.push(await timed(() => open.search(vector, { filter })));
  }
  for (let i = 0; i < REPEATS; i++) {
    await flushed();
    deletes.push(await timed(() => open.delete([`new ${i}`])));
  }
  const file = join(folder, 'store.nmi');
  const exported = await timed(() => writeDeviceIndex(open, file));
  const bytes = await readFile(file);
  const read = await timed(() => readDeviceIndex(bytes));
  await open.close();

  say(`# Stores: ${ITEMS} x ${DIMENSION}, cosine\n`);
  say(
    `Node ${process.version}, ${platform()} ${arch()}, ${cpus()[0]?.model}, one thread; ms. Load of the machine when done: ${loadavg()[0]!.toFixed(1)} on ${cpus().length} cores.\n`,
  );
  say('| what | p50 | p99 |\n| --- | --- | --- |');
  say(
    `| open and answer a first search (5 times; CPU time of it: ${quantile(openCpu, 0.5).toFixed(0)}) | ${shown(opens)} |`,
  );
  say(`| insert one item, durably | ${shown(inserts)} |`);
  say(`| delete one item, durably | ${shown(deletes)} |`);
  say(`| for comparison, turn by turn with both: write 4 KB to a file and flush it | ${shown(flush)} |`);
  say(`| search, k 10 | ${shown(plain)} |`);
  say(`| search with a filter that 1 % of the items meet (turn by turn with the row above) | ${shown(filtered)} |`);
  say(`| the same right after a write | ${shown(fresh)} |`);
  say(
    `\nWriting all items, in transactions of ${BATCH}: ${(build / 1000).toFixed(1)} s (${(buildCpu / 1000).toFixed(1)} s of CPU time), ${((await stat(path)).size / 1e6).toFixed(0)} MB.`,
  );
  say(
    `Index file: written in ${(exported / 1000).toFixed(2)} s, read and checked in ${(read / 1000).toFixed(2)} s, ${(bytes.length / 1e6).toFixed(0)} MB.`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
