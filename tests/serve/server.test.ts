import { once } from 'node:events';
import { appendFile, readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fastify } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/retrieve/index.js';
import {
  type BulkProgress,
  type BulkSummary,
  createServer,
  type ErrorAnswer,
  makeToken,
  type NearmissServer,
  nearmissService,
  type SearchAnswer,
  type ServerOptions,
} from '../../src/serve/index.js';
import { axis, idsOf, temporaryFolder, writeStore } from './stores.js';

let folder = '';
let remove: () => Promise<void>;
let count = 0;
const running: NearmissServer[] = [];

beforeAll(async () => {
  ({ folder, remove } = await temporaryFolder());
});

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop({ grace: 100 });
});

afterAll(() => remove());

async function newStore(items?: number): Promise<string> {
  count += 1;
  return writeStore(join(folder, `${count}.db`), items);
}

async function start(options: Partial<ServerOptions> = {}): Promise<NearmissServer> {
  const server = await createServer({ store: options.store ?? (await newStore()), port: 0, page: false, ...options });
  running.push(server);
  return server;
}

const search = (server: NearmissServer, i: number, init: RequestInit = {}): Promise<Response> =>
  fetch(`${server.url}/v1/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ vector: axis(i), k: 1 }),
    ...init,
  });

async function errorOf(response: Response): Promise<[status: number, code: string]> {
  return [response.status, ((await response.json()) as ErrorAnswer).error.code];
}

function socketTo(server: NearmissServer): Socket {
  return connect(Number(new URL(server.url).port), '127.0.0.1');
}

/** What comes back over a socket until it is closed. */
async function answerOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('error', () => undefined);
  if (!socket.closed) await once(socket, 'close');
  return text;
}

describe('starting', () => {
  it('refuses an address that others reach without tokens, a taken port, and a wrong store', async () => {
    const store = await newStore();
    await expect(createServer({ store, host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
      code: 'NM_TOKENS_MISSING',
    });
    await expect(createServer({ store, port: 0, tokens: ['# none'] })).rejects.toMatchObject({
      code: 'NM_TOKENS_INVALID',
    });
    await expect(createServer({ store: `${store}.no`, port: 0 })).rejects.toMatchObject({ code: 'NM_STORE_MISSING' });
    await expect(createServer({ store, port: 0, limits: { maxK: 0 } })).rejects.toMatchObject({
      code: 'NM_OPTION_INVALID',
    });
    await expect(createServer({ store, port: 0, limits: { maxTea: 1 } as object })).rejects.toMatchObject({
      code: 'NM_OPTION_UNKNOWN',
    });
    await expect(createServer({ store, port: 0, pictures: `${store}.no` })).rejects.toMatchObject({
      code: 'NM_SOURCE_MISSING',
    });
    const server = await start({ store });
    const port = Number(new URL(server.url).port);
    await expect(createServer({ store, port })).rejects.toMatchObject({ code: 'NM_ADDRESS_UNAVAILABLE' });
    expect((await search(server, 1)).status).toBe(200);
  });

  it('answers questions for pictures with a code where it has no model', async () => {
    const server = await start();
    const response = await fetch(`${server.url}/v1/embed`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: 'x',
    });
    expect(await errorOf(response)).toEqual([400, 'NM_MODEL_ABSENT']);
  });

  it('changes nothing in a store that was opened for reading', async () => {
    const server = await start({ readOnly: true });
    const response = await fetch(`${server.url}/v1/items/i1`, { method: 'DELETE' });
    expect(await errorOf(response)).toEqual([403, 'NM_STORE_READ_ONLY']);
    expect((await search(server, 1)).status).toBe(200);
  });
});

describe('tokens', () => {
  it('are asked for everywhere but where health and the interface are described', async () => {
    const reader = makeToken('read', 'reader');
    const writer = makeToken('write', 'writer');
    const lines = [reader.line, writer.line];
    let log = '';
    const server = await start({
      tokens: async () => lines,
      page: true,
      log: {
        write: (line) => {
          log += line;
        },
      },
    });
    const ask = (method: string, path: string, authorization?: string): Promise<Response> =>
      fetch(server.url + path, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
          ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
        },
        ...(method === 'POST' ? { body: JSON.stringify({ id: 'i1' }) } : {}),
      });
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs/'])
      expect((await ask('GET', path)).status, path).toBe(200);
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/metrics'],
      ['GET', '/v1/info'],
      ['GET', '/v1/items/i1'],
      ['GET', '/v1/items/i1/thumbnail'],
      ['POST', '/v1/search'],
      ['DELETE', '/v1/items/i1'],
      ['POST', '/v1/admin/reload'],
    ] as const) {
      for (const wrong of [undefined, `Bearer ${makeToken('write').token}`, 'Bearer x']) {
        const refused = await ask(method, path, wrong);
        expect(refused.headers.get('www-authenticate')).toContain('Bearer');
        expect(await errorOf(refused), path).toEqual([401, 'NM_TOKEN_INVALID']);
      }
    }
    const read = `Bearer ${reader.token}`;
    expect((await ask('POST', '/v1/search', read)).status).toBe(200);
    expect((await ask('GET', '/', `Basic ${btoa(`anyone:${reader.token}`)}`)).status).toBe(200);
    expect(await errorOf(await ask('DELETE', '/v1/items/i1', read))).toEqual([403, 'NM_TOKEN_SCOPE']);
    expect(await errorOf(await ask('POST', '/v1/admin/reload', read))).toEqual([403, 'NM_TOKEN_SCOPE']);
    expect((await ask('DELETE', '/v1/items/i1', `Bearer ${writer.token}`)).status).toBe(204);

    // A reload knows new tokens and forgets old ones.
    const later = makeToken('read');
    lines[0] = later.line;
    await server.reload();
    expect((await ask('GET', '/v1/info', read)).status).toBe(401);
    expect((await ask('GET', '/v1/info', `Bearer ${later.token}`)).status).toBe(200);
    for (const { token } of [reader, writer, later]) expect(log).not.toContain(token);
  });
});

describe('the log', () => {
  it('has a line a request, with its id and route, and neither queries nor ids of items', async () => {
    const lines: string[] = [];
    const server = await start({ log: { write: (line) => lines.push(line) } });
    const response = await fetch(`${server.url}/v1/items/secret-name?x=1`, { headers: { 'x-request-id': 'my-id' } });
    expect(response.status).toBe(404);
    await search(server, 1);
    await expect.poll(() => lines.length).toBeGreaterThan(1);
    const requests = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === 'request');
    expect(requests[0]).toMatchObject({ reqId: 'my-id', method: 'GET', route: '/v1/items/:id', status: 404 });
    expect(requests[0]!['ms']).toBeGreaterThan(0);
    expect(lines.join()).not.toMatch(/secret-name|vector/);
  });
});

describe('limits', () => {
  it('answer requests over the number in work with 503 and when to come again, and health all the same', async () => {
    const server = await start({ limits: { maxConcurrent: 2 } });
    const slow = [1, 2].map(() => {
      const socket = socketTo(server);
      socket.write(
        'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      );
      return socket;
    });
    await expect.poll(async () => (await search(server, 1)).status).toBe(503);
    const refused = await search(server, 1);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await errorOf(refused)).toEqual([503, 'NM_OVERLOADED']);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    for (const socket of slow) socket.destroy();
    await expect.poll(async () => (await search(server, 1)).status).toBe(200);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(
      /nearmiss_shed_requests_total\{reason="concurrency"\} [1-9]/,
    );
  });

  it('refuse bodies that together would take too much memory before they are read', async () => {
    const server = await start({ limits: { maxPendingBytes: 100_000, maxBodyBytes: 90_000 } });
    const socket = socketTo(server);
    socket.write(
      'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 80000\r\n\r\n{',
    );
    const body = JSON.stringify({ vector: axis(1), k: 1, filter: { op: 'ne', field: 'a', value: 'x'.repeat(30_000) } });
    await expect.poll(async () => (await search(server, 1, { body })).status).toBe(503);
    // A small one still fits.
    expect((await search(server, 1)).status).toBe(200);
    socket.destroy();
    await expect.poll(async () => (await search(server, 1, { body })).status).toBe(200);
  });

  it('take bodies up to their size, and no byte more of one that does not say how long it is', async () => {
    const server = await start({ limits: { maxBodyBytes: 3_000_000 } });
    const body = (bytes: number): string =>
      JSON.stringify({ vector: axis(1), k: 1, filter: { op: 'ne', field: 'a', value: 'x'.repeat(bytes) } });
    expect((await search(server, 1, { body: body(2_000_000) })).status).toBe(200);
    expect(await errorOf(await search(server, 1, { body: body(3_000_000) }))).toEqual([413, 'NM_REQUEST_TOO_LARGE']);
    const stream = new Blob([body(6_000_000)]).stream();
    const refused = search(server, 1, { body: stream, duplex: 'half' } as RequestInit).then(errorOf);
    // The rest of the body is not taken, which the client may notice before it reads why.
    expect(await refused.catch(() => [413, 'NM_REQUEST_TOO_LARGE'])).toEqual([413, 'NM_REQUEST_TOO_LARGE']);
    expect((await search(server, 1)).status).toBe(200);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(
      /nearmiss_http_requests_total\{method="POST",route="\/v1\/search",status="413"\} 2/,
    );
  });

  it('keep a client to its rate, and tell it when to come again', async () => {
    const server = await start({ limits: { rateLimit: 1 } });
    const answers = await Promise.all(Array.from({ length: 14 }, () => search(server, 1)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(4);
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await errorOf(refused[0]!)).toEqual([429, 'NM_RATE_LIMITED']);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it('end bodies that come too slowly with 408, whatever they are, and heads too', async () => {
    const server = await start({ limits: { bodyTimeout: 300 }, headTimeout: 500 });
    const heads = [
      'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n',
      'PUT /v1/items/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=a\r\nContent-Length: 100\r\n\r\n--a\r\n',
      'POST /v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\n{',
      'POST /v1/search HTTP/1.1\r\nHost: loc',
    ];
    const answers = await Promise.all(
      heads.map((head) => {
        const socket = socketTo(server);
        socket.write(head);
        return answerOf(socket);
      }),
    );
    for (const [i, answer] of answers.entries()) {
      expect(answer, heads[i]).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer, heads[i]).toContain('"NM_REQUEST_TIMEOUT"');
    }
    // What is answered before its body is there does not stay open either.
    const early = socketTo(server);
    early.write(
      'POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/svg+xml\r\nContent-Length: 100\r\n\r\n{',
    );
    expect(await answerOf(early)).toMatch(/^HTTP\/1\.1 415 /);
    expect((await search(server, 1)).status).toBe(200);
  });

  it('answer what is no HTTP, heads that are too large, and bodies of another encoding', async () => {
    const server = await start();
    const cases = [
      ['nonsense\r\n\r\n', 400, 'NM_REQUEST_INVALID'],
      [`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'NM_REQUEST_TOO_LARGE'],
      [
        'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
        415,
        'NM_MEDIA_TYPE_UNSUPPORTED',
      ],
      [
        'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{}',
        413,
        'NM_REQUEST_TOO_LARGE',
      ],
    ] as const;
    for (const [head, status, code] of cases) {
      const socket = socketTo(server);
      socket.write(head);
      const answer = await answerOf(socket);
      expect(answer.startsWith(`HTTP/1.1 ${status} `), answer.slice(0, 300)).toBe(true);
      expect(answer).toContain(`"${code}"`);
    }
  });
});

describe('POST /v1/items', () => {
  const line = (i: number, more: object = {}): string =>
    `${JSON.stringify({ id: `b${i}`, vector: axis(i), ...more })}\n`;
  const send = (server: NearmissServer, body: BodyInit, accept = 'application/json'): Promise<Response> =>
    fetch(`${server.url}/v1/items`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', accept },
      body,
      duplex: 'half',
    } as RequestInit);

  it('stores lines, tells of those that are no items, and lets the later of two hold', async () => {
    const server = await start();
    const lines = [
      line(0),
      '\n',
      '{"id":\n',
      line(1),
      line(1, { metadata: { later: true } }),
      '[]\n',
      line(2, { vector: [1] }),
      '{"id":"i1","vector":[0,0,1,0,0,0,0,0]}',
    ];
    const summary = (await (await send(server, lines.join(''))).json()) as BulkSummary;
    expect(summary).toMatchObject({ done: true, lines: 8, added: 2, updated: 2, failed: 3 });
    expect(summary.errors.map(({ line: number, code }) => [number, code])).toEqual([
      [3, 'NM_REQUEST_INVALID'],
      [6, 'NM_REQUEST_INVALID'],
      [7, 'NM_SHAPE_MISMATCH'],
    ]);
    const item = (await (await fetch(`${server.url}/v1/items/b1`)).json()) as { metadata: unknown };
    expect(item.metadata).toEqual({ later: true });
  });

  it('tells of each batch once it is durable, while more comes in', async () => {
    const store = await newStore();
    const server = await start({ store });
    let more: () => void = () => undefined;
    const first = new Promise<void>((resolve) => {
      more = resolve;
    });
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async start(controller) {
        for (let i = 0; i < 200; i++) controller.enqueue(encoder.encode(line(i)));
        await first;
        for (let i = 200; i < 300; i++) controller.enqueue(encoder.encode(line(i)));
        controller.close();
      },
    });
    const response = await send(server, body, 'application/x-ndjson');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    const progress = JSON.parse(text.split('\n')[0]!) as BulkProgress;
    expect(progress.stored).toBe(128);
    // Another process sees them already.
    const other = await openStore(store, { readOnly: true });
    expect(await other.get('b127')).toBeDefined();
    await other.close();
    more();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const lines = text
      .trim()
      .split('\n')
      .map((each) => JSON.parse(each) as BulkProgress | BulkSummary);
    expect(lines.at(-1)).toEqual({ done: true, lines: 300, added: 300, updated: 0, failed: 0, errors: [] });
    expect(lines.slice(0, -1).map((each) => 'stored' in each && each.stored)).toEqual([128, 256, 300]);
  });

  it('holds the sender up instead of gathering what it sends', async () => {
    const store = await openStore(await newStore());
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const upsert = store.upsert.bind(store);
    store.upsert = async (items) => {
      await gate;
      return upsert(items);
    };
    const server = await start({ store: async () => store });
    const socket = socketTo(server);
    socket.write(
      'POST /v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000000000\r\n\r\n',
    );
    const lines = Buffer.from(
      Array.from({ length: 32 }, (_, i) => line(i, { metadata: { filler: 'x'.repeat(2000) } })).join(''),
    );
    let drained = performance.now();
    // Sends for as long as somebody takes it.
    while (performance.now() - drained < 400 && socket.bytesWritten < 100_000_000) {
      if (socket.writableNeedDrain) await wait(5);
      else {
        socket.write(lines);
        drained = performance.now();
        await wait(0);
      }
    }
    // One batch, and what the sockets between hold.
    expect(socket.bytesWritten).toBeLessThan(30_000_000);
    open();
    await expect.poll(async () => (await fetch(`${server.url}/v1/items/b31`)).status).toBe(200);
    socket.destroy();
  });

  it('keeps what was stored when the sender goes away in the middle', async () => {
    const server = await start();
    const socket = socketTo(server);
    socket.write(
      'POST /v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nAccept: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n',
    );
    socket.write(Array.from({ length: 130 }, (_, i) => line(i)).join(''));
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toContain('"stored":128');
    socket.destroy();
    await expect
      .poll(async () => (await fetch(`${server.url}/metrics`)).text())
      .toContain('nearmiss_requests_in_flight 0');
    expect((await fetch(`${server.url}/v1/items/b127`)).status).toBe(200);
    expect((await fetch(`${server.url}/v1/items/b129`)).status).toBe(404);
  });
});

describe('reloading', () => {
  it('drops no request, and answers from the new store', async () => {
    const first = await newStore(4);
    const second = await newStore(16);
    let opened = 0;
    const server = await start({ store: () => openStore(opened++ === 0 ? first : second) });
    const info = async (): Promise<number> =>
      ((await (await fetch(`${server.url}/v1/info`)).json()) as { items: number }).items;
    expect(await info()).toBe(4);
    let stop = false;
    const statuses = new Map<number, number>();
    const clients = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const response = await search(server, 1);
        expect(idsOf((await response.json()) as SearchAnswer)).toEqual(['i1']);
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      }
    });
    for (let i = 0; i < 5; i++) {
      await wait(40);
      const response = await fetch(`${server.url}/v1/admin/reload`, { method: 'POST' });
      expect(await response.json()).toMatchObject({ items: 16, modelChanged: false });
    }
    stop = true;
    await Promise.all(clients);
    expect([...statuses.keys()]).toEqual([200]);
    expect(await info()).toBe(16);
  });

  it('leaves everything as it was where it fails', async () => {
    const store = await newStore();
    let opened = 0;
    const server = await start({
      store: () => (opened++ === 0 ? openStore(store) : openStore(`${store}.gone`)),
    });
    const response = await fetch(`${server.url}/v1/admin/reload`, { method: 'POST' });
    const text = await response.text();
    expect([response.status, (JSON.parse(text) as ErrorAnswer).error.code]).toEqual([500, 'NM_STORE_MISSING']);
    expect(text).not.toContain(store);
    expect((await search(server, 1)).status).toBe(200);
  });
});

describe('stopping', () => {
  it('finishes what is in work, refuses what comes later, and is not ready from the first moment', async () => {
    const server = await start();
    const socket = socketTo(server);
    const body = JSON.stringify({ vector: axis(3), k: 1 });
    socket.write(
      `POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    const answer = answerOf(socket);
    await expect
      .poll(async () => (await fetch(`${server.url}/metrics`)).text())
      .toContain('nearmiss_requests_in_flight 1');
    const stopped = server.stop({ notice: 200 });
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'draining' }]);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(await errorOf(await search(server, 1))).toEqual([503, 'NM_SERVICE_CLOSING']);
    await wait(300);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    socket.write(body.slice(5));
    expect(await answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*"id":"i3"/);
    expect(await stopped).toBe(0);
  });

  it('ends a stream of items at its next batch, and says up to where it is stored', async () => {
    const store = await newStore();
    const server = await start({ store });
    const lines = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, i) => `${JSON.stringify({ id: `s${from + i}`, vector: axis(i) })}\n`).join(
        '',
      );
    const socket = socketTo(server);
    socket.write(
      'POST /v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nAccept: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n',
    );
    socket.write(lines(0, 130));
    await once(socket, 'data');
    const answer = answerOf(socket);
    const stopped = server.stop({ grace: 20_000 });
    socket.write(lines(130, 400));
    expect(await answer).toContain('"NM_SERVICE_CLOSING"');
    expect(await stopped).toBe(0);
    const kept = await openStore(store, { readOnly: true });
    expect([await kept.get('s127'), await kept.get('s256')].map((item) => item?.id)).toEqual(['s127', undefined]);
    await kept.close();
  });

  it('cuts off what does not end, after the time of grace', async () => {
    const server = await start();
    const socket = socketTo(server);
    socket.write(
      'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    );
    const answer = answerOf(socket);
    await expect
      .poll(async () => (await fetch(`${server.url}/metrics`)).text())
      .toContain('nearmiss_requests_in_flight 1');
    const began = performance.now();
    expect(await server.stop({ grace: 300 })).toBe(1);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(await answer).toBe('');
  });
});

describe('as a plugin', () => {
  it('lives under a prefix beside the routes of an app, whose ways it leaves alone', async () => {
    const app = fastify();
    app.get('/mine', () => ({ mine: true }));
    app.post('/echo', (request) => ({ body: request.body }));
    await app.register(nearmissService, { prefix: '/similar', store: await newStore() });
    const answer = await app.inject({ method: 'POST', url: '/similar/v1/search', payload: { vector: axis(2), k: 1 } });
    expect(idsOf(answer.json<SearchAnswer>())).toEqual(['i2']);
    expect((await app.inject('/similar/metrics')).body).toMatch(/^nearmiss_requests_in_flight 0$/m);
    expect((await app.inject('/mine')).json()).toEqual({ mine: true });
    expect((await app.inject('/mine')).headers['content-security-policy']).toBeUndefined();
    expect(
      (
        await app.inject({ method: 'POST', url: '/echo', headers: { 'content-type': 'text/plain' }, payload: 'a' })
      ).json(),
    ).toEqual({ body: 'a' });
    expect((await app.inject('/similar/openapi.json')).json<{ paths: object }>().paths).toHaveProperty(
      '/similar/v1/search',
    );
    expect(
      (await app.inject({ method: 'POST', url: '/similar/v1/search', payload: {} })).json<ErrorAnswer>().error.code,
    ).toBe('NM_REQUEST_INVALID');
    await app.close();
  });
});

describe('a damaged token file', () => {
  it('keeps a reload from happening', async () => {
    const { line, token } = makeToken('read');
    const file = join(folder, 'tokens');
    await appendFile(file, `${line}\n`);
    const server = await start({ tokens: async () => (await readFile(file, 'utf8')).split('\n') });
    await appendFile(file, 'read everything\n');
    await expect(server.reload()).rejects.toMatchObject({ code: 'NM_TOKENS_INVALID' });
    expect(
      (await search(server, 1, { headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } }))
        .status,
    ).toBe(200);
  });
});
