import { type Hostile, request } from './exchange.js';

/** What the corpus needs of the server that it is sent to. */
export interface Target {
  /** Headers that let a request in. */
  readonly auth: Readonly<Record<string, string>>;
  /** A picture that the server would take. */
  readonly png: Buffer;
  /** Numbers of a vector. */
  readonly dim: number;
}

const CLOSES = { mayClose: true } as const;

/** Bytes that are no HTTP, or HTTP that lies about itself. */
export function hostileHttp({ auth, png }: Target): Hostile[] {
  const bearer = Object.entries(auth)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const head = (line: string, ...lines: string[]): string =>
    `${line}\r\nHost: nearmiss.test\r\n${bearer}${lines.map((each) => `${each}\r\n`).join('')}\r\n`;
  const post = (...lines: string[]): string => head('POST /v1/embed HTTP/1.1', 'Content-Type: image/png', ...lines);
  const chunked = (body: string): string => post('Transfer-Encoding: chunked') + body;
  const bytes = (...values: number[]): Buffer => Buffer.from(values);
  const raw: readonly (readonly [string, Buffer | string])[] = [
    ['zeros', Buffer.alloc(64)],
    ['all ones', Buffer.alloc(64, 255)],
    ['a TLS hello', bytes(0x16, 3, 1, 0, 0xa5, 1, 0, 0, 0xa1, 3, 3, ...Buffer.alloc(160, 7))],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a line of SMTP', 'HELO nearmiss.test\r\n\r\n'],
    ['a method that is none', head('FETCH /healthz HTTP/1.1')],
    ['a method in small letters', head('get /healthz HTTP/1.1')],
    ['a method of 10,000 letters', head(`${'A'.repeat(10_000)} / HTTP/1.1`)],
    ['HTTP/0.9', 'GET /\r\n\r\n'],
    ['HTTP of version 9', head('GET /healthz HTTP/9.9')],
    ['HTTP of a version in words', head('GET /healthz HTTP/one')],
    ['no target', head('GET  HTTP/1.1')],
    ['a target of two words', head('GET /healthz /readyz HTTP/1.1')],
    ['a target with a NUL', head('GET /healthz\0 HTTP/1.1')],
    ['a target with a line feed', head('GET /health\nz HTTP/1.1')],
    ['a target of 100,000 letters', head(`GET /${'a'.repeat(100_000)} HTTP/1.1`)],
    ['no host', 'GET /v1/stats HTTP/1.1\r\n\r\n'],
    ['two hosts', head('GET /v1/missing HTTP/1.1', 'Host: other.test')],
    ['a header without a colon', head('GET /healthz HTTP/1.1', 'Nonsense')],
    ['a header with a blank before the colon', head('GET /healthz HTTP/1.1', 'X-A : 1')],
    ['a header without a name', head('GET /healthz HTTP/1.1', ': 1')],
    ['a header with a NUL', head('GET /healthz HTTP/1.1', 'X-A: \0')],
    ['a header with a bare CR', head('GET /healthz HTTP/1.1', 'X-A: 1\rX-B: 2')],
    ['a header with a control character', head('GET /healthz HTTP/1.1', 'X-A: \x07')],
    ['a header with a name in brackets', head('GET /healthz HTTP/1.1', '[x]: 1')],
    ['a header of 100,000 letters', head('GET /healthz HTTP/1.1', `X-A: ${'a'.repeat(100_000)}`)],
    ['5,000 headers', head('GET /healthz HTTP/1.1', ...Array.from({ length: 5000 }, (_, i) => `X-${i}: ${i}`))],
    ['two lengths that differ', `${post('Content-Length: 5', 'Content-Length: 6')}aaaaaa`],
    ['a length and chunks', `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['chunks twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['an unknown transfer encoding', `${post('Transfer-Encoding: xchunked')}0\r\n\r\n`],
    ['chunks before another transfer encoding', `${post('Transfer-Encoding: chunked, identity')}0\r\n\r\n`],
    ['a negative length', post('Content-Length: -1')],
    ['a length with a sign', `${post('Content-Length: +5')}aaaaa`],
    ['a length with an exponent', `${post('Content-Length: 1e1')}aaaaaaaaaa`],
    ['a length in hexadecimal', `${post('Content-Length: 0x5')}aaaaa`],
    ['a length in words', `${post('Content-Length: five')}aaaaa`],
    ['a length beyond 2^64', `${post('Content-Length: 99999999999999999999')}aaaaa`],
    ['a length of a petabyte', `${post('Content-Length: 1125899906842624')}aaaaa`],
    ['an empty length', `${post('Content-Length: ')}aaaaa`],
    ['a chunk of a negative length', chunked('-1\r\na\r\n0\r\n\r\n')],
    ['a chunk of a length in words', chunked('five\r\naaaaa\r\n0\r\n\r\n')],
    ['a chunk of a length beyond 2^64', chunked('FFFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n')],
    ['a chunk longer than it says', chunked('2\r\naaaaa\r\n0\r\n\r\n')],
    ['a chunk with an endless extension', chunked(`1;${'a'.repeat(100_000)}\r\na\r\n0\r\n\r\n`)],
    ['a chunk without its end', chunked('1\r\naa0\r\n\r\n')],
    ['trailers of 100,000 letters', chunked(`1\r\na\r\n0\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`)],
    ['CONNECT', head('CONNECT nearmiss.test:443 HTTP/1.1')],
  ];
  const answered: readonly (readonly [string, Buffer | string, readonly number[]])[] = [
    ['TRACE', request('TRACE', '/healthz', auth), [404, 405]],
    ['PATCH', request('PATCH', '/v1/items/a', auth), [404, 405]],
    ['POST where there is only GET', request('POST', '/healthz', auth), [404, 405]],
    ['DELETE of everything', request('DELETE', '/v1/items', auth), [404, 405]],
    ['GET where there is only POST', request('GET', '/v1/embed', auth), [404, 405]],
    ['a target with an address in it', request('GET', 'http://169.254.169.254/latest', auth), [404, 421]],
    ['a target that is an asterisk', request('OPTIONS', '*', auth), [400, 404, 405]],
    ['an unknown expectation', request('POST', '/v1/embed', { ...auth, Expect: 'tea' }, png), [417]],
    [
      'an upgrade to websockets',
      request('GET', '/v1/nothing', { ...auth, Connection: 'Upgrade', Upgrade: 'websocket' }),
      [404],
    ],
    [
      'a body in gzip',
      request('POST', '/v1/embed', { ...auth, 'Content-Type': 'image/png', 'Content-Encoding': 'gzip' }, png),
      [415],
    ],
  ];
  const paths = [
    '/../../../../etc/passwd',
    '/..%2f..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/%252e%252e/%252e%252e/etc/passwd',
    '/..%5c..%5cwindows%5cwin.ini',
    '/....//....//etc/passwd',
    '//etc/passwd',
    '///etc/passwd',
    '/./package.json',
    '/package.json%00.html',
    '/app.js%00',
    '/app.js/../../cli/main.js',
    '/docs/../../package.json',
    '/docs/%2e%2e/%2e%2e/package.json',
    '/docs/static/../../../package.json',
    '/%c0%ae%c0%ae/etc/passwd',
    '/%',
    '/%zz',
    '/%e0%80',
    '/%ff%fe',
    '/file:///etc/passwd',
    '/C:/windows/win.ini',
    '/.git/config',
    '/.env',
    '/node_modules/fastify/package.json',
    '/__proto__',
    '/constructor',
    '/v1/__proto__',
    '/v1/items/%',
    '/v1/items/%zz',
    '/v1/items/%ed%a0%80',
    '/v1/items/%00',
    '/v1/items/..%2f..%2fetc%2fpasswd',
    '/v1/items/missing',
    '/v1/items/__proto__',
    `/v1/items/${'a'.repeat(1025)}`,
    `/v1/items/${'%F0%9F%98%80'.repeat(300)}`,
    '/v1/stats/../../etc/passwd',
    '/metrics/..%2f..%2fetc/passwd',
    '/V1/STATS',
  ];
  return [
    ...raw.map(([name, piece]) => ({ name: `http: ${name}`, pieces: [piece], ...CLOSES })),
    ...answered.map(([name, piece, status]) => ({ name: `http: ${name}`, pieces: [piece], status })),
    ...paths.map((path) => ({
      name: `path: ${path.slice(0, 60)}`,
      pieces: [request('GET', path, auth)],
      status: [400, 404, 414],
    })),
  ];
}

/** Connections that are slow, or break. Those that wait are answered when the server's patience ends. */
export function hostileConnections({ auth, png }: Target): Hostile[] {
  const whole = request('POST', '/v1/embed', { ...auth, 'Content-Type': 'image/png' }, png);
  const body = whole.indexOf('\r\n\r\n') + 4;
  const bulk = request('POST', '/v1/items', {
    ...auth,
    'Content-Type': 'application/x-ndjson',
    'Content-Length': '1000',
  });
  const cuts = [1, 5, 20, body - 2, body, body + 1, body + 10, body + (png.length >> 1), whole.length - 1];
  const slowly = (bytes: Buffer): string[] => bytes.toString('latin1').slice(0, 400).split('');
  return [
    ...cuts.map((at): Hostile => ({ name: `cut: after ${at} bytes`, pieces: [whole.subarray(0, at)], after: 'cut' })),
    ...cuts.map(
      (at): Hostile => ({ name: `ended: after ${at} bytes`, pieces: [whole.subarray(0, at)], after: 'end', ...CLOSES }),
    ),
    { name: 'cut: when the answer is due', pieces: [whole], after: 'cut' },
    { name: 'cut: in the middle of a line of items', pieces: [bulk, '{"id":"half","vec'], after: 'cut' },
    {
      name: 'cut: many requests in a row, no answer read',
      pieces: [Buffer.concat(Array(50).fill(whole))],
      after: 'cut',
    },
    { name: 'nothing at all', pieces: [], after: 'end', ...CLOSES },
    { name: 'slow: silence', pieces: [], status: [408], ...CLOSES },
    { name: 'slow: a head that stops', pieces: [whole.subarray(0, 20)], status: [408], ...CLOSES },
    { name: 'slow: a body that stops', pieces: [whole.subarray(0, body + 20)], status: [408], ...CLOSES },
    { name: 'slow: a head byte by byte', pieces: slowly(whole), pause: 50, status: [408], ...CLOSES },
    {
      name: 'slow: a body byte by byte',
      pieces: [whole.subarray(0, body), ...slowly(whole.subarray(body))],
      pause: 50,
      status: [408],
      ...CLOSES,
    },
    { name: 'slow: items that stop', pieces: [bulk, '{"id":"slow"'], status: [408], ...CLOSES },
  ];
}
