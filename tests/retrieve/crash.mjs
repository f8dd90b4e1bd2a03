// Writes to a store until it is killed, and says on stdout what has been acknowledged: one JSON line a call, after it.
// Usage: node crash.mjs <nearmiss/retrieve> <store> <seed>
import { writeSync } from 'node:fs';

const [module, path, seed] = process.argv.slice(2);
const { openStore } = await import(module);
let state = Number(seed) + 1;
const random = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

const store = await openStore(path, { create: { fingerprint: 'f', dimension: 3, metric: 'inner-product' } });
say({ ready: await store.count() });
for (let round = 0; ; round++) {
  const ids = [...new Set(Array.from({ length: 1 + random(40) }, () => `id${random(300)}`))];
  const kind = random(20);
  if (kind === 0) {
    say({ begin: 'compact' });
    await store.compact();
    say({ done: 'compact' });
  } else if (kind < 6) {
    say({ begin: 'delete', ids });
    await store.delete(ids);
    say({ done: 'delete' });
  } else {
    const value = Number(seed) * 1e5 + round;
    say({ begin: 'upsert', ids, value });
    await store.upsert(
      ids.map((id) => ({
        id,
        vector: Float32Array.of(value, 1, 0),
        metadata: { value, text: 'x'.repeat(random(900)) },
      })),
    );
    say({ done: 'upsert' });
  }
}
