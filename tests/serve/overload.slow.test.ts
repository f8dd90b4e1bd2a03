import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStore } from '../../src/retrieve/index.js';
import { quarters } from '../images/files.js';
import { DIM, resources, type Served, serve, writeServedModel } from './served.js';

/** NEARMISS_OVERLOAD_SECONDS asks for more, such as 60 or 600. */
const SECONDS = Number(process.env['NEARMISS_OVERLOAD_SECONDS'] ?? 8);
const CONCURRENT = 24;
const PICTURES = 8;

interface Sent {
  readonly status: number;
  readonly ms: number;
  readonly retryAfter: string | undefined;
}

let folder: string;
let server: Served;
let body: Buffer;
const agent = new Agent({ keepAlive: true, maxSockets: 512 });
/** Health is asked over a connection of its own, as a balancer does. */
const healthAgent = new Agent({ keepAlive: true, maxSockets: 1 });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nearmiss-overload-'));
  const [model, store] = [join(folder, 'model.onnx'), join(folder, 'store.db')];
  const fingerprint = await writeServedModel(model);
  await (await openStore(store, { create: { fingerprint, dimension: DIM } })).close();
  server = await serve({ store, model, logLevel: 'error', limits: { maxConcurrent: CONCURRENT } });
  // Many large pictures a request: the server has much to do for little work of this process, on the same processors.
  const picture = (await quarters(600).jpeg().toBuffer()).toString('base64');
  body = Buffer.from(JSON.stringify({ pictures: Array(PICTURES).fill(picture) }));
});

afterAll(async () => {
  agent.destroy();
  healthAgent.destroy();
  server?.child.kill('SIGKILL');
  await server?.gone;
  await rm(folder, { recursive: true, force: true });
});

function send(method: string, path: string, content: Buffer | undefined, by: Agent): Promise<Sent> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const headers = content ? { 'content-type': 'application/json', 'content-length': content.length } : {};
    const sent = request(`${server.url}${path}`, { method, agent: by, headers }, (response) => {
      response.resume().on('end', () => {
        const { 'retry-after': retryAfter } = response.headers;
        resolve({ status: response.statusCode!, ms: performance.now() - begun, retryAfter });
      });
    });
    sent.on('error', reject).end(content);
  });
}

const embed = (): Promise<Sent> => send('POST', '/v1/embed', body, agent);
const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;

/** Requests a second that are answered when as many wait as may. */
async function capacity(seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1e3;
  let done = 0;
  await Promise.all(
    Array.from({ length: CONCURRENT - 4 }, async () => {
      while (performance.now() < end) {
        expect((await embed()).status).toBe(200);
        done += 1;
      }
    }),
  );
  return done / seconds;
}

it(
  `takes twice what it can do for ${SECONDS} s: sheds the rest, and stays well`,
  async () => {
    await capacity(1);
    const rate = 2 * (await capacity(2));
    const sent: Promise<Sent>[] = [];
    const health: number[] = [];
    const memory: number[] = [];
    const begun = performance.now();
    const end = begun + SECONDS * 1e3;
    // Open loop: what is sent does not wait for what was answered.
    const sending = (async () => {
      for (let now = begun; now < end; now = performance.now()) {
        const due = ((now - begun) / 1e3) * rate;
        while (sent.length < due) sent.push(embed());
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const watching = (async () => {
      while (performance.now() < end) {
        const { status, ms } = await send('GET', '/healthz', undefined, healthAgent);
        expect(status).toBe(200);
        health.push(ms);
        memory.push(resources(server).rss);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    await Promise.all([sending, watching]);
    const answers = await Promise.all(sent);
    const accepted = answers.filter(({ status }) => status === 200);
    const shed = answers.filter(({ status }) => status !== 200);
    expect(new Set(shed.map(({ status }) => status))).toEqual(new Set([503]));
    for (const { retryAfter } of shed) expect(Number(retryAfter)).toBeGreaterThan(0);
    // What is accepted goes on at about the rate that it can do, and what is shed is about the rest.
    expect(accepted.length).toBeGreaterThan(0.25 * answers.length);
    expect(shed.length).toBeGreaterThan(0.2 * answers.length);
    // As many as may wait, at that rate, and as much again.
    expect(
      quantile(
        accepted.map(({ ms }) => ms),
        0.99,
      ),
    ).toBeLessThan((4e3 * CONCURRENT) / (rate / 2) + 250);
    expect(
      quantile(
        shed.map(({ ms }) => ms),
        0.5,
      ),
    ).toBeLessThan(100);
    expect(quantile(health, 0.9)).toBeLessThan(50);
    // Once it has what it needs, memory grows no more.
    const early = memory.slice(memory.length >> 2, memory.length >> 1);
    const late = memory.slice((3 * memory.length) >> 2);
    expect(quantile(late, 0.5)).toBeLessThan(quantile(early, 0.5) * 1.15 + 20e6);
    // And it is as it was.
    expect((await embed()).status).toBe(200);
    expect(server.complaints()).toBe('');
  },
  60_000 + SECONDS * 2000,
);
