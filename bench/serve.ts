// Claim: embedding a picture and searching for its neighbours over HTTP, the service answers at least 2.5 times the
// pictures/s of a plain fastify handler that calls onnxruntime on the main thread and searches with usearch exactSearch
// (serve-plain.ts), and keeps its event loop free; asked by one connection alone, it adds less than 0.3 ms.
//
//   npm run bench:serve -- --model INT8.onnx [--peers FOLDER_WITH_USEARCH] [--items 100000] [--connections 64]
//     [--rounds 5] [--seconds 5]
//
// Servers are processes of their own, this process is autocannon. Rounds of both sides alternate in one run; the side
// that starts changes. Pictures are PNG files of the encoder's size, 256 different ones in turn. A probe that is loaded
// before either server measures the delay of its event loop (serve-probe.ts). Writes Markdown.
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { cpus, loadavg } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { createEmbedder } from '../src/onnx/index.js';
import { startEmbedding } from '../src/serve/embedding.js';
import { type ServeData, serveData } from './serve-data.js';
import type { Probe } from './serve-probe.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    peers: { type: 'string' },
    items: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
  },
});
if (!options.model) throw new Error('--model: found nothing, needed: an int8 encoder (`nearmiss export --int8`)');
const [items, connections, rounds, seconds] = [options.items, options.connections, options.rounds, options.seconds].map(
  Number,
) as [number, number, number, number];

const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;
const median = (values: readonly number[]): number => quantile(values, 0.5);
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What a round of load gave. */
interface Round extends Probe {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
}

interface Side {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
  readonly rounds: Round[];
  /** Milliseconds of calls by one connection. */
  readonly alone: number[];
}

const servers: ChildProcess[] = [];

/** Starts a server with the probe in it, and gives the first line in which it tells its address. */
async function start(name: string, script: string, args: readonly string[]): Promise<Side & { readonly line: string }> {
  const child = spawn(process.execPath, ['--import', file('serve-probe.js'), script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  servers.push(child);
  const line = await new Promise<string>((resolve, reject) => {
    let said = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (each) => {
        said += `${each}\n`;
        if (/http:\/\/127\.0\.0\.1:\d+/.test(each)) resolve(each);
      });
    }
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${said}`)));
  });
  const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(line)!;
  return { name, url: `${address}/v1/search`, child, rounds: [], alone: [], line };
}

function asked<Answer>(child: ChildProcess, message: string): Promise<Answer> {
  return new Promise((resolve) => {
    child.once('message', (answer) => resolve(answer as Answer));
    child.send(message);
  });
}

async function load(side: Side, pictures: readonly Buffer[], clients: number, duration: number): Promise<Round> {
  await asked(side.child, 'reset');
  const result = await autocannon({
    url: side.url,
    connections: clients,
    duration,
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    requests: pictures.map((body) => ({ body })),
  });
  const probe = await asked<Probe>(side.child, 'read');
  const wrong = result.non2xx + result.errors + result.timeouts;
  if (wrong > 0) throw new Error(`${side.name}: ${wrong} of ${result.requests.total} requests failed`);
  return { ...probe, rate: result['2xx'] / result.duration, p50: result.latency.p50, p99: result.latency.p99 };
}

/** Milliseconds of requests one after the other on one connection, which autocannon counts in whole ones. */
async function single(side: Side, pictures: readonly Buffer[], duration: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  const end = performance.now() + duration;
  for (let i = 0; performance.now() < end; i++) {
    const body = pictures[i % pictures.length]!;
    const begun = performance.now();
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-type': 'image/png', 'content-length': body.length };
      const sent = request(side.url, { method: 'POST', agent, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      });
      sent.on('error', reject).end(body);
    });
    if (status !== 200) throw new Error(`${side.name}: found status ${status}`);
    times.push(performance.now() - begun);
  }
  agent.destroy();
  return times;
}

/** Ids that one side finds and the other does not, for some pictures, in hits. */
async function differing(sides: readonly Side[], pictures: readonly Buffer[]): Promise<string> {
  let differ = 0;
  let hits = 0;
  for (const body of pictures.slice(0, 32)) {
    const found = await Promise.all(
      sides.map(async ({ url }) => {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'image/png' },
          body: new Uint8Array(body),
        });
        const answer = (await response.json()) as { readonly hits: readonly { readonly id: string }[] };
        return answer.hits.map(({ id }) => id);
      }),
    );
    hits += found[0]!.length;
    differ += found[0]!.filter((id) => !found[1]!.includes(id)).length;
  }
  return `${differ} of ${hits}`;
}

/** Milliseconds of single calls, one after the other: through the service's threads and batcher, and onnxruntime here. */
async function batcherLatency(data: ServeData): Promise<{ readonly through: number[]; readonly direct: number[] }> {
  const service = await startEmbedding({ model: options.model! });
  const embedder = await createEmbedder(options.model!);
  const pixels = Uint8Array.from({ length: data.size * data.size * 3 }, (_, i) => (i * 7919) & 255);
  const through: number[] = [];
  const direct: number[] = [];
  const CALLS = 2000;
  for (let call = -200; call < CALLS; call++) {
    for (const [times, embed] of call % 2
      ? ([
          [through, service.embedPixels],
          [direct, embedder.embed],
        ] as const)
      : ([
          [direct, embedder.embed],
          [through, service.embedPixels],
        ] as const)) {
      pixels[call & 1023] = call & 255;
      const own = pixels.slice();
      const begun = performance.now();
      await embed.call(times === through ? service : embedder, own);
      if (call >= 0) times.push(performance.now() - begun);
    }
  }
  await service.close();
  await embedder.close();
  return { through, direct };
}

const { model: processor } = cpus()[0]!;
console.log('# Service: embed a picture and search\n');
console.log(`    npm run bench:serve -- ${process.argv.slice(2).join(' ')}\n`);
const data = await serveData(options.model, items);
try {
  const ours = await start('nearmiss serve', file('../cli/main.js'), [
    'serve',
    data.store,
    '--model',
    options.model,
    '--port',
    '0',
    '--log-level',
    'warn',
  ]);
  const plain = await start('plain fastify', file('serve-plain.js'), [
    ...['--model', options.model, '--vectors', data.vectors, '--dim', String(data.dim), '--size', String(data.size)],
    ...(options.peers ? ['--peers', options.peers] : []),
  ]);
  const { search } = JSON.parse(plain.line) as { readonly search: string };
  console.log(
    `${data.size} x ${data.size} pictures, ${items} items of ${data.dim} numbers, k 10. Node ${process.version}, ${cpus().length} cores of ${processor}; load when it began: ${loadavg()[0]!.toFixed(1)}. The plain handler searches with ${search}, onnxruntime on one thread.\n`,
  );
  console.log(`Hits that differ between the two: ${await differing([ours, plain], data.pictures)}.\n`);
  const sides = [ours, plain];
  for (let round = -1; round < rounds; round++) {
    for (const side of round % 2 ? sides : [...sides].reverse()) {
      const full = await load(side, data.pictures, connections, round < 0 ? 2 : seconds);
      const alone = await single(side, data.pictures, (round < 0 ? 1 : seconds / 2) * 1e3);
      if (round < 0) continue;
      side.rounds.push(full);
      side.alone.push(...alone);
    }
  }
  const rates = (side: Side): number => median(side.rounds.map(({ rate }) => rate));
  console.log(
    `| ${connections} connections | pictures/s | p50 ms | p99 ms | loop delay p50 ms | p99 ms | CPU cores | CPU ms a picture | memory MB |`,
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const { name, rounds: each } of sides) {
    const of = (key: keyof Round): number => median(each.map((one) => one[key]));
    console.log(
      `| ${name} | ${of('rate').toFixed(0)} | ${of('p50').toFixed(1)} | ${of('p99').toFixed(1)} | ${of('delayP50').toFixed(1)} | ${of('delayP99').toFixed(1)} | ${(of('cpu') / 1e3 / seconds).toFixed(2)} | ${(of('cpu') / seconds / of('rate')).toFixed(2)} | ${(of('rss') / 1e6).toFixed(0)} |`,
    );
  }
  const ratios = ours.rounds.map(({ rate }, i) => rate / plain.rounds[i]!.rate);
  console.log(
    `\nRatio of pictures/s: **${(rates(ours) / rates(plain)).toFixed(2)}** of the medians; round by round ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}.\n`,
  );
  console.log('| one connection | requests | p50 ms | p99 ms |\n|---|---|---|---|');
  for (const { name, alone } of sides) {
    console.log(`| ${name} | ${alone.length} | ${median(alone).toFixed(2)} | ${quantile(alone, 0.99).toFixed(2)} |`);
  }
  for (const server of servers) server.kill('SIGTERM');
  const { through, direct } = await batcherLatency(data);
  console.log(
    `\nEmbedding one picture of pixels at a time, p50: ${median(through).toFixed(3)} ms through the service's thread and batcher, ${median(direct).toFixed(3)} ms by onnxruntime alone: **${(median(through) - median(direct)).toFixed(3)} ms** for thread and batcher together (p99 ${quantile(through, 0.99).toFixed(2)} and ${quantile(direct, 0.99).toFixed(2)} ms).`,
  );
} finally {
  for (const server of servers) server.kill('SIGTERM');
  await data.remove();
}
