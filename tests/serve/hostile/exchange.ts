import { connect } from 'node:net';

/** Bytes for a server as they go over the wire, however wrong. */
export interface Hostile {
  readonly name: string;
  readonly pieces: readonly (Buffer | string)[];
  /** Between pieces, ms. */
  readonly pause?: number;
  /** What the client does when all is sent: waits for an answer (default), ends its side, or breaks the connection. */
  readonly after?: 'wait' | 'end' | 'cut';
  /** Whether it may be taken for right, with what is too much left out. */
  readonly harmless?: boolean;
  /** Statuses that are right; any of 4xx if absent. */
  readonly status?: readonly number[];
  /** Codes that are right; any if absent. */
  readonly code?: readonly string[];
  /** Whether it holds lines that are answered one by one: 200 is right if it tells of failed ones and stores none. */
  readonly lines?: boolean;
  /** Whether closing without an answer is right too: what came was no request of which one could answer. */
  readonly mayClose?: boolean;
}

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** An answer; `closed` without one; `silent` if neither came in time; `cut` by ourselves. */
export type Outcome = RawAnswer | 'closed' | 'silent' | 'cut';

/** A request with a length that is true. */
export function request(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer | string = '',
): Buffer {
  const bytes = Buffer.from(body);
  const length = bytes.length > 0 || method !== 'GET' ? { 'Content-Length': String(bytes.length) } : {};
  const all = Object.entries({ Host: 'nearmiss.test', ...length, ...headers });
  const head = `${method} ${path} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

/** The first answer in the bytes that came, with how many of them it takes; undefined while it is not whole. */
function parse(bytes: Buffer, ended: boolean): RawAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [line = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const status = Number(line.split(' ')[1]);
  const headers = new Map(
    lines.map((each) => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]),
  );
  const rest = bytes.subarray(end + 4);
  if (status === 100) return parse(rest, ended);
  if (headers.get('transfer-encoding') === 'chunked') {
    const body = unchunk(rest);
    return body && { status, headers, body };
  }
  const length = headers.get('content-length');
  if (length === undefined) return status === 204 || ended ? { status, headers, body: rest } : undefined;
  return rest.length < Number(length) ? undefined : { status, headers, body: rest.subarray(0, Number(length)) };
}

function unchunk(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const length = Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (length === 0) return Buffer.concat(parts);
    if (bytes.length < end + 2 + length + 2) return undefined;
    parts.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

/** Sends over a connection of its own and gives what became of it. */
export function exchange(port: number, hostile: Hostile, patience = 15_000): Promise<Outcome> {
  const { pieces, pause = 0, after = 'wait' } = hostile;
  return new Promise((resolve) => {
    let came: Buffer = Buffer.alloc(0);
    let timer: NodeJS.Timeout | undefined;
    const socket = connect(port, '127.0.0.1');
    const done = (outcome: Outcome): void => {
      clearTimeout(patient);
      clearTimeout(timer);
      resolve(outcome);
      socket.destroy();
    };
    const patient = setTimeout(() => done('silent'), patience);
    const send = (at: number): void => {
      const piece = pieces[at];
      if (piece === undefined) {
        if (after === 'end') socket.end();
        if (after === 'cut') done('cut');
        return;
      }
      // What the server reads no more does not hold us up: its answer comes all the same.
      socket.write(piece);
      timer = setTimeout(() => send(at + 1), pause);
    };
    socket.setNoDelay(true);
    socket.on('connect', () => send(0));
    socket.on('data', (data) => {
      came = Buffer.concat([came, data]);
      const answer = parse(came, false);
      if (answer) done(answer);
    });
    // A reset comes where the server closes with our bytes unread.
    socket.on('error', () => done(parse(came, true) ?? 'closed'));
    socket.on('close', () => done(parse(came, true) ?? 'closed'));
  });
}
