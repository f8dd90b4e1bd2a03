import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/index.js';
import { openStore } from '../../src/retrieve/index.js';
import { makeToken } from '../../src/serve/tokens.js';
import { quarters } from '../images/files.js';
import { exchange, type Hostile, type Outcome, request } from './hostile/exchange.js';
import { hostileConnections, hostileHttp, type Target } from './hostile/http.js';
import { hostileJson, hostilePictures } from './hostile/json.js';
import { hostileForms } from './hostile/multipart.js';
import { badPictures } from './hostile/pictures.js';
import { DIM, resources, type Served, serve, writeServedModel } from './served.js';

const BODY_TIMEOUT = 3000;
const writer = makeToken('write', 'tests');
const reader = makeToken('read', 'tests that only look');
let folder: string;
let server: Served;
let target: Target;
let corpus: Hostile[];
let connections: Hostile[];
let expected: Float32Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-hostile-'));
  const [model, store] = [join(folder, 'model.onnx'), join(folder, 'store.db')];
  const fingerprint = await writeServedModel(model);
  const filled = await openStore(store, { create: { fingerprint, dimension: DIM } });
  const vector = Float32Array.from({ length: DIM }, (_, i) => (i === 0 ? 1 : 0));
  await filled.upsert([{ id: 'a', vector }]);
  await filled.close();
  server = await serve({
    store,
    model,
    tokens: [writer.line, reader.line],
    headTimeout: BODY_TIMEOUT,
    limits: { bodyTimeout: BODY_TIMEOUT, maxBodyBytes: 2 * 1024 * 1024 },
  });
  const png = await quarters(64).png().toBuffer();
  target = { auth: { Authorization: `Bearer ${writer.token}` }, png, dim: DIM };
  connections = hostileConnections(target);
  corpus = [
    ...hostileHttp(target),
    ...hostileJson(target),
    ...hostileForms(target),
    ...hostilePictures(target, await badPictures()),
    ...connections,
  ];
  expected = await embedded();
});

afterAll(async () => {
  server?.child.kill('SIGKILL');
  await server?.gone;
  await rm(folder, { recursive: true, force: true });
});

/** What a right request gives. */
async function embedded(): Promise<Float32Array> {
  const client = createClient({ url: server.url, token: reader.token, retries: 0 });
  return (await client.embed([target.png])).vectors[0]!;
}

/** What is wrong with how a request was answered; undefined if nothing. */
function complaint(hostile: Hostile, outcome: Outcome): string | undefined {
  const { name, after = 'wait', status, mayClose = false, lines = false, harmless = false } = hostile;
  if (outcome === 'cut') return after === 'cut' ? undefined : `${name}: cut`;
  if (outcome === 'closed') return mayClose ? undefined : `${name}: closed without an answer`;
  if (outcome === 'silent') return `${name}: no answer in time`;
  const text = outcome.body.toString('utf8');
  const found = `${name}: ${outcome.status} ${text.slice(0, 200)}`;
  if (harmless && outcome.status === 200) return undefined;
  const right = status ? status.includes(outcome.status) : outcome.status >= 400 && outcome.status < 500;
  if (!right) return found;
  if (/node_modules|\.js:\d|\bat \w+ \(|nearmiss-hostile-/.test(text)) return `${found}: tells of the inside`;
  let body: {
    readonly error?: { readonly code?: string; readonly message?: string; readonly requestId?: string };
    readonly failed?: number;
    readonly added?: number;
    readonly updated?: number;
    readonly lines?: number;
  };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    return `${found}: no JSON`;
  }
  if (lines && outcome.status === 200) {
    const none = body.added === 0 && body.updated === 0 && body.failed === body.lines;
    return none ? undefined : `${found}: lines were stored`;
  }
  const { code, message, requestId } = body.error ?? {};
  if (!/^NM_[A-Z_]+$/.test(code ?? '') || code === 'NM_UNEXPECTED' || !message || !requestId)
    return `${found}: no code`;
  return undefined;
}

/** Sends requests some at a time, and gives what is wrong with the answers. */
async function complaints(all: readonly Hostile[], atOnce: number): Promise<string[]> {
  const wrong: string[] = [];
  const waiting = [...all];
  const right = { name: 'right', pieces: [request('GET', '/v1/items/a', target.auth)] };
  const work = async (): Promise<void> => {
    for (let hostile = waiting.shift(); hostile; hostile = waiting.shift()) {
      const found = complaint(hostile, await exchange(server.port, hostile));
      if (found) wrong.push(found);
      const next = await exchange(server.port, right);
      if (typeof next === 'string' || next.status !== 200) wrong.push(`${hostile.name}: the next request failed`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return wrong;
}

describe('a server that is sent what it should not be', () => {
  it('knows at least 200 ways', () => {
    const names = corpus.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    expect(corpus.length).toBeGreaterThanOrEqual(200);
  });

  it('answers each with a coded 4xx, or closes what is no request, and then answers what is right', async () => {
    expect(await complaints(corpus.slice(0, -connections.length), 4)).toEqual([]);
    expect(await embedded()).toEqual(expected);
    expect(server.child.exitCode).toBeNull();
  });

  it('lets the slow wait no longer than it says, and others not at all', async () => {
    const begun = performance.now();
    const slow = complaints(connections, connections.length);
    const right: number[] = [];
    for (let i = 0; i < 5; i++) {
      const before = performance.now();
      expect(await embedded()).toEqual(expected);
      right.push(performance.now() - before);
    }
    expect(await slow).toEqual([]);
    // The slowest sends a byte every 50 ms, and each phase has its own time.
    expect(performance.now() - begun).toBeLessThan(BODY_TIMEOUT * 10);
    expect(Math.max(...right)).toBeLessThan(BODY_TIMEOUT);
  });

  it('answers a right request on the same connection after a wrong one', async () => {
    const wrong = request('POST', '/v1/search', { ...target.auth, 'Content-Type': 'application/json' }, '{"k":0}');
    const right = request('GET', '/v1/items/a', { ...target.auth, Connection: 'close' });
    const whole = await exchange(server.port, { name: 'both', pieces: [wrong] });
    expect(complaint({ name: 'wrong', pieces: [] }, whole)).toBeUndefined();
    const { connect } = await import('node:net');
    const text = await new Promise<string>((resolve, reject) => {
      let came = '';
      const socket = connect(server.port, '127.0.0.1', () => socket.write(Buffer.concat([wrong, right])));
      socket.setEncoding('utf8').on('data', (part: string) => {
        came += part;
      });
      socket.on('close', () => resolve(came)).on('error', reject);
    });
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['400', '200']);
  });

  it('lets in whoever has the right token, and nobody else', async () => {
    const ask = async (authorization: string | undefined, method = 'GET', path = '/v1/stats'): Promise<number> => {
      const headers = authorization === undefined ? {} : { Authorization: authorization };
      const outcome = await exchange(server.port, { name: 'token', pieces: [request(method, path, headers)] });
      if (typeof outcome === 'string') throw new Error(outcome);
      return outcome.status;
    };
    const { token } = reader;
    const wrong = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      token,
      `Token ${token}`,
    ]
      .concat([
        `Bearer ${token} ${token}`,
        'Bearer null',
        `Bearer ${'a'.repeat(8000)}`,
        'Basic Og==',
        'Basic !!',
        `Bearer \xff\xfe`,
      ])
      .concat([`Bearer ${reader.line.split(' ')[1]!.slice('sha256:'.length)}`, `Bearer ${token.toUpperCase()}`]);
    for (const authorization of wrong) expect(await ask(authorization), String(authorization).slice(0, 40)).toBe(401);
    expect(await ask(`Bearer ${token}`)).toBe(200);
    for (const [method, path] of [
      ['PUT', '/v1/items/x'],
      ['DELETE', '/v1/items/a'],
      ['POST', '/v1/items'],
      ['POST', '/v1/admin/reload'],
    ]) {
      expect(await ask(undefined, method, path), `${method} ${path}`).toBe(401);
      expect(await ask(`Bearer ${token}`, method, path), `${method} ${path}`).toBe(403);
    }
    // Looking does not need the token; nothing else is open.
    expect(await ask(undefined, 'GET', '/healthz')).toBe(200);
  });

  it('answers whatever comes', async () => {
    const json = fc.json({ maxDepth: 6 }).map((text): string => text);
    const almost = fc
      .record(
        {
          vector: fc.oneof(fc.array(fc.double(), { maxLength: DIM + 2 }), fc.anything()),
          k: fc.oneof(fc.integer(), fc.double(), fc.anything()),
          filter: fc.anything(),
          radius: fc.anything(),
          id: fc.oneof(fc.string(), fc.anything()),
          queries: fc.oneof(fc.array(fc.record({ id: fc.string() })), fc.anything()),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value) ?? '');
    const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
    const damaged = fc
      .tuple(fc.nat({ max: target.png.length - 1 }), fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([at, noise]) => Buffer.concat([target.png.subarray(0, at), noise, target.png.subarray(at + noise.length)]));
    const typed = (type: string): Record<string, string> => ({ ...target.auth, 'Content-Type': type });
    const path = fc.webPath().map((each) => each.replace(/[^\x21-\x7e]/g, '%25'));
    const requests = fc.oneof(
      fc.oneof(json, almost, bytes).map((body) => request('POST', '/v1/search', typed('application/json'), body)),
      fc.oneof(json, bytes).map((body) => request('PUT', '/v1/items/wrong', typed('application/json'), body)),
      fc.oneof(json, bytes).map((body) => request('POST', '/v1/embed', typed('application/json'), body)),
      fc.oneof(bytes, damaged).map((body) => request('POST', '/v1/embed', typed('image/png'), body)),
      bytes.map((body) => request('POST', '/v1/embed', typed('multipart/form-data; boundary=x'), body)),
      path.map((each) => request('GET', `/v1/items/${each}`, target.auth)),
      fc.tuple(path, fc.webQueryParameters()).map(([each, query]) => request('GET', `/${each}?${query}`, target.auth)),
      bytes,
    );
    await fc.assert(
      fc.asyncProperty(requests, async (piece) => {
        const outcome = await exchange(server.port, { name: 'any', pieces: [piece], after: 'end' });
        if (typeof outcome === 'string') return outcome === 'closed';
        // A damaged picture may still be one, and a value may happen to be right.
        if (outcome.status < 300) return true;
        return complaint({ name: 'any', pieces: [] }, outcome) === undefined;
      }),
      { numRuns: 250 },
    );
    expect(await embedded()).toEqual(expected);
  });

  it('has stored nothing, holds on to nothing, and told its log neither tokens nor pictures', async () => {
    const client = createClient({ url: server.url, token: reader.token });
    expect((await client.info()).items).toBe(1);
    // Twice more, after what the first time leaves behind for good.
    const again = corpus
      .slice(0, -connections.length)
      .filter(({ pieces }) => pieces.every(({ length }) => length < 1e6));
    await complaints(again, 4);
    const before = resources(server);
    await complaints(again, 4);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = resources(server);
    expect(after.threads).toBeLessThanOrEqual(before.threads + 1);
    expect(after.files).toBeLessThanOrEqual(before.files + 8);
    expect(after.rss).toBeLessThan(before.rss + 60e6);
    const log = server.log();
    expect(log).not.toContain(writer.token);
    expect(log).not.toContain(reader.token);
    expect(log).not.toContain('etc/passwd');
    expect(log).not.toContain(target.png.toString('base64').slice(0, 40));
    for (const line of log.trimEnd().split('\n')) {
      const { level } = JSON.parse(line) as { readonly level: number };
      // 50 is an error: something that nobody thought of.
      expect(level, line).toBeLessThan(50);
    }
    expect(server.complaints()).toBe('');
    const { embedding } = await client.stats();
    expect(embedding).toMatchObject({ ready: true, requests: 0, pictures: 0, bytes: 0 });
  });

  it('ends when it is told to', async () => {
    server.child.kill('SIGTERM');
    expect(await server.gone).toEqual({ code: 0, signal: null });
  });
});
