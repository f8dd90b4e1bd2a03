// Takes files of a share and says on stdout which it has finished; with `hang`, it stops in the middle of its first batch.
// Usage: node share-worker.mjs <nearmiss/retrieve> <url> <schema> <files> [hang]
import { writeSync } from 'node:fs';

const [module, url, schema, files, hang] = process.argv.slice(2);
const { openPostgresStore, shareFiles } = await import(module);
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const store = await openPostgresStore(url, { schema });
const { done } = await shareFiles({
  store,
  name: 'photos',
  batch: 5,
  lease: 2,
  names: async function* () {
    for (let i = 0; i < Number(files); i++) yield `file ${i}`;
  },
  work: async (names) => {
    say({ taken: names });
    if (hang) await new Promise((resolve) => setTimeout(resolve, 1e9));
    await store.upsert(names.map((id) => ({ id, vector: new Float32Array(4) })));
    say({ finished: names });
    await new Promise((resolve) => setTimeout(resolve, 20));
  },
});
say({ done });
await store.close();
