import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import {
  allocateExchange,
  breakExchange,
  clearStop,
  Exchange,
  ExchangeBroken,
  type ExchangeBuffers,
  requestStop,
} from '../../src/train/exchange.js';

const BUILT = new URL('../../dist/train/exchange.js', import.meta.url).href;
const workers: Worker[] = [];

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

/** A replica in a thread of its own: `work` is the body of a function of `exchange`, `replica` and `wait(ms)`. */
function replica(buffers: ExchangeBuffers, number: number, work: string): Promise<unknown> {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    import(workerData.built).then(({ Exchange }) => {
      const exchange = new Exchange(workerData.buffers, workerData.number);
      parentPort.postMessage('ready');
      try {
        parentPort.postMessage(((exchange, replica) => { ${work} })(exchange, workerData.number));
      } catch (error) {
        parentPort.postMessage(error.name);
      }
    });`;
  const worker = new Worker(code, { eval: true, workerData: { built: BUILT, buffers, number } });
  workers.push(worker);
  return once(worker, 'message').then(async () => (await once(worker, 'message'))[0]);
}

const shape = { replicas: 3, views: 4, dim: 2, values: 10 };
const all = (buffers: ExchangeBuffers, work: string): Promise<unknown[]> =>
  Promise.all(Array.from({ length: buffers.replicas }, (_, number) => replica(buffers, number, work)));

describe('the barrier', () => {
  it('lets no replica on before all are there, round after round', async () => {
    const buffers = allocateExchange(shape);
    // Each adds 1 to a count between two barriers: between rounds all see the same multiple of three.
    const seen = await all(
      buffers,
      `const count = new Int32Array(exchange.embeddings.buffer);
       const seen = [];
       for (let round = 0; round < 200; round++) {
         if ((round + replica) % 37 === 0) wait(1);
         Atomics.add(count, 0, 1);
         exchange.barrier();
         seen.push(Atomics.load(count, 0));
         exchange.barrier();
       }
       return seen;`,
    );
    const expected = Array.from({ length: 200 }, (_, round) => 3 * (round + 1));
    expect(seen).toEqual([expected, expected, expected]);
  });

  it('of one replica does not wait', () => {
    const exchange = new Exchange(allocateExchange({ ...shape, replicas: 1 }), 0);
    for (let i = 0; i < 3; i++) exchange.barrier();
    expect(exchange.sumFigures([1, 2])).toEqual([1, 2]);
  });

  it('that is broken wakes those who wait for a replica that never comes', async () => {
    const buffers = allocateExchange(shape);
    const waiting = [0, 1].map((number) => replica(buffers, number, 'exchange.barrier(); return "passed";'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    breakExchange(buffers);
    expect(await Promise.all(waiting)).toEqual(['ExchangeBroken', 'ExchangeBroken']);
    // Whoever comes later does not wait either.
    expect(() => new Exchange(buffers, 2).barrier()).toThrow(ExchangeBroken);
  });
});

describe('sums', () => {
  /** Float32 addition is not associative: 1e8 + 1 - 1e8 is 0 in this order and 1 in another. */
  const parts = [1e8, 1, -1e8].map(Math.fround);

  it('of values are taken in replica order in every replica, gradients as sums and statistics as means', async () => {
    const buffers = allocateExchange(shape);
    const found = (await all(
      buffers,
      `if (replica === 0) wait(30);
       exchange.ownValues().fill(${JSON.stringify(parts)}[replica]).fill(replica, 5).fill(10 * replica, 8);
       return Array.from(exchange.reduceValues(7));`,
    )) as number[][];
    const sum = Math.fround(Math.fround(parts[0]! + parts[1]!) + parts[2]!);
    const mean = Math.fround(30 * (1 / 3));
    expect(found[0]).toEqual([sum, sum, sum, sum, sum, 3, 3, 1, mean, mean]);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });

  it('of embedding gradients are taken in replica order over the part asked for', () => {
    const buffers = allocateExchange(shape);
    const replicas = parts.map((_, number) => new Exchange(buffers, number));
    replicas.forEach((each, number) => {
      each.ownEmbeddingGradient().set(Array.from({ length: 8 }, (_, i) => (i < 4 ? parts[number]! : 10 * number + i)));
    });
    const target = new Float32Array(4);
    replicas[1]!.sumEmbeddingGradients(2, 6, target);
    expect(Array.from(target)).toEqual([0, 0, 30 + 3 * 4, 30 + 3 * 5]);
  });

  it('of figures are equal everywhere', async () => {
    const found = await all(allocateExchange(shape), 'return exchange.sumFigures([replica, 0.1 * replica, 1]);');
    expect(found[0]).toEqual([3, 0.1 + 0.2, 3]);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });
});

describe('stopping', () => {
  it('is agreed on: all replicas stop after the same step, whenever the request comes', async () => {
    const buffers = allocateExchange(shape);
    const steps = all(
      buffers,
      `let step = 0;
       while (step < 100000) {
         if ((step + replica) % 5 === 0) wait(1);
         step++;
         if (exchange.agreeToStop()) break;
       }
       return step;`,
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    requestStop(buffers);
    const [a, b, c] = (await steps) as number[];
    expect(a).toBeGreaterThan(0);
    expect(a).toBeLessThan(100000);
    expect([b, c]).toEqual([a, a]);
  });

  it('is forgotten when the request is taken back', () => {
    const buffers = allocateExchange({ ...shape, replicas: 1 });
    const exchange = new Exchange(buffers, 0);
    requestStop(buffers);
    expect(exchange.agreeToStop()).toBe(true);
    clearStop(buffers);
    expect(exchange.agreeToStop()).toBe(false);
  });
});

describe('the shared memory', () => {
  it('gives each replica slices of its own, side by side', () => {
    const buffers = allocateExchange(shape);
    const replicas = [0, 1, 2].map((number) => new Exchange(buffers, number));
    replicas.forEach((each, number) => {
      each.ownValues().fill(number + 1);
      each.ownEmbeddingGradient().fill(number + 1);
    });
    const thrice = (count: number): number[] => [1, 2, 3].flatMap((value) => new Array<number>(count).fill(value));
    expect(Array.from(new Float32Array(buffers.values))).toEqual(thrice(10));
    expect(Array.from(new Float32Array(buffers.embeddingGradients))).toEqual(thrice(8));
    replicas[0]!.embeddings[3] = 0.5;
    expect(replicas[2]!.embeddings[3]).toBe(0.5);
  });
});
