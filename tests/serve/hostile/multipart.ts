import { type Hostile, request } from './exchange.js';
import type { Target } from './http.js';

/** Forms that are none, or too much of one. */
export function hostileForms({ auth, png }: Target): Hostile[] {
  const form = (name: string, body: Buffer | string, type = 'multipart/form-data; boundary=x'): Hostile => ({
    name: `form: ${name}`,
    pieces: [request('POST', '/v1/embed', { ...auth, 'Content-Type': type }, body)],
    status: [400, 413, 415, 431],
    harmless: /^(5,000 headers|a form in a form)/.test(name),
  });
  const part = (disposition: string, content: Buffer | string, ...headers: string[]): Buffer => {
    const head = [`Content-Disposition: ${disposition}`, ...headers].join('\r\n');
    return Buffer.concat([Buffer.from(`--x\r\n${head}\r\n\r\n`), Buffer.from(content), Buffer.from('\r\n')]);
  };
  const END = Buffer.from('--x--\r\n');
  const file = 'form-data; name="picture"; filename="a.png"';
  const good = part(file, png, 'Content-Type: image/png');
  return [
    form('no boundary', Buffer.concat([good, END]), 'multipart/form-data'),
    form('an empty boundary', Buffer.concat([good, END]), 'multipart/form-data; boundary='),
    form(
      'a boundary of 10,000 letters',
      Buffer.concat([good, END]),
      `multipart/form-data; boundary=${'x'.repeat(10_000)}`,
    ),
    form('another boundary', Buffer.concat([good, END]), 'multipart/form-data; boundary=y'),
    form('nothing', ''),
    form('the end alone', END),
    form('no end', good.subarray(0, good.length - 30)),
    form('a boundary alone', '--x\r\n'),
    form('a part without headers', Buffer.concat([Buffer.from('--x\r\n\r\n'), png, Buffer.from('\r\n'), END])),
    form('a part without a name', Buffer.concat([part('form-data; filename="a.png"', 'no picture'), END])),
    form('a part of another disposition', Buffer.concat([part('attachment', 'no picture'), END])),
    form(
      'a disposition of 100,000 letters',
      Buffer.concat([part(`form-data; name="${'a'.repeat(100_000)}"`, png), END]),
    ),
    form(
      '5,000 headers of a part',
      Buffer.concat([part(file, png, ...Array.from({ length: 5000 }, (_, i) => `X-${i}: 1`)), END]),
    ),
    form('a field where a file belongs', Buffer.concat([part('form-data; name="picture"', 'iVBORw0KGgo='), END])),
    form('a field of 10 MB', Buffer.concat([part('form-data; name="k"', Buffer.alloc(10e6, 0x31)), END])),
    form('a field that names the prototype', Buffer.concat([part('form-data; name="__proto__"', '1'), good, END])),
    form(
      'a file that names the prototype',
      Buffer.concat([part('form-data; name="constructor"; filename="__proto__"', 'x'), END]),
    ),
    form('an empty file', Buffer.concat([part(file, ''), END])),
    form('a file of text', Buffer.concat([part(file, 'no picture', 'Content-Type: image/png'), END])),
    form(
      'a file with a path for a name',
      Buffer.concat([part('form-data; name="picture"; filename="../../../../etc/passwd"', 'root:x:0:0'), END]),
    ),
    form(
      'a name in bytes that are no UTF-8',
      Buffer.concat([part('form-data; name="p"; filename*=UTF-8\'\'%ff%fe', 'x'), END]),
    ),
    form(
      'a form in a form',
      Buffer.concat([
        part('form-data; name="picture"; filename="a"', good, 'Content-Type: multipart/mixed; boundary=y'),
        END,
      ]),
    ),
    form(
      'base64 that is announced',
      Buffer.concat([part(file, png.toString('base64'), 'Content-Transfer-Encoding: base64'), END]),
    ),
    form('one good and one bad file', Buffer.concat([good, part(file, 'no picture'), END])),
    form('2,000 files', Buffer.concat([...Array.from({ length: 2000 }, () => good), END])),
    form(
      '2,000 fields',
      Buffer.concat([...Array.from({ length: 2000 }, (_, i) => part(`form-data; name="f${i}"`, '1')), good, END]),
    ),
  ];
}
