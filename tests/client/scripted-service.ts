import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

/** A request as it came, its body whole. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly at: number;
}

export type Answering = (response: ServerResponse, received: Received) => void;

export interface ScriptedService {
  readonly url: string;
  readonly received: Received[];
  /** How the next requests are answered, in turn; the last of them also answers all after it. */
  script(...answers: Answering[]): void;
}

/** A server on a real socket that answers as it is told; closed when the test file ends. */
export async function scriptedService(): Promise<ScriptedService> {
  const received: Received[] = [];
  let answers: Answering[] = [];
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(parts), at: performance.now() };
      received.push(one);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      answer?.(response, one);
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    script: (...given) => {
      answers = given;
      received.length = 0;
    },
  };
}

export const json =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answering =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };

export const refusal = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answering =>
  json(status, { error: { code, message: `because of ${code}`, hint: 'Wait.', requestId: 'r-7' } }, headers);

export const cut: Answering = (response) => {
  response.destroy();
};

/** Half of an answer, and then nothing. */
export const half: Answering = (response) => {
  response.writeHead(200, { 'content-length': '100' }).write('{"hits":');
  setTimeout(() => response.destroy(), 20);
};

export const silence: Answering = () => undefined;
