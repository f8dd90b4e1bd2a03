import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPostgresStore } from '../../src/retrieve/index.js';
import { createServer, type NearmissServer, type SearchAnswer } from '../../src/serve/index.js';
import { type PostgresServer, startPostgres } from '../retrieve/postgres-server.js';
import { DIM, SIZE, writeServedModel } from './served.js';
import { idsOf, temporaryFolder } from './stores.js';

const SCHEMA = `serve_${process.pid}`;

let remove: () => Promise<void>;
let postgres: PostgresServer;
let servers: NearmissServer[] = [];

beforeAll(async () => {
  const temporary = await temporaryFolder();
  remove = temporary.remove;
  const model = join(temporary.folder, 'model.onnx');
  const fingerprint = await writeServedModel(model);
  postgres = await startPostgres();
  const url = new URL(postgres.url);
  url.searchParams.set('schema', SCHEMA);
  await (await openPostgresStore(url.href, { create: { fingerprint, dimension: DIM } })).close();
  servers = await Promise.all(
    [1, 2].map(() =>
      createServer({ store: url.href, model, port: 0, page: false, embedding: { workers: 1, decoders: 1 } }),
    ),
  );
});

afterAll(async () => {
  for (const server of servers) await server.stop();
  await postgres?.stop([SCHEMA]);
  await remove();
});

const pixels = (value: number): Uint8Array => new Uint8Array(SIZE * SIZE * 3).map((_, i) => (i * value) % 256);

describe('two instances on one PostgreSQL database', () => {
  it('answer as one: what one has stored the other finds, embeds alike, and removes', async () => {
    const [a, b] = servers as [NearmissServer, NearmissServer];
    const embedded = await Promise.all(
      servers.map(async ({ url }) => {
        const response = await fetch(`${url}/v1/embed?size=${SIZE}`, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream', accept: 'application/octet-stream' },
          body: pixels(7) as BodyInit,
        });
        return Buffer.from(await response.arrayBuffer());
      }),
    );
    expect(embedded[0]!.equals(embedded[1]!)).toBe(true);
    const vector = Array.from(new Float32Array(new Uint8Array(embedded[0]!).buffer));
    const send = (url: string, method: string, body?: object): Promise<Response> =>
      fetch(url, {
        method,
        ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
      });
    expect((await send(`${a.url}/v1/items/seven`, 'PUT', { vector, metadata: { by: 'a' } })).status).toBe(201);
    expect(
      (await send(`${b.url}/v1/items/other`, 'PUT', { vector: vector.map((value, i) => (i % 2 ? value : -value)) }))
        .status,
    ).toBe(201);
    for (const { url } of servers) {
      const answer = (await (await send(`${url}/v1/search`, 'POST', { vector, k: 2 })).json()) as SearchAnswer;
      expect(idsOf(answer)).toEqual(['seven', 'other']);
      expect(answer.hits[0]!.metadata).toEqual({ by: 'a' });
    }
    expect((await send(`${b.url}/v1/items/seven`, 'DELETE')).status).toBe(204);
    expect((await send(`${a.url}/v1/items/seven`, 'GET')).status).toBe(404);
  });

  it('take writes at the same time, and the other goes on when one stops', async () => {
    const [a, b] = servers as [NearmissServer, NearmissServer];
    const bulk = ({ url }: NearmissServer, name: string): Promise<Response> =>
      fetch(`${url}/v1/items`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: Array.from(
          { length: 200 },
          (_, i) => `${JSON.stringify({ id: `${name}${i}`, vector: new Array(DIM).fill(i + 1) })}\n`,
        ).join(''),
      });
    const answers = await Promise.all([bulk(a, 'a'), bulk(b, 'b')]);
    for (const answer of answers) expect(await answer.json()).toMatchObject({ added: 200, failed: 0 });
    expect(await a.stop()).toBe(0);
    const info = (await (await fetch(`${b.url}/v1/info`)).json()) as { items: number };
    expect(info.items).toBe(401);
    expect((await fetch(`${b.url}/readyz`)).status).toBe(200);
  });
});
