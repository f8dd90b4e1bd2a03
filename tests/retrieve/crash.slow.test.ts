import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { randomStream } from '../../src/random.js';
import { openStore, type SqliteStore } from '../../src/retrieve/sqlite-store.js';

// `npm run build` has run before; the child imports what it made.
const DIST = new URL('../../dist/retrieve/index.js', import.meta.url).href;
const SCRIPT = fileURLToPath(new URL('./crash.mjs', import.meta.url));
/** NEARMISS_CRASH_ROUNDS asks for more, such as 500. */
const ROUNDS = Number(process.env['NEARMISS_CRASH_ROUNDS'] ?? 20);

interface Line {
  readonly ready?: number;
  readonly begin?: 'upsert' | 'delete' | 'compact';
  readonly done?: string;
  readonly ids?: readonly string[];
  readonly value?: number;
}

/** Lets the script write for a while, kills it with SIGKILL, and returns the whole lines it got out. */
async function writeUntilKilled(path: string, seed: number, delay: number): Promise<Line[]> {
  const child = spawn(process.execPath, [SCRIPT, DIST, path, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), delay));
  const signal = await new Promise((resolve) => child.on('close', (_, name) => resolve(name)));
  expect(signal).toBe('SIGKILL');
  const lines = text.split('\n');
  lines.pop(); // cut off by the kill, or empty
  return lines.map((line) => JSON.parse(line) as Line);
}

/** The state after a call. */
function apply(items: ReadonlyMap<string, number>, { begin, ids = [], value = 0 }: Line): Map<string, number> {
  const after = new Map(items);
  for (const id of ids) {
    if (begin === 'upsert') after.set(id, value);
    else after.delete(id);
  }
  return after;
}

async function contents(store: SqliteStore): Promise<Map<string, number>> {
  const items = new Map<string, number>();
  for (const id of await store.ids({ limit: 1_000_000 })) {
    const { vector, metadata } = (await store.get(id))!;
    expect(vector[0]).toBe(Math.fround(metadata['value'] as number));
    items.set(id, metadata['value'] as number);
  }
  return items;
}

const sorted = (items: ReadonlyMap<string, number>): string => JSON.stringify([...items].sort());

it(
  'keeps every acknowledged write, and each write whole, when killed at any moment',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nearmiss-crash-'));
    const path = join(folder, 'store.db');
    const random = randomStream(71);
    let items = new Map<string, number>();
    let acknowledged = 0;
    let interrupted = 0;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const lines = await writeUntilKilled(path, round, random.integer(80));
        let pending: Line | undefined;
        for (const line of lines) {
          if (line.ready !== undefined) expect(line.ready).toBe(items.size);
          else if (line.begin) pending = line;
          else {
            items = apply(items, pending!);
            pending = undefined;
            acknowledged += 1;
          }
        }
        if (round % 10 === 9) {
          // the main file and its log, as a crash left them, also elsewhere
          await copyFile(path, join(folder, 'copy.db'));
          await copyFile(`${path}-wal`, join(folder, 'copy.db-wal'));
        }
        const store = await openStore(path);
        const found = await contents(store);
        // A call without acknowledgement has happened whole or not at all.
        const allowed = pending ? [items, apply(items, pending)] : [items];
        expect(allowed.map(sorted)).toContain(sorted(found));
        if (pending) interrupted += 1;
        items = found;
        expect(await store.count()).toBe(items.size);
        const hits = await store.search(Float32Array.of(1, 0, 0), { k: 1000 });
        expect(new Map(hits.map(({ id, metadata }) => [id, metadata['value'] as number]))).toEqual(items);
        await store.close();
        if (round % 10 === 9) {
          // Recovered from the log alone, an unacknowledged write may be there that readers of the place do not see.
          const copy = await openStore(join(folder, 'copy.db'));
          expect(allowed.map(sorted)).toContain(sorted(await contents(copy)));
          await copy.close();
          for (const end of ['', '-wal', '-shm']) await rm(join(folder, `copy.db${end}`), { force: true });
        }
      }
      expect(acknowledged).toBeGreaterThan(ROUNDS);
      expect(interrupted).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  30_000 + ROUNDS * 10_000,
);
