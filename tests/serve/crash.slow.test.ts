import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Client, type ClientItem, createClient, NearmissError } from '../../src/client/index.js';
import { type Random, randomStream } from '../../src/random.js';
import { openStore } from '../../src/retrieve/index.js';
import { quarters } from '../images/files.js';
import { DIM, type Served, serve, writeServedModel } from './served.js';

/** NEARMISS_CRASH_ROUNDS asks for more, such as 50. */
const ROUNDS = Number(process.env['NEARMISS_CRASH_ROUNDS'] ?? 6);
const WRITERS = 3;
const SLOTS = 12;
const THREADS = new URL('./thread-deaths.mjs', import.meta.url);

/** What an item of an id was made of: a version, its vector's first number and its metadata; or that there is none. */
type State = number | undefined;

/** What a slot may hold: what was acknowledged, and what was asked for since without an answer. */
interface Slot {
  readonly allowed: Set<State>;
}

function vectorOf(version: number): Float32Array {
  return Float32Array.from({ length: DIM }, (_, i) => (i === 0 ? version : 1));
}

/** A long text makes writing take a while, and a half-written item visible. */
const contentOf = (
  version: number,
): { readonly vector: Float32Array; readonly metadata: { version: number; text: string } } => ({
  vector: vectorOf(version),
  metadata: { version, text: String(version).padEnd(2000, 'x') },
});

/** Writes and removes items of its own ids, one call after the other, until the service is gone. */
async function writeUntilGone(
  client: Client,
  slots: ReadonlyMap<string, Slot>,
  random: Random,
  next: () => number,
  isOver: () => boolean,
): Promise<number> {
  const ids = [...slots.keys()];
  let acknowledged = 0;
  while (!isOver()) {
    const kind = random.integer(5);
    const chosen = kind === 4 ? ids.filter(() => random.integer(2) === 0) : [ids[random.integer(ids.length)]!];
    const version = kind === 0 ? undefined : next();
    for (const id of chosen) slots.get(id)!.allowed.add(version);
    try {
      if (version === undefined) await client.items.delete(chosen[0]!);
      else if (kind === 4) {
        const result = await client.items.bulk(chosen.map((id): ClientItem => ({ id, ...contentOf(version) })));
        expect(result).toMatchObject({ items: chosen.length, failed: 0 });
      } else await client.items.put(chosen[0]!, contentOf(version));
    } catch (error) {
      expect(error).toBeInstanceOf(NearmissError);
      if (isOver()) return acknowledged;
      // Refused for now, and nothing done: but nobody promised so.
      expect(['NM_SERVICE_UNREACHABLE', 'NM_STORE_BUSY', 'NM_OVERLOADED']).toContain((error as NearmissError).code);
      continue;
    }
    acknowledged += 1;
    for (const id of chosen) {
      const { allowed } = slots.get(id)!;
      allowed.clear();
      allowed.add(version);
    }
  }
  return acknowledged;
}

/** Embeds and searches until the service is gone; whatever is answered is right. */
async function askUntilGone(
  client: Client,
  picture: Uint8Array,
  expected: Float32Array,
  isOver: () => boolean,
): Promise<number> {
  let answered = 0;
  while (!isOver()) {
    try {
      const [{ vectors }, { hits }] = await Promise.all([
        client.embed([picture, picture]),
        client.search({ picture }, { k: 5 }),
      ]);
      for (const vector of vectors) expect(vector).toEqual(expected);
      for (const { metadata } of hits) expect((metadata['text'] as string).length).toBe(2000);
      answered += 1;
    } catch (error) {
      if (!(error instanceof NearmissError)) throw error;
      if (isOver()) return answered;
      // 503 where a thread's requests were retried once and failed again; never anything else, never silence.
      expect(['NM_SERVICE_UNREACHABLE', 'NM_EMBEDDING_UNAVAILABLE', 'NM_OVERLOADED', 'NM_WORKER_FAILED']).toContain(
        error.code,
      );
    }
  }
  return answered;
}

/** Ends one of the server's threads; resolves once it is gone. */
function endThread({ child }: Served): Promise<void> {
  return new Promise((resolve) => {
    child.once('message', () => resolve());
    child.once('close', () => resolve());
    if (child.connected) child.send('end a thread');
    else resolve();
  });
}

it(
  'keeps every acknowledged write, and no half of one, whatever is killed when',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nearmiss-serve-crash-'));
    const [model, path] = [join(folder, 'model.onnx'), join(folder, 'store.db')];
    const fingerprint = await writeServedModel(model);
    await (await openStore(path, { create: { fingerprint, dimension: DIM } })).close();
    const picture = await quarters(64).png().toBuffer();
    const random = randomStream(71, 7);
    const writers = Array.from(
      { length: WRITERS },
      (_, writer) =>
        new Map(
          Array.from({ length: SLOTS }, (_, i): [string, Slot] => [
            `${writer}/${i}`,
            { allowed: new Set([undefined]) },
          ]),
        ),
    );
    let version = 0;
    let acknowledged = 0;
    let answered = 0;
    let ended = 0;
    let expected: Float32Array | undefined;
    let server: Served | undefined;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        server = await serve({ store: path, model, embedding: { workers: 2, decoders: 1 } }, THREADS);
        const present = server;
        const client = createClient({ url: server.url, retries: 0, timeout: 20_000 });
        // What a client of the last round was told, one of this round finds.
        await check(client, writers);
        expected ??= (await client.embed([picture])).vectors[0]!;
        let over = false;
        const isOver = (): boolean => over;
        const work = [
          ...writers.map((slots, i) =>
            writeUntilGone(client, slots, randomStream(72, round, i), () => ++version, isOver),
          ),
          ...[0, 1].map(() => askUntilGone(client, picture, expected!, isOver)),
        ];
        const all = Promise.all(work);
        // It is awaited below; a failure before that is not lost.
        all.catch(() => undefined);
        const begun = performance.now();
        const lasts = 150 + random.integer(600);
        while (performance.now() - begun < lasts) {
          await new Promise((resolve) => setTimeout(resolve, 50 + random.integer(100)));
          await endThread(present);
          ended += 1;
        }
        over = true;
        present.child.kill('SIGKILL');
        expect((await present.gone).signal).toBe('SIGKILL');
        const counts = await all;
        acknowledged += counts.slice(0, WRITERS).reduce((sum, count) => sum + count, 0);
        answered += counts.slice(WRITERS).reduce((sum, count) => sum + count, 0);
        // In the file itself, nothing is half there.
        const store = await openStore(path);
        const found = await store.items({ limit: 10_000 });
        for (const { vector, metadata } of found) {
          const written = metadata['version'] as number;
          expect([...vector]).toEqual([...vectorOf(written)]);
          expect(metadata).toEqual(contentOf(written).metadata);
        }
        expect(await store.count()).toBe(found.length);
        await store.close();
      }
      server = await serve({ store: path, model });
      await check(createClient({ url: server.url }), writers);
      // Threads that end do not bring requests to an end: most are answered.
      expect(acknowledged).toBeGreaterThan(ROUNDS * 2);
      expect(answered).toBeGreaterThan(ROUNDS);
      expect(ended).toBeGreaterThan(ROUNDS);
    } finally {
      server?.child.kill('SIGKILL');
      await server?.gone;
      await rm(folder, { recursive: true, force: true });
    }
  },
  60_000 + ROUNDS * 20_000,
);

/** Every item is in a state that it may be in, which from now on is the only one. */
async function check(client: Client, writers: readonly ReadonlyMap<string, Slot>[]): Promise<void> {
  for (const slots of writers) {
    for (const [id, { allowed }] of slots) {
      const item = await client.items.get(id);
      const state = item?.metadata['version'] as State;
      expect([...allowed], id).toContain(state);
      if (item) expect(item.vector).toEqual(vectorOf(state!));
      allowed.clear();
      allowed.add(state);
    }
  }
}
