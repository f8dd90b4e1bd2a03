import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePicture } from '../../src/images/decode.js';
import { createEmbedder } from '../../src/onnx/index.js';
import { openStore } from '../../src/retrieve/index.js';
import {
  createServer,
  type EmbedAnswer,
  type ErrorAnswer,
  type NearmissServer,
  type SearchAnswer,
  type SearchAnswers,
} from '../../src/serve/index.js';
import { DIM, SIZE, writeServedModel } from './served.js';
import { codeOf, idsOf, temporaryFolder } from './stores.js';

const EMOJI = 'node_modules/emoji-datasource-google/img/google/64';
const NAMES = ['1f600.png', '1f436.png', '1f697.png', '1f34e.png'];

let remove: () => Promise<void>;
let server: NearmissServer;
let files: Buffer[] = [];
/** float32 [names, DIM], by the plain embedder. */
let vectors: Float32Array[] = [];
let fingerprint = '';

beforeAll(async () => {
  const temporary = await temporaryFolder();
  remove = temporary.remove;
  const model = join(temporary.folder, 'model.onnx');
  const store = join(temporary.folder, 'store.db');
  fingerprint = await writeServedModel(model);
  files = await Promise.all(NAMES.map((name) => readFile(join(EMOJI, name))));
  const embedder = await createEmbedder(model);
  vectors = await Promise.all(files.map(async (file) => embedder.embed(await decodePicture(file, { size: SIZE }))));
  await embedder.close();
  const opened = await openStore(store, { create: { fingerprint, dimension: DIM } });
  await opened.upsert(NAMES.map((id, i) => ({ id: `faces/${id}`, vector: vectors[i]!, metadata: { n: i, path: id } })));
  await opened.close();
  server = await createServer({
    store,
    model,
    port: 0,
    title: 'Emoji',
    pictures: EMOJI,
    embedding: { workers: 1, decoders: 1 },
    limits: { maxBodyBytes: 256 * 1024, maxBatch: 8, maxK: 5, maxHits: 12 },
  });
});

afterAll(async () => {
  await server?.stop();
  await remove();
});

interface Sent {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly type?: string;
  readonly accept?: string;
  readonly body?: string | Buffer;
}

function send(url: string, { method = 'POST', type, accept, body }: Sent = {}): Promise<LightMyRequestResponse> {
  const headers = {
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(accept === undefined ? {} : { accept }),
  };
  return server.app.inject({ method, url, headers, ...(body === undefined ? {} : { payload: body }) });
}

function json(url: string, body: unknown, method: 'POST' | 'PUT' = 'POST'): Promise<LightMyRequestResponse> {
  return send(url, { method, type: 'application/json', body: JSON.stringify(body) });
}

const get = (url: string): Promise<LightMyRequestResponse> => send(url, { method: 'GET' });

/** A form of files and fields. */
function form(files: readonly Buffer[], fields: Readonly<Record<string, string>> = {}): { type: string; body: Buffer } {
  const boundary = 'nearmiss-test';
  const part = (head: string, body: Buffer | string): Buffer =>
    Buffer.concat([Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), Buffer.from(body), Buffer.from('\r\n')]);
  const parts = [
    ...Object.entries(fields).map(([name, value]) => part(`Content-Disposition: form-data; name="${name}"`, value)),
    ...files.map((file, i) =>
      part(`Content-Disposition: form-data; name="picture"; filename="${i}.png"\r\nContent-Type: image/png`, file),
    ),
    Buffer.from(`--${boundary}--\r\n`),
  ];
  return { type: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(parts) };
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < b.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return a.length === b.length ? most : Number.NaN;
}

describe('POST /v1/embed', () => {
  it('gives the vectors of the plain embedder for a file, a form, base64 and pixels', async () => {
    const pixels = Buffer.concat(await Promise.all(files.map((file) => decodePicture(file, { size: SIZE }))));
    const answers = [
      [await send('/v1/embed', { type: 'image/png', body: files[0]! }), 1],
      [await send('/v1/embed', { type: 'application/octet-stream', body: files[0]! }), 1],
      [await send('/v1/embed', form(files)), 4],
      [await json('/v1/embed', { pictures: files.map((file) => file.toString('base64')) }), 4],
      [await send(`/v1/embed?size=${SIZE}`, { type: 'application/octet-stream', body: pixels }), 4],
    ] as const;
    for (const [answer, count] of answers) {
      expect(answer.statusCode, answer.body).toBe(200);
      const body = answer.json<EmbedAnswer>();
      expect(body).toMatchObject({ fingerprint, dimension: DIM });
      expect(body.vectors).toHaveLength(count);
      for (const [i, vector] of body.vectors.entries()) expect(distance(vector, vectors[i]!)).toBeLessThan(1e-5);
    }
  });

  it('answers raw float32 where that is asked for', async () => {
    const answer = await send('/v1/embed', { ...form(files), accept: 'application/octet-stream' });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-nearmiss-dimension': `${DIM}`,
      'x-nearmiss-fingerprint': fingerprint,
    });
    const { rawPayload } = answer;
    const floats = new Float32Array(
      rawPayload.buffer.slice(rawPayload.byteOffset, rawPayload.byteOffset + rawPayload.length),
    );
    expect(floats).toHaveLength(4 * DIM);
    expect(distance(floats.subarray(DIM, 2 * DIM), vectors[1]!)).toBeLessThan(1e-5);
  });

  it('refuses what is no picture, too much of it, and what it does not read', async () => {
    const picture = files[0]!;
    const refused = [
      [
        await send('/v1/embed', { type: 'image/png', body: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') }),
        400,
        'NM_PICTURE_INVALID',
      ],
      [await send('/v1/embed', { type: 'image/svg+xml', body: '<svg/>' }), 415, 'NM_MEDIA_TYPE_UNSUPPORTED'],
      [await send('/v1/embed', { type: 'image/png', body: picture.subarray(0, 200) }), 400, 'NM_PICTURE_INVALID'],
      [await send('/v1/embed', { type: 'image/png', body: Buffer.alloc(300 * 1024) }), 413, 'NM_REQUEST_TOO_LARGE'],
      [await send('/v1/embed', form(new Array<Buffer>(9).fill(picture))), 413, 'NM_REQUEST_TOO_LARGE'],
      [await send('/v1/embed', form([Buffer.alloc(300 * 1024)])), 413, 'NM_REQUEST_TOO_LARGE'],
      [await send('/v1/embed', form([])), 400, 'NM_REQUEST_INVALID'],
      [await send('/v1/embed', { type: 'multipart/form-data', body: 'x' }), 400, 'NM_REQUEST_INVALID'],
      [await json('/v1/embed', { pictures: new Array(9).fill('AAAA') }), 413, 'NM_REQUEST_TOO_LARGE'],
      [await json('/v1/embed', { pictures: ['no base64!'] }), 400, 'NM_REQUEST_INVALID'],
      [await json('/v1/embed', { pictures: [] }), 400, 'NM_REQUEST_INVALID'],
      [await json('/v1/embed', { pictures: [7] }), 400, 'NM_REQUEST_INVALID'],
      [
        await send('/v1/embed?size=31', { type: 'application/octet-stream', body: Buffer.alloc(31 * 31 * 3) }),
        400,
        'NM_SHAPE_MISMATCH',
      ],
      [
        await send(`/v1/embed?size=${SIZE}`, { type: 'application/octet-stream', body: Buffer.alloc(100) }),
        400,
        'NM_SHAPE_MISMATCH',
      ],
      [await send(`/v1/embed?size=${SIZE}`, { type: 'image/png', body: picture }), 400, 'NM_REQUEST_INVALID'],
      [await send('/v1/embed', { type: 'image/png' }), 400, 'NM_REQUEST_INVALID'],
      [await send('/v1/embed'), 415, 'NM_MEDIA_TYPE_UNSUPPORTED'],
    ] as const;
    for (const [i, [answer, status, code]] of refused.entries()) {
      expect(`${i} ${answer.statusCode} ${codeOf(answer.body)}`).toBe(`${i} ${status} ${code}`);
    }
    expect((await send('/v1/embed', { type: 'image/png', body: picture })).statusCode).toBe(200);
  });
});

describe('POST /v1/search', () => {
  it('finds the same by picture, by vector and by id', async () => {
    const answers = await Promise.all([
      send('/v1/search?k=3', { type: 'image/png', body: files[1]! }),
      json('/v1/search', { picture: files[1]!.toString('base64'), k: 3 }),
      json('/v1/search', { vector: Array.from(vectors[1]!), k: 3 }),
      json('/v1/search?k=3', { id: `faces/${NAMES[1]}` }),
    ]);
    const bodies = answers.map((answer) => answer.json<SearchAnswer>());
    for (const body of bodies) {
      expect(body.hits).toHaveLength(3);
      expect(body.hits[0]).toMatchObject({ id: `faces/${NAMES[1]}`, metadata: { n: 1, path: NAMES[1] } });
      expect(idsOf(body)).toEqual(idsOf(bodies[0]!));
      expect(body.ms.search).toBeGreaterThan(0);
      expect(body.exactChecks).toBeGreaterThan(0);
    }
    expect(bodies[0]!.ms.embed).toBeGreaterThan(0);
    expect(bodies[2]!.ms.embed).toBeUndefined();
  });

  it('answers many queries of all kinds in their order', async () => {
    const queries = [
      { id: `faces/${NAMES[3]}` },
      { picture: files[0]!.toString('base64') },
      { vector: Array.from(vectors[2]!) },
    ];
    const answer = await json('/v1/search', { queries: [...queries, queries[1]], k: 1 });
    const { results } = answer.json<SearchAnswers>();
    expect(results.map((result) => idsOf(result))).toEqual([3, 0, 2, 0].map((i) => [`faces/${NAMES[i]}`]));
    const forms = (await send('/v1/search?k=1', form([files[2]!, files[1]!]))).json<SearchAnswers>();
    expect(forms.results.map((result) => idsOf(result))).toEqual([2, 1].map((i) => [`faces/${NAMES[i]}`]));
  });

  it('keeps to filter, radius and k, from the body or the address', async () => {
    const vector = Array.from(vectors[0]!);
    const filter = { op: 'range', field: 'n', gte: 2 };
    const filtered = (await json('/v1/search', { vector, filter })).json<SearchAnswer>();
    expect(idsOf(filtered).sort()).toEqual([`faces/${NAMES[3]}`, `faces/${NAMES[2]}`].sort());
    const inAddress = await json(`/v1/search?filter=${encodeURIComponent(JSON.stringify(filter))}&k=1`, { vector });
    expect(idsOf(inAddress.json<SearchAnswer>())).toEqual(idsOf(filtered).slice(0, 1));
    const near = (await json('/v1/search', { vector, radius: 0.9999 })).json<SearchAnswer>();
    expect(idsOf(near)).toEqual([`faces/${NAMES[0]}`]);
  });

  it('refuses what it does not understand, with what was found and what is allowed', async () => {
    const vector = Array.from(vectors[0]!);
    const refused = [
      [{}, 'NM_REQUEST_INVALID', 'found none, allowed: one of picture, vector, id'],
      [{ vector, id: 'a' }, 'NM_REQUEST_INVALID', 'found vector and id'],
      [{ queries: [{ id: 'a' }], vector }, 'NM_REQUEST_INVALID', 'queries beside another query'],
      [{ queries: [{}] }, 'NM_REQUEST_INVALID', 'body.queries.0: found none'],
      [{ vector, k: 6 }, 'NM_REQUEST_INVALID', 'k: found 6, allowed: at most 5'],
      [{ vector, k: 1.5 }, 'NM_REQUEST_INVALID', 'body.k: found 1.5'],
      [{ vector, k: '3' }, 'NM_REQUEST_INVALID', 'body.k: found "3"'],
      [{ vector, querie: 1 }, 'NM_REQUEST_INVALID', 'found "querie"'],
      [{ vector: ['1'] }, 'NM_REQUEST_INVALID', 'body.vector.0: found "1"'],
      [{ vector: [1] }, 'NM_SHAPE_MISMATCH', `found 1 dimensions, allowed: ${DIM}`],
      [{ vector: vector.map(() => 1e300) }, 'NM_VECTOR_INVALID', 'Infinity'],
      [{ id: 'nobody' }, 'NM_ITEM_MISSING', '"nobody"'],
      [{ vector, filter: { op: 'like', field: 'a' } }, 'NM_FILTER_INVALID', 'filter.op: found "like"'],
      [{ vector, fingerprint: 'sha256:other' }, 'NM_ENCODER_MISMATCH', 'found sha256:other'],
      [{ vector, mode: 'quick' }, 'NM_REQUEST_INVALID', 'body.mode'],
      [{ queries: [{ vector }, { vector }, { vector }], k: 5 }, 'NM_REQUEST_TOO_LARGE', '3 queries of 5 hits'],
      [[], 'NM_REQUEST_INVALID', 'body: found a list of 0'],
      [null, 'NM_REQUEST_INVALID', 'body: found null'],
    ] as const;
    for (const [body, code, message] of refused) {
      const answer = await json('/v1/search', body);
      const { error } = answer.json<ErrorAnswer>();
      expect(error.code, JSON.stringify(body).slice(0, 200)).toBe(code);
      expect(error.message).toContain(message);
      expect(answer.statusCode).toBeGreaterThanOrEqual(400);
      expect(answer.statusCode).toBeLessThan(500);
    }
  });

  it('refuses JSON that is none, bytes that are no UTF-8, and names of the prototype', async () => {
    const type = 'application/json';
    for (const body of ['', '{', '{"k":NaN}', '{"__proto__":{"k":1},"id":"a"}', Buffer.from([0x7b, 0xff, 0x7d])]) {
      const answer = await send('/v1/search', { type, body });
      expect(answer.statusCode, String(body)).toBe(400);
      expect(codeOf(answer.body)).toBe('NM_REQUEST_INVALID');
    }
  });
});

describe('/v1/items/{id}', () => {
  it('stores vectors and pictures with metadata, reads, replaces and removes them', async () => {
    const url = `/v1/items/${encodeURIComponent('new/ü 1.png')}`;
    const vector = Array.from(vectors[3]!);
    const added = await json(url, { vector, metadata: { tags: ['a'], n: 9 }, fingerprint }, 'PUT');
    expect([added.statusCode, added.json()]).toEqual([201, { id: 'new/ü 1.png', added: true }]);
    const read = await get(url);
    expect(read.json()).toMatchObject({ id: 'new/ü 1.png', metadata: { tags: ['a'], n: 9 } });
    expect(distance(read.json<{ vector: number[] }>().vector, vector)).toBe(0);
    for (const sent of [
      { ...form([files[1]!], { metadata: '{"by":"form"}' }), url },
      { type: 'image/png', body: files[1]!, url: `${url}?metadata=${encodeURIComponent('{"by":"address"}')}` },
      { type: 'application/json', body: JSON.stringify({ picture: files[1]!.toString('base64') }), url },
    ]) {
      const replaced = await send(sent.url, { method: 'PUT', type: sent.type, body: sent.body });
      expect([replaced.statusCode, replaced.json()]).toEqual([200, { id: 'new/ü 1.png', added: false }]);
      expect(distance((await get(url)).json<{ vector: number[] }>().vector, vectors[1]!)).toBeLessThan(1e-5);
    }
    expect((await get(url)).json<{ metadata: unknown }>().metadata).toEqual({});
    expect((await send(url, { method: 'DELETE' })).statusCode).toBe(204);
    for (const gone of [await get(url), await send(url, { method: 'DELETE' })]) {
      expect([gone.statusCode, codeOf(gone.body)]).toEqual([404, 'NM_ITEM_MISSING']);
    }
  });

  it('refuses items that cannot be, and changes nothing', async () => {
    const url = `/v1/items/${encodeURIComponent(`faces/${NAMES[0]}`)}`;
    const vector = Array.from(vectors[3]!);
    const before = (await get(url)).body;
    const deep = JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`) as unknown;
    for (const [body, code] of [
      [{}, 'NM_REQUEST_INVALID'],
      [{ vector, picture: 'AAAA' }, 'NM_REQUEST_INVALID'],
      [{ vector, metadata: [] }, 'NM_REQUEST_INVALID'],
      [{ vector, metadata: deep }, 'NM_ITEM_INVALID'],
      [{ vector, metadata: { a: 'x'.repeat(70_000) } }, 'NM_ITEM_INVALID'],
      [{ vector: vector.slice(1) }, 'NM_SHAPE_MISMATCH'],
      [{ vector, id: 'other' }, 'NM_REQUEST_INVALID'],
      [{ vector, fingerprint: 'sha256:other' }, 'NM_ENCODER_MISMATCH'],
      [{ picture: 'AAAA' }, 'NM_PICTURE_INVALID'],
    ] as const) {
      expect(codeOf((await json(url, body, 'PUT')).body)).toBe(code);
    }
    const forms = [
      form([files[0]!, files[1]!]),
      form([files[0]!], { other: '1' }),
      form([files[0]!], { metadata: '{' }),
    ];
    for (const { type, body } of forms) {
      expect(codeOf((await send(url, { method: 'PUT', type, body })).body)).toBe('NM_REQUEST_INVALID');
    }
    expect(codeOf((await json('/v1/items/a%00b', { vector }, 'PUT')).body)).toBe('NM_ITEM_INVALID');
    expect(codeOf((await json(`/v1/items/${'ü'.repeat(600)}`, { vector }, 'PUT')).body)).toBe('NM_ITEM_INVALID');
    expect((await get(url)).body).toBe(before);
  });

  it('shows thumbnails of files in the folder and of data addresses, and of nothing else', async () => {
    const picture = await sharp({ create: { width: 400, height: 200, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const own = `data:image/png;base64,${picture.toString('base64')}`;
    const vector = Array.from(vectors[0]!);
    await json(`/v1/items/${NAMES[2]}`, { vector }, 'PUT');
    await json('/v1/items/own', { vector, metadata: { thumbnail: own } }, 'PUT');
    await json('/v1/items/evil', { vector, metadata: { thumbnail: 'data:image/svg+xml;base64,PHN2Zy8+' } }, 'PUT');
    await json('/v1/items/..%2f..%2fpackage.json', { vector }, 'PUT');
    const file = await get(`/v1/items/${NAMES[2]}/thumbnail`);
    expect([file.statusCode, file.headers['content-type']]).toEqual([200, 'image/webp']);
    expect(await sharp(file.rawPayload).metadata()).toMatchObject({ width: 64, height: 64 });
    const again = await server.app.inject({
      url: `/v1/items/${NAMES[2]}/thumbnail`,
      headers: { 'if-none-match': String(file.headers['etag']) },
    });
    expect(again.statusCode).toBe(304);
    const kept = await get('/v1/items/own/thumbnail');
    expect(kept.rawPayload.equals(picture)).toBe(true);
    for (const id of ['evil', encodeURIComponent(`faces/${NAMES[0]}`), 'nobody', '..%2f..%2fpackage.json']) {
      const none = await get(`/v1/items/${id}/thumbnail`);
      expect([none.statusCode, codeOf(none.body)], id).toEqual([404, 'NM_ITEM_MISSING']);
    }
    for (const id of [NAMES[2], 'own', 'evil', '..%2f..%2fpackage.json'])
      await send(`/v1/items/${id}`, { method: 'DELETE' });
  });
});

describe('looking at the service', () => {
  it('says what is searched, how much of it there is, and that it is well', async () => {
    expect((await get('/v1/info')).json()).toEqual({
      items: 4,
      model: 'specimen',
      metric: 'cosine',
      dimension: DIM,
      fingerprint,
      size: SIZE,
      maxK: 5,
    });
    expect((await get('/v1/stats')).json()).toMatchObject({
      store: { items: 4, dimension: DIM, fingerprint },
      embedding: { ready: true, queued: 0 },
    });
    expect((await get('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await get('/readyz')).json()).toEqual({ status: 'ok' });
  });

  it('measures requests, stages, queues, batches, checks, memory and the event loop', async () => {
    const { body, headers } = await get('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const line of [
      /^nearmiss_http_requests_total\{method="POST",route="\/v1\/search",status="200"\} \d+$/m,
      ...['receive', 'embed', 'search', 'write', 'total', 'decode', 'embed-batch'].map(
        (stage) => new RegExp(`^nearmiss_stage_seconds_count\\{stage="${stage}"\\} [1-9]`, 'm'),
      ),
      /^nearmiss_search_batch_queries_count [1-9]/m,
      /^nearmiss_embed_batch_pictures_count [1-9]/m,
      /^nearmiss_search_exact_checks_count [1-9]/m,
      /^nearmiss_search_queue_length 0$/m,
      /^nearmiss_embed_queue_length 0$/m,
      /^nearmiss_memory_rss_bytes [1-9]/m,
      /^nearmiss_event_loop_delay_p99_seconds \d/m,
    ]) {
      expect(body).toMatch(line);
    }
    // Neither addresses nor ids, which could be anything and never end.
    expect(body).not.toContain(NAMES[0]);
  });

  it('describes itself in OpenAPI 3.1, with every route, body and answer', async () => {
    const document = (await get('/openapi.json')).json<{
      openapi: string;
      paths: Record<string, Record<string, unknown>>;
    }>();
    expect(document.openapi).toBe('3.1.0');
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(routes.sort()).toEqual([
      'delete /v1/items/{id}',
      'get /healthz',
      'get /metrics',
      'get /readyz',
      'get /v1/info',
      'get /v1/items/{id}',
      'get /v1/items/{id}/thumbnail',
      'get /v1/stats',
      'post /v1/admin/reload',
      'post /v1/embed',
      'post /v1/items',
      'post /v1/search',
      'put /v1/items/{id}',
    ]);
    expect(document.paths['/v1/search']!['post']).toMatchObject({
      requestBody: {
        content: { 'application/json': { schema: { properties: { k: { maximum: 1000 } } } }, 'image/png': {} },
      },
      responses: { 200: { content: { 'application/json': {} } }, default: { content: { 'application/json': {} } } },
    });
  });

  it('serves the page and the reader from fixed files under a strict policy', async () => {
    const page = await get('/');
    expect(page.statusCode).toBe(200);
    expect(page.headers['content-security-policy']).toContain("script-src 'self';");
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect((await get('/config.json')).json()).toEqual({ backend: 'http', title: 'Emoji' });
    for (const name of page.body.matchAll(/(?:src|href)="([^"#:]+)"/g))
      expect((await get(`/${name[1]}`)).statusCode, name[1]).toBe(200);
    const reader = await get('/docs/');
    expect(reader.body).not.toMatch(/<script>|onload=/);
    for (const name of reader.body.matchAll(/(?:src|href)="([^"]+)"/g))
      expect((await get(`/docs/${name[1]}`)).statusCode, name[1]).toBe(200);
    for (const path of [
      '/../package.json',
      '/docs/../../package.json',
      '/docs/%2e%2e%2fpackage.json',
      '/worker.js',
      '/docs/index.js',
    ]) {
      expect((await get(path)).statusCode, path).toBe(404);
    }
  });
});

describe('every answer', () => {
  it('has an id, a policy and no trace of the inside', async () => {
    for (const url of ['/healthz', '/nope', '/v1/items/nobody', '/v1/items/%ff', `/v1/items/${'x'.repeat(4000)}`]) {
      const { headers, body } = await get(url);
      expect(headers['x-request-id'], url).toMatch(/^[\w-]{36}$/);
      if (url !== '/healthz') {
        const { error } = JSON.parse(body) as ErrorAnswer;
        expect(error.code).toMatch(/^NM_/);
        expect(error.requestId).toBe(headers['x-request-id']);
        expect(body).not.toMatch(/node_modules|\.ts|\.js:| at /);
      }
    }
    const { headers } = await get('/v1/info');
    expect(headers).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
  });

  it('takes over a request id that is one, and no other', async () => {
    const idFor = async (given: string): Promise<unknown> =>
      (await server.app.inject({ url: '/healthz', headers: { 'x-request-id': given } })).headers['x-request-id'];
    expect(await idFor('abc-123')).toBe('abc-123');
    expect(await idFor('a b"c')).toMatch(/^[\w-]{36}$/);
  });

  it('is refused under a name that is not its own', async () => {
    const answer = await server.app.inject({ url: '/v1/info', headers: { host: 'rebound.example' } });
    expect([answer.statusCode, codeOf(answer.body)]).toEqual([403, 'NM_ORIGIN_REFUSED']);
  });
});
