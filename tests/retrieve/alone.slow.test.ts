import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

// `npm run build` has run before.
const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
/** What libsql itself needs; its binary is a package of the platform's name. */
const PACKAGES = ['libsql', '@neon-rs/load', 'detect-libc'];

let project = '';
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'nearmiss-alone-'));
  const installed = join(project, 'node_modules/nearmiss');
  await mkdir(installed, { recursive: true });
  await cp(join(root, 'dist'), join(installed, 'dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  const native = (await readdir(join(root, 'node_modules/@libsql'))).map((name) => `@libsql/${name}`);
  for (const name of [...PACKAGES, ...native]) {
    await cp(join(root, 'node_modules', name), join(project, 'node_modules', name), { recursive: true });
  }
});
afterAll(() => rm(project, { recursive: true, force: true }));

async function script(body: string): Promise<unknown> {
  const file = join(project, 'script.mjs');
  await writeFile(file, `import * as retrieve from 'nearmiss/retrieve';\n${body}`);
  const { stdout } = await run(process.execPath, [file], { cwd: project });
  return JSON.parse(stdout);
}

describe('nearmiss/retrieve with nothing but libsql installed', () => {
  it('stores, filters, searches, and writes an index file that it reads', async () => {
    const others = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    expect(others).toEqual(expect.arrayContaining(['@tensorflow/tfjs-core', 'onnxruntime-node', 'sharp', 'pg']));
    const found = await script(`
      import { readFile } from 'node:fs/promises';
      const present = [];
      for (const name of ${JSON.stringify(others.filter((name) => name !== 'libsql'))}) {
        await import(name).then(() => present.push(name), () => undefined);
      }
      const create = { fingerprint: 'f', dimension: 3 };
      const store = await retrieve.openStore('store.db', { create });
      await store.upsert([
        { id: 'a', vector: Float32Array.of(1, 2, 3), metadata: { kind: 'cat' } },
        { id: 'b', vector: Float32Array.of(3, 2, 1), metadata: { kind: 'dog' } },
      ]);
      const query = Float32Array.of(0, 0, 1);
      const filter = { op: 'eq', field: 'kind', value: 'dog' };
      const ids = (hits) => hits.map(({ id }) => id);
      await retrieve.writeDeviceIndex(store, 'store.nmi');
      const index = await retrieve.readDeviceIndex(await readFile('store.nmi'));
      const answers = [ids(await store.search(query)), ids(await store.search(query, { filter })), ids(index.search(query, { filter }))];
      await store.close();
      console.log(JSON.stringify({ present, answers }));`);
    expect(found).toEqual({ present: [], answers: [['a', 'b'], ['b'], ['b']] });
  });

  it.each(['nearmiss/retrieve', 'nearmiss/retrieve/browser'])(
    'is bundled for browsers from %s alone',
    async (entry) => {
      const { outputFiles } = await build({
        stdin: {
          contents: `import { readDeviceIndex } from '${entry}';
          export const search = async (bytes, modules, query, options) => (await readDeviceIndex(bytes, { modules })).search(query, options);`,
          resolveDir: project,
        },
        bundle: true,
        write: false,
        platform: 'browser',
        format: 'esm',
        logLevel: 'silent',
      });
      const text = outputFiles[0]!.text;
      expect(text).not.toMatch(/libsql|from "node:/);
      await writeFile(join(project, 'bundle.mjs'), text);
      // the bundle searches as the store does
      const found = await script(`
      import { readFile, rm } from 'node:fs/promises';
      import { search } from './bundle.mjs';
      const store = await retrieve.openStore('bundled.db', { create: { fingerprint: 'f', dimension: 3 } });
      await store.upsert([{ id: 'a', vector: Float32Array.of(1, 2, 3) }, { id: 'b', vector: Float32Array.of(3, 2, 1) }]);
      await retrieve.writeDeviceIndex(store, 'bundled.nmi');
      await store.close();
      await rm('bundled.db');
      const wasm = (tier) => readFile('node_modules/nearmiss/dist/wasm/retrieval-' + tier + '.wasm');
      const modules = { plain: await wasm('plain'), relaxed: await wasm('relaxed') };
      const hits = await search(await readFile('bundled.nmi'), modules, Float32Array.of(0, 0, 1), { k: 1 });
      console.log(JSON.stringify(hits.map(({ id }) => id)));`);
      expect(found).toEqual(['a']);
    },
  );

  it('says what a store in PostgreSQL needs', async () => {
    const found = await script(`
      const error = await retrieve.openPostgresStore('postgres://me@127.0.0.1:1/x').catch((error) => error);
      console.log(JSON.stringify(error));`);
    expect(found).toMatchObject({ code: 'NM_POSTGRES_MISSING', hint: expect.stringContaining('npm install pg') });
  });
});
