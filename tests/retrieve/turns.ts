import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Cuts a stream of messages of PostgreSQL's protocol (type, length, content) into whole ones. */
class Messages {
  #rest: Buffer = Buffer.alloc(0);
  /** The first message of a client has no type. */
  #typed: boolean;

  constructor(typed: boolean) {
    this.#typed = typed;
  }

  *of(data: Buffer): Generator<{ readonly type: string; readonly bytes: Buffer }> {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const head = this.#typed ? 1 : 0;
      if (this.#rest.length < head + 4) return;
      const length = head + this.#rest.readInt32BE(head);
      if (this.#rest.length < length) return;
      const bytes = this.#rest.subarray(0, length);
      yield { type: this.#typed ? String.fromCharCode(bytes[0]!) : 'startup', bytes };
      this.#typed = true;
      this.#rest = this.#rest.subarray(length);
    }
  }
}

/**
 * A server in front of one that has a single session for all its connections (PGlite): each connection has the session for
 * itself for a whole exchange, and from BEGIN to the end of its transaction, as a pooler would see to.
 *
 * @param at where to listen; 0 for any free port
 */
export async function takeTurns(port: number, at: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  let turn: Promise<void> = Promise.resolve();
  const takeTurn = async (): Promise<() => void> => {
    const before = turn;
    let end = (): void => undefined;
    turn = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    return end;
  };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    let endTurn: (() => void) | undefined;
    let exchange: Buffer[] = [];
    let sending: Promise<void> = Promise.resolve();
    const send = async (bytes: Buffer): Promise<void> => {
      endTurn ??= await takeTurn();
      if (upstream.destroyed) done();
      else upstream.write(bytes);
    };
    const done = (): void => {
      endTurn?.();
      endTurn = undefined;
    };
    const asked = new Messages(false);
    client.on('data', (data) => {
      for (const { type, bytes } of asked.of(data)) {
        exchange.push(Buffer.from(bytes));
        if (!['startup', 'Q', 'S', 'X'].includes(type)) continue;
        const whole = Buffer.concat(exchange);
        exchange = [];
        sending = sending.then(() => send(whole));
      }
    });
    const answered = new Messages(true);
    upstream.on('data', (data) => {
      let ready = '';
      for (const { type, bytes } of answered.of(data)) if (type === 'Z') ready = String.fromCharCode(bytes[5]!);
      client.write(data);
      if (ready === 'I') done(); // idle: not within a transaction
    });
    client.on('close', () => upstream.end());
    upstream.on('close', () => {
      client.destroy();
      // The server behind takes back what was under way once it has seen the end.
      setTimeout(done, 50);
    });
  });
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
