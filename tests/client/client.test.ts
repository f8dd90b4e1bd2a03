import { beforeAll, describe, expect, it } from 'vitest';
import { type Client, type ClientItem, createClient, NearmissError, ServiceError } from '../../src/client/index.js';
import { cut, half, json, refusal, type ScriptedService, scriptedService, silence } from './scripted-service.js';

let service: ScriptedService;
let client: Client;
const FOUND = { hits: [{ id: 'a', score: 0.5, metadata: {} }], ms: {} };
const query = { id: 'a' };

beforeAll(async () => {
  service = await scriptedService();
  client = createClient({ url: service.url, pause: 5 });
});

async function errorOf(work: Promise<unknown>): Promise<NearmissError & Partial<ServiceError>> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NearmissError);
  return error as NearmissError;
}

describe('a call that fails for now', () => {
  it.each([429, 503])('is made again after %i', async (status) => {
    service.script(refusal(status, 'NM_OVERLOADED'), refusal(status, 'NM_OVERLOADED'), json(200, FOUND));
    expect(await client.search(query)).toEqual(FOUND);
    expect(service.received).toHaveLength(3);
    expect(service.received.map(({ body }) => String(body))).toEqual(Array(3).fill('{"id":"a"}'));
  });

  it('waits as long as the service asks', async () => {
    service.script(refusal(503, 'NM_OVERLOADED', { 'retry-after': '1' }), json(200, FOUND));
    await client.search(query);
    const [first, second] = service.received;
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(990);
  });

  it('is given up at once where the time asked for is beyond its own', async () => {
    service.script(refusal(503, 'NM_OVERLOADED', { 'retry-after': '3600' }));
    const error = await errorOf(client.search(query, { timeout: 5000 }));
    expect(error).toMatchObject({ code: 'NM_OVERLOADED', status: 503, retryAfter: 3_600_000 });
    expect(service.received).toHaveLength(1);
  });

  it('is given up after the retries', async () => {
    const impatient = createClient({ url: service.url, retries: 2, pause: 1 });
    service.script(refusal(503, 'NM_OVERLOADED'));
    const error = await errorOf(impatient.stats());
    expect(error).toBeInstanceOf(ServiceError);
    expect(service.received).toHaveLength(3);
  });

  it.each([
    ['breaks', cut],
    ['breaks within the answer', half],
  ])('is made again where the connection %s', async (_, answer) => {
    service.script(answer, json(201, { id: 'a', added: true }));
    expect(await client.items.put('a', { vector: [1] })).toEqual({ id: 'a', added: true });
    expect(service.received).toHaveLength(2);
  });

  it('is not made again where that could answer otherwise: a removal after a lost connection', async () => {
    service.script(cut, (response) => response.writeHead(204).end());
    expect((await errorOf(client.items.delete('a'))).code).toBe('NM_SERVICE_UNREACHABLE');
    expect(service.received).toHaveLength(1);
    service.script(refusal(503, 'NM_STORE_BUSY'), (response) => response.writeHead(204).end());
    expect(await client.items.delete('a')).toBe(true);
  });

  it('says that nothing listens', async () => {
    const nobody = createClient({ url: 'http://127.0.0.1:1', retries: 1, pause: 1 });
    const error = await errorOf(nobody.health());
    expect(error.code).toBe('NM_SERVICE_UNREACHABLE');
    expect(error.message).toMatch(
      /^GET http:\/\/127\.0\.0\.1:1\/healthz: no whole answer came: .*(ECONNREFUSED|bad port)/,
    );
  });
});

describe('a call that fails', () => {
  it.each([400, 401, 404, 413, 500, 502])(
    'is not made again after %i, and says what the service said',
    async (status) => {
      service.script(refusal(status, 'NM_REQUEST_INVALID'), json(200, FOUND));
      const error = await errorOf(client.search(query));
      expect(error).toMatchObject({
        name: 'ServiceError',
        code: 'NM_REQUEST_INVALID',
        status,
        message: 'because of NM_REQUEST_INVALID',
        hint: 'Wait.',
        requestId: 'r-7',
      });
      expect(service.received).toHaveLength(1);
    },
  );

  it('keeps a code that this version does not know', async () => {
    service.script(json(422, { error: { code: 'NM_OF_TOMORROW', message: 'new', requestId: 'r' } }));
    expect(await errorOf(client.stats())).toMatchObject({ code: 'NM_OF_TOMORROW', status: 422, hint: '' });
  });

  it('takes what is in front of the service for what it is', async () => {
    service.script((response) => response.writeHead(502, { 'x-request-id': 'p-1' }).end('<html>\n Bad gateway'));
    const error = await errorOf(client.stats());
    expect(error).toMatchObject({ code: 'NM_ANSWER_INVALID', status: 502, requestId: 'p-1' });
    expect(error.message).toContain('found status 502 and "<html> Bad gateway"');
    service.script((response) => response.writeHead(200).end('<html>'));
    expect((await errorOf(client.stats())).code).toBe('NM_ANSWER_INVALID');
    service.script((response) => response.writeHead(200, { 'x-nearmiss-dimension': '2' }).end('1234'));
    expect((await errorOf(client.embed([new Uint8Array(3)]))).code).toBe('NM_ANSWER_INVALID');
  });

  it('follows no redirect, which would take the token elsewhere', async () => {
    service.script((response) => response.writeHead(307, { location: '/v1/elsewhere' }).end());
    const error = await errorOf(createClient({ url: service.url, token: 'secret', retries: 0 }).search(query));
    expect(error.code).toBe('NM_SERVICE_UNREACHABLE');
    expect(service.received).toHaveLength(1);
    expect(`${error.message} ${error.stack}`).not.toContain('secret');
  });
});

describe('the time of a call', () => {
  it('ends it, with its attempts and pauses', async () => {
    service.script(silence);
    const begun = performance.now();
    const error = await errorOf(client.search(query, { timeout: 100 }));
    expect(error).toMatchObject({ code: 'NM_SERVICE_TIMEOUT', status: 504 });
    expect(error.message).toBe(`POST ${service.url}/v1/search: no answer within 100 ms`);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it('holds while the body comes', async () => {
    service.script((response) => response.writeHead(200, { 'content-length': '100' }).write('{'));
    expect((await errorOf(client.search(query, { timeout: 100 }))).code).toBe('NM_SERVICE_TIMEOUT');
  });

  it.each([
    ['before it', 0],
    ['while it waits for the answer', 50],
  ])('is up when its signal aborts %s', async (_, after) => {
    service.script(silence);
    const controller = new AbortController();
    const reason = new Error('enough');
    if (after === 0) controller.abort(reason);
    else setTimeout(() => controller.abort(reason), after);
    await expect(client.search(query, { signal: controller.signal })).rejects.toBe(reason);
    expect(service.received).toHaveLength(after === 0 ? 0 : 1);
  });

  it('is up when its signal aborts in a pause', async () => {
    service.script(refusal(503, 'NM_OVERLOADED', { 'retry-after': '20' }));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    await expect(client.search(query, { signal: controller.signal })).rejects.toThrow(/aborted/);
  });
});

describe('what is sent', () => {
  it('has the token, and a path in front', async () => {
    service.script(json(200, { status: 'ok' }));
    await createClient({ url: `${service.url}/pictures?x=1#y`, token: 'nm_secret' }).health();
    const [{ url, headers }] = service.received as [(typeof service.received)[0]];
    expect(url).toBe('/pictures/healthz');
    expect(headers.authorization).toBe('Bearer nm_secret');
  });

  it('is a picture as it is, with settings in the address', async () => {
    service.script(json(200, FOUND));
    const picture = Uint8Array.from({ length: 300 }, (_, i) => i);
    // A view: only what it shows is sent.
    await client.search({ picture: picture.subarray(7, 207) }, { k: 3, mode: 'approximate' });
    expect(service.received[0]).toMatchObject({ method: 'POST', url: '/v1/search?k=3&mode=approximate' });
    expect(service.received[0]!.headers['content-type']).toBe('application/octet-stream');
    expect(service.received[0]!.body.equals(picture.subarray(7, 207))).toBe(true);
  });

  it('is base64 where JSON must hold a picture', async () => {
    service.script(json(200, { results: [], ms: {} }));
    const picture = Uint8Array.from({ length: 70_001 }, (_, i) => i * 7);
    const filter = { op: 'eq', field: 'shelf', value: 3 } as const;
    await client.search({ picture: new Blob([picture]) }, { filter });
    await client.searchMany([{ picture: picture.buffer }, { vector: Float32Array.of(0.5, 2) }, query], { k: 2 });
    const encoded = Buffer.from(picture).toString('base64');
    const bodies = service.received.map(({ body }) => JSON.parse(String(body)) as unknown);
    expect(bodies).toEqual([
      { picture: encoded, filter },
      { queries: [{ picture: encoded }, { vector: [0.5, 2] }, query], k: 2 },
    ]);
  });

  it('keeps every id in its place of the address', async () => {
    service.script(json(200, { id: '', vector: [1], metadata: {} }));
    const ids = ['a/b.png', '../../etc/passwd', 'a?b#c', '50 %', 'ü😀', '__proto__', '...'];
    for (const id of ids) await client.items.get(id);
    const paths = service.received.map(({ url }) => url);
    expect(paths.every((path) => /^\/v1\/items\/[^/?#]+$/.test(path))).toBe(true);
    expect(paths.map((path) => decodeURIComponent(path.slice('/v1/items/'.length)))).toEqual(ids);
  });

  it.each(['', '.', '..', '\ud83d'])('is nothing for an id that no address holds: %j', async (id) => {
    service.script(json(200, {}));
    expect((await errorOf(client.items.put(id, { vector: [1] }))).code).toBe('NM_ITEM_INVALID');
    expect(service.received).toHaveLength(0);
  });
});

describe('answers', () => {
  it('of embeddings are float32 in full', async () => {
    const rows = Float32Array.of(0.1, -2, 3e-8, 4);
    const headers = { 'x-nearmiss-dimension': '2', 'x-nearmiss-fingerprint': 'f' };
    service.script((response) => response.writeHead(200, headers).end(Buffer.from(rows.buffer)));
    const found = await client.embed([new Uint8Array(3), new Blob(['x'])]);
    expect(found).toEqual({ fingerprint: 'f', dimension: 2, vectors: [rows.slice(0, 2), rows.slice(2)] });
    expect(service.received[0]!.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
  });

  it('that there is no such item are no errors', async () => {
    service.script(refusal(404, 'NM_ITEM_MISSING'));
    expect(await client.items.get('a')).toBeUndefined();
    expect(await client.items.delete('a')).toBe(false);
    service.script(refusal(404, 'NM_ROUTE_MISSING'));
    expect((await errorOf(client.items.get('a'))).code).toBe('NM_ROUTE_MISSING');
  });

  it('that the service is not ready are no errors, and not waited for', async () => {
    service.script(json(503, { status: 'draining' }));
    expect(await client.ready()).toEqual({ status: 'draining' });
    expect(service.received).toHaveLength(1);
  });
});

describe('bulk', () => {
  const summary = (lines: number, rest: object = {}): object => ({
    done: true,
    lines,
    added: lines,
    updated: 0,
    failed: 0,
    errors: [],
    ...rest,
  });
  const count = (body: Buffer): number => String(body).trimEnd().split('\n').length;

  async function* items(total: number, taken: { count: number }): AsyncGenerator<ClientItem> {
    for (let i = 0; i < total; i++) {
      taken.count = i + 1;
      yield { id: `${i}`, vector: Float32Array.of(i), metadata: { text: 'two\nlines' } };
    }
  }

  it('sends lines in batches, no further ahead than one, and adds up', async () => {
    const taken = { count: 0 };
    const ahead: number[] = [];
    let answered = 0;
    service.script((response, { body }) => {
      // Time to read on, if it did.
      setTimeout(() => {
        ahead.push(taken.count - answered);
        answered += count(body);
        json(200, summary(count(body)))(response, service.received[0]!);
      }, 20);
    });
    const seen: number[] = [];
    const result = await client.items.bulk(items(25, taken), {
      batch: 10,
      onProgress: (progress) => seen.push(progress.items),
    });
    expect(result).toEqual({ items: 25, added: 25, updated: 0, failed: 0, errors: [] });
    expect(seen).toEqual([10, 20, 25]);
    expect(Math.max(...ahead)).toBeLessThanOrEqual(21);
    expect(String(service.received[0]!.body).split('\n')[1]).toBe(
      '{"id":"1","vector":[1],"metadata":{"text":"two\\nlines"}}',
    );
  });

  it('tells which items the service refused, by their position among all', async () => {
    const errors = [{ line: 2, code: 'NM_ITEM_INVALID', message: 'no' }];
    service.script(json(200, summary(3)), json(200, summary(3, { added: 2, failed: 1, errors })));
    const result = await client.items.bulk(items(6, { count: 0 }), { batch: 3 });
    expect(result).toMatchObject({ items: 6, added: 5, failed: 1 });
    expect(result.errors).toEqual([{ position: 4, code: 'NM_ITEM_INVALID', message: 'no' }]);
  });

  it('sends a batch again, and only it', async () => {
    const ok = json(200, summary(3));
    service.script(ok, cut, refusal(503, 'NM_STORE_BUSY'), ok, ok);
    expect(await client.items.bulk(items(9, { count: 0 }), { batch: 3 })).toMatchObject({ items: 9, added: 9 });
    const first = service.received.map(({ body }) => (JSON.parse(String(body).split('\n')[0]!) as { id: string }).id);
    expect(first).toEqual(['0', '3', '3', '3', '6']);
  });

  it('ends the source when the service fails, and tells how far it came', async () => {
    let ended = false;
    async function* source(): AsyncGenerator<ClientItem> {
      try {
        for (let i = 0; ; i++) yield { id: `${i}`, vector: [1] };
      } finally {
        ended = true;
      }
    }
    service.script(json(200, summary(5)), refusal(507, 'NM_STORE_WRITE_FAILED'));
    let done = 0;
    const onProgress = ({ items: each }: { readonly items: number }): void => {
      done = each;
    };
    const error = await errorOf(client.items.bulk(source(), { batch: 5, onProgress }));
    expect(error).toMatchObject({ code: 'NM_STORE_WRITE_FAILED', status: 507 });
    expect(done).toBe(5);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ended).toBe(true);
  });

  it('rejects with what the source throws, and when its signal aborts while the source gives nothing', async () => {
    service.script(json(200, summary(1)));
    const broken = new Error('broken');
    const throwing = (async function* (): AsyncGenerator<ClientItem> {
      yield { id: 'a', vector: [1] };
      throw broken;
    })();
    await expect(client.items.bulk(throwing, { batch: 1 })).rejects.toBe(broken);
    const stuck = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const signal = AbortSignal.timeout(50);
    await expect(client.items.bulk(stuck, { signal })).rejects.toThrow(/timeout/i);
  });

  it('refuses what JSON cannot hold, with its position', async () => {
    service.script(json(200, summary(1)));
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const wrong = [
      { id: 'a', vector: [1] },
      { id: 'b', vector: [1], metadata: circular },
    ] as unknown as ClientItem[];
    const error = await errorOf(client.items.bulk(wrong));
    expect(error.code).toBe('NM_ITEM_INVALID');
    expect(error.message).toMatch(/^item 1: /);
    expect((await errorOf(client.items.bulk([], { batch: 0 }))).code).toBe('NM_OPTION_INVALID');
  });
});

it.each([
  [{ url: 'nearmiss.test' }, /^url: found nearmiss.test, allowed: an address/],
  [{ url: 'ftp://nearmiss.test' }, /^url: found ftp:, allowed: http: or https:/],
  [{ url: 'http://a:b@nearmiss.test' }, /^url: found a user name or password/],
  [{ url: 'http://a.test', token: 'a\nb' }, /^token: found other characters/],
  [{ url: 'http://a.test', timeout: 0 }, /^timeout: found 0/],
  [{ url: 'http://a.test', retries: -1 }, /^retries: found -1/],
  [{ url: 'http://a.test', pause: 1.5 }, /^pause: found 1.5/],
])('createClient refuses %j', (options, message) => {
  expect(() => createClient(options)).toThrow(expect.objectContaining({ code: 'NM_OPTION_INVALID' }));
  expect(() => createClient(options)).toThrow(message);
});
