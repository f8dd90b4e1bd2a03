import { type Hostile, request } from './exchange.js';
import type { Target } from './http.js';
import type { BadPicture } from './pictures.js';

/** Texts that are no JSON, or JSON that nobody should have to read, with `{…}` of a valid body to hide in. */
function brokenTexts(valid: string): (readonly [string, Buffer | string])[] {
  const inside = valid.slice(1, -1);
  return [
    ['nothing', ''],
    ['white space', ' \n\t'],
    ['half an object', valid.slice(0, valid.length >> 1)],
    ['a comma at the end', `{${inside},}`],
    ['a comment', `{${inside}/* why */}`],
    ['single quotes', `{'k':10,${inside}}`],
    ['a key without quotes', `{k:10,${inside}}`],
    ['two values', `${valid}${valid}`],
    ['text behind the value', `${valid} and more`],
    ['a NaN', `{"k":NaN,${inside}}`],
    ['an Infinity', `{"k":Infinity,${inside}}`],
    ['a number in hexadecimal', `{"k":0x10,${inside}}`],
    ['a number with a zero in front', `{"k":010,${inside}}`],
    ['undefined', `{"k":undefined,${inside}}`],
    ['a line break in a string', `{"k":"1\n0",${inside}}`],
    ['a wrong escape', `{"k":"\\x41",${inside}}`],
    ['half an escape', `{"k":"\\u12",${inside}}`],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff, 0xfe, 0xc0, 0xaf]), Buffer.from('"}')]),
    ],
    ['an overlong slash', Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])],
    ['half of a character', Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xf0, 0x9f]), Buffer.from('"}')])],
    ['a NUL', `{"id":"a\0b"}`],
    ['UTF-16', Buffer.from(valid, 'utf16le')],
    ['100,000 brackets', '['.repeat(100_000)],
    ['100,000 brackets that close', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['100,000 objects in each other', '{"a":'.repeat(100_000) + 1 + '}'.repeat(100_000)],
    ['a number of 100,000 digits', `{"k":${'9'.repeat(100_000)},${inside}}`],
    ['50,000 keys', `{${Array.from({ length: 50_000 }, (_, i) => `"k${i}":1`).join()},${inside}}`],
    ['a key of the prototype', `{"__proto__":{"admin":true},${inside}}`],
    ['a key of the prototype, escaped', `{"__pr\\u006fto__":{"admin":true},${inside}}`],
    ['a constructor with a prototype', `{"constructor":{"prototype":{"admin":true}},${inside}}`],
    ['an unknown key', `{"query":1,${inside}}`],
    ['null', 'null'],
    ['true', 'true'],
    ['a number', '7'],
    ['a string', '"vector"'],
    ['a list', `[${valid}]`],
    ['an empty list', '[]'],
    ['an empty object', '{}'],
  ];
}

/** Values that no number in 1 … 1000 is. */
const NO_COUNT = [
  '0',
  '-1',
  '1.5',
  '1001',
  '1e9',
  '1e400',
  '-0.5',
  '"10"',
  '""',
  'null',
  'true',
  '[]',
  '[10]',
  '{}',
  '9007199254740993',
];

/** Conditions that are none. */
function badFilters(): (readonly [string, string])[] {
  const eq = '{"op":"eq","field":"a","value":1}';
  return [
    ['a string', '"a = 1"'],
    ['null', 'null'],
    ['a list', `[${eq}]`],
    ['neither picture nor vector', '{}'],
    ['an unknown op', '{"op":"$where","field":"a","value":1}'],
    ['an op of the prototype', '{"op":"__proto__","field":"a","value":1}'],
    ['an op that is a method', '{"op":"toString"}'],
    ['an unknown key', '{"op":"eq","field":"a","value":1,"sql":"1;DROP TABLE items"}'],
    ['no field', '{"op":"eq","value":1}'],
    ['a field that is a number', '{"op":"eq","field":1,"value":1}'],
    ['a field of no keys', '{"op":"eq","field":[],"value":1}'],
    ['a field of 100 keys', `{"op":"exists","field":${JSON.stringify(Array(100).fill('a'))}}`],
    ['a value that is an object', '{"op":"eq","field":"a","value":{"$gt":0}}'],
    ['a value that is a list', '{"op":"eq","field":"a","value":[1]}'],
    ['an infinite value', '{"op":"eq","field":"a","value":1e999}'],
    ['a range without bounds', '{"op":"range","field":"a"}'],
    ['a range of two kinds', '{"op":"range","field":"a","gt":1,"lt":"b"}'],
    ['values that are no list', '{"op":"in","field":"a","values":1}'],
    ['20,000 values', `{"op":"in","field":"a","values":${JSON.stringify(Array(20_000).fill(1))}}`],
    ['1,000 conditions', `{"op":"and","filters":[${Array(1000).fill(eq).join()}]}`],
    ['conditions 20,000 deep', `${'{"op":"not","filter":'.repeat(20_000)}${eq}${'}'.repeat(20_000)}`],
    ['no condition to deny', '{"op":"not"}'],
    ['filters that are no list', '{"op":"or","filters":{}}'],
  ];
}

function searches({ dim }: Target): (readonly [string, string])[] {
  const vector = JSON.stringify(Array.from({ length: dim }, (_, i) => (i === 0 ? 1 : 0)));
  const numbers = (value: string): string => `[${[value, ...Array(dim - 1).fill('0')].join()}]`;
  return [
    ...NO_COUNT.map((k) => [`k ${k}`, `{"vector":${vector},"k":${k}}`] as const),
    ...['"x"', 'null', '1e999', '[]', '{}', 'true'].map(
      (r) => [`radius ${r}`, `{"vector":${vector},"radius":${r}}`] as const,
    ),
    ...['"fast"', '1', 'null', '["exact"]'].map(
      (mode) => [`mode ${mode}`, `{"vector":${vector},"mode":${mode}}`] as const,
    ),
    ...badFilters().map(([name, filter]) => [`filter: ${name}`, `{"vector":${vector},"filter":${filter}}`] as const),
    ['vector: none', '{"vector":[]}'],
    ['vector: too short', '{"vector":[1]}'],
    ['vector: too long', `{"vector":${JSON.stringify(Array(dim + 1).fill(1))}}`],
    ['vector: 100,000 numbers', `{"vector":${JSON.stringify(Array(100_000).fill(1))}}`],
    ['vector: a string', '{"vector":"1,0,0"}'],
    ['vector: an object', `{"vector":{"length":${dim}}}`],
    ['vector: null', '{"vector":null}'],
    ['vector: strings', `{"vector":${numbers('"1"')}}`],
    ['vector: a null', `{"vector":${numbers('null')}}`],
    ['vector: a list', `{"vector":${numbers('[1]')}}`],
    ['vector: beyond float64', `{"vector":${numbers('1e999')}}`],
    ['vector: beyond float32', `{"vector":${numbers('1e39')}}`],
    ['id: a number', '{"id":7}'],
    ['id: null', '{"id":null}'],
    ['id: a list', '{"id":["a"]}'],
    ['id: empty', '{"id":""}'],
    ['id: 2,000 letters', `{"id":"${'a'.repeat(2000)}"}`],
    ['id: a NUL', '{"id":"a\\u0000b"}'],
    ['id: half of a character', '{"id":"\\ud83d"}'],
    ['id: nobody', '{"id":"nobody"}'],
    ['id: a path', '{"id":"../../../../etc/passwd"}'],
    ['id: the prototype', '{"id":"__proto__"}'],
    ['two kinds of query', `{"vector":${vector},"id":"a"}`],
    ['no query', '{"k":10}'],
    ['queries: none', '{"queries":[]}'],
    ['queries: no list', `{"queries":{"vector":${vector}}}`],
    ['queries: nulls', '{"queries":[null]}'],
    ['queries: one of them wrong', `{"queries":[{"vector":${vector}},{"vector":[1]}]}`],
    ['queries: 100,000', `{"queries":[${Array(100_000).fill('{"id":"a"}').join()}]}`],
    ['picture: no base64', '{"picture":"@@@@"}'],
    ['picture: a path', '{"picture":"/etc/passwd"}'],
    ['picture: an address', '{"picture":"http://169.254.169.254/latest/meta-data/"}'],
    ['picture: an address with data', '{"picture":"data:image/svg+xml,<svg/>"}'],
    ['picture: a file', '{"picture":"file:///etc/passwd"}'],
    ['picture: a number', '{"picture":1}'],
    ['picture: null', '{"picture":null}'],
    ['picture: empty', '{"picture":""}'],
  ];
}

/** Contents of an item that no store takes. */
function contents({ dim }: Target): (readonly [string, string])[] {
  const vector = JSON.stringify(Array(dim).fill(1));
  const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;
  return [
    ['neither picture nor vector', '{}'],
    ['metadata alone', '{"metadata":{}}'],
    ['a picture and a vector', `{"picture":"iVBORw0KGgo=","vector":${vector}}`],
    ['a vector of zeros too few', '{"vector":[0]}'],
    ['an infinite vector', `{"vector":[1e999,${vector.slice(3)}}`],
    ['a vector beyond float32', `{"vector":[-3.5e38,${vector.slice(3)}}`],
    ['metadata that is a list', `{"vector":${vector},"metadata":[]}`],
    ['metadata that is a string', `{"vector":${vector},"metadata":"{}"}`],
    ['metadata that is null', `{"vector":${vector},"metadata":null}`],
    ['metadata of 100 KB', `{"vector":${vector},"metadata":{"a":"${'a'.repeat(100_000)}"}}`],
    ['metadata 40 deep', `{"vector":${vector},"metadata":${deep}}`],
    ['metadata with half of a character', `{"vector":${vector},"metadata":{"a":"\\ud83d"}}`],
    ['metadata with an infinite number', `{"vector":${vector},"metadata":{"a":1e999}}`],
    ['metadata with a key of the prototype', `{"vector":${vector},"metadata":{"__proto__":{"a":1}}}`],
    ['another encoder', `{"vector":${vector},"fingerprint":"sha256:0"}`],
    ['an empty encoder', `{"vector":${vector},"fingerprint":""}`],
    ['an id of its own', `{"id":7,"vector":${vector}}`],
    ['an unknown key', `{"vector":${vector},"path":"/etc/passwd"}`],
    ['a picture that is none', '{"picture":"aGVsbG8="}'],
    ['a picture in base64 for addresses', '{"picture":"iVBORw0KGgo_-"}'],
  ];
}

/** Lines that are no items; the rest of the request may be right. */
function lines({ dim }: Target): (readonly [string, Buffer | string])[] {
  const vector = JSON.stringify(Array(dim).fill(1));
  return [
    ['nothing', ''],
    ['empty lines', '\n\n\r\n'],
    ['text', 'hello\n'],
    ['a list', `[{"id":"a","vector":${vector}}]\n`],
    ['two items in a line', `{"id":"a","vector":${vector}}{"id":"b","vector":${vector}}\n`],
    ['an item over two lines', `{"id":"a",\n"vector":${vector}}\n`],
    ['an item without an id', `{"vector":${vector}}\n`],
    ['an item without a vector', '{"id":"a"}\n'],
    ['an item with a number for an id', `{"id":1,"vector":${vector}}\n`],
    ['an item with a vector of another length', '{"id":"a","vector":[1,2]}\n'],
    ['a line that is cut', `{"id":"a","vector":${vector.slice(0, -5)}`],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff]), Buffer.from(`","vector":${vector}}\n`)]),
    ],
    ['a key of the prototype', `{"__proto__":{},"id":"a","vector":${vector}}\n`],
    ['a line of 20 MB', `{"id":"a","text":"${'a'.repeat(20_000_000)}"}\n`],
    ['3,000 wrong lines', '{}\n'.repeat(3000)],
  ];
}

/** JSON that is none, or says what it must not; and texts in the address. */
export function hostileJson(target: Target): Hostile[] {
  const { auth, dim, png } = target;
  const type = (value: string): Record<string, string> => ({ ...auth, 'Content-Type': value });
  const json = type('application/json');
  const valid = `{"vector":${JSON.stringify(Array(dim).fill(1))}}`;
  const status = [400, 404, 409, 413, 415, 422];
  const query = encodeURIComponent;
  const settings = [
    ...NO_COUNT.filter((k) => !k.startsWith('"1')).map((k) => `k=${query(k)}`),
    ...[
      'radius=x',
      'radius=1e999',
      'mode=fast',
      'k=1&k=2',
      'unknown=1',
      '__proto__=1',
      'k[]=1',
      'size=0',
      'size=1e9',
      'size=-1',
    ],
    ...[
      'filter=1',
      'filter={',
      'filter=%7B%22op%22%3A1%7D',
      'filter=%ff',
      `filter=${'a'.repeat(9000)}`,
      'fingerprint=none',
    ],
  ];
  return [
    ...brokenTexts(valid).map(([name, body]) => ({
      name: `json: ${name}`,
      pieces: [request('POST', '/v1/search', json, body)],
      status,
    })),
    ...searches(target).map(([name, body]) => ({
      name: `search: ${name}`,
      pieces: [request('POST', '/v1/search', json, body)],
      status,
    })),
    ...settings.map((text) => ({
      name: `address: ${text.slice(0, 60)}`,
      pieces: [request('POST', `/v1/search?${text}`, type('image/png'), png)],
      status: [...status, 414, 431],
    })),
    ...[...contents(target), ...brokenTexts(valid).slice(0, 30)].map(([name, body]) => ({
      name: `item: ${name}`,
      pieces: [request('PUT', '/v1/items/wrong', json, body)],
      status,
    })),
    ...lines(target).map(([name, body]) => ({
      name: `lines: ${name}`,
      pieces: [request('POST', '/v1/items', type('application/x-ndjson'), body)],
      status: [200, ...status],
      lines: true,
    })),
    ...[
      '',
      'text/plain',
      'text/html',
      'image/svg+xml',
      'application/xml',
      'application/pdf',
      'json',
      '*/*',
      'multipart/mixed',
      'a'.repeat(5000),
    ].map((each) => ({
      name: `type: ${each.slice(0, 40)}`,
      pieces: [request('POST', '/v1/search', type(each), valid)],
      status,
    })),
  ];
}

/** A bad picture in each of the ways that a picture can come. */
export function hostilePictures({ auth }: Target, pictures: readonly BadPicture[]): Hostile[] {
  const status = [400, 413, 415, 422];
  return pictures.map(({ name, type, bytes }, i) => {
    const base64 = bytes.toString('base64');
    const json = { ...auth, 'Content-Type': 'application/json' };
    const ways = [
      request('POST', '/v1/embed', { ...auth, 'Content-Type': type }, bytes),
      request('POST', '/v1/search', { ...auth, 'Content-Type': 'application/octet-stream' }, bytes),
      request('POST', '/v1/embed', json, JSON.stringify({ pictures: [base64] })),
      request('PUT', '/v1/items/wrong', json, JSON.stringify({ picture: base64 })),
    ];
    return { name: `picture: ${name}`, pieces: [ways[i % ways.length]!], status };
  });
}
