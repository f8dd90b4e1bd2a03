import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encoderToOnnx, fingerprint } from '../../src/onnx/index.js';
import { openStore } from '../../src/retrieve/index.js';
import { createServer, type EmbedAnswer, type ErrorAnswer, type NearmissServer } from '../../src/serve/index.js';
import { details, randomReadout, specimen } from '../onnx/specimen.js';
import { DIM, SIZE, writeServedModel } from './served.js';
import { temporaryFolder } from './stores.js';

let folder = '';
let remove: () => Promise<void>;
let server: NearmissServer | undefined;

beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder());
});

afterAll(async () => {
  await server?.stop();
  await remove();
});

async function writeOtherModel(path: string): Promise<string> {
  const { graph, weights } = specimen('tiny-mobile', 11);
  const bytes = encoderToOnnx({ graph, weights, size: SIZE, readout: randomReadout(graph, 1, DIM), card: details });
  await writeFile(path, bytes);
  return fingerprint(bytes);
}

async function writeFilled(path: string, encoder: string): Promise<void> {
  const store = await openStore(path, { create: { fingerprint: encoder, dimension: DIM } });
  await store.upsert([{ id: 'one', vector: new Float32Array(DIM).fill(1) }]);
  await store.close();
}

it('puts another model and its store in place while requests run, all or nothing', async () => {
  const [model, other] = [join(folder, 'model.onnx'), join(folder, 'other.onnx')];
  const [store, second] = [join(folder, 'a.db'), join(folder, 'b.db')];
  const before = await writeServedModel(model);
  const after = await writeOtherModel(other);
  expect(after).not.toBe(before);
  await writeFilled(store, before);
  await writeFilled(second, after);
  let place = store;
  server = await createServer({
    store: () => openStore(place),
    model,
    port: 0,
    page: false,
    embedding: { workers: 1, decoders: 1 },
  });
  const { url } = server;
  const embed = (): Promise<Response> =>
    fetch(`${url}/v1/embed?size=${SIZE}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(SIZE * SIZE * 3).fill(100),
    });
  const reload = (): Promise<Response> => fetch(`${url}/v1/admin/reload`, { method: 'POST' });

  let stop = false;
  const seen = new Map<string, Set<string>>();
  const clients = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const response = await embed();
      expect(response.status).toBe(200);
      const { fingerprint: by, vectors } = (await response.json()) as EmbedAnswer;
      seen.set(by, (seen.get(by) ?? new Set()).add(JSON.stringify(vectors)));
    }
  });

  // The new model with the old store is refused, and all goes on with the old ones.
  await copyFile(other, model);
  const refused = await reload();
  expect(refused.status).toBe(409);
  expect(((await refused.json()) as ErrorAnswer).error.code).toBe('NM_ENCODER_MISMATCH');
  expect(((await (await embed()).json()) as EmbedAnswer).fingerprint).toBe(before);
  place = second;
  const done = await reload();
  expect(await done.json()).toEqual({ fingerprint: after, items: 1, modelChanged: true });
  expect(((await (await embed()).json()) as EmbedAnswer).fingerprint).toBe(after);
  stop = true;
  await Promise.all(clients);
  expect([...seen.keys()].sort()).toEqual([before, after].sort());
  // An answer is all of one model.
  for (const vectors of seen.values()) expect(vectors.size).toBe(1);
});
