import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EmbeddingStage } from './embedding.js';

/** Parts of the work on a request: taking its body, embedding, searching, writing, and all of it. */
export type RequestStage = 'receive' | 'embed' | 'search' | 'write' | 'total';

/** Numbers that are asked for when they are read. */
export interface Readings {
  /** Requests in work. */
  readonly inFlight: () => number;
  readonly pendingBytes: () => number;
  /** Queries that wait for the store. */
  readonly waitingSearches: () => number;
  /** Pictures that wait for the encoder. */
  readonly waitingPictures: () => number;
  /** Requests that the encoder has refused because it had too many pictures. */
  readonly shedByEncoder: () => number;
}

const SECONDS = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8];

/** What the service measures about itself, for Prometheus; in a registry of its own, so that several can live in one process. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly loop: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  private readonly requests: Counter<'method' | 'route' | 'status'>;
  private readonly stages: Histogram<'stage'>;
  private readonly shedding: Counter<'reason'>;
  private readonly searchBatch: Histogram;
  private readonly embedBatch: Histogram;
  private readonly restarts: Counter<'thread'>;
  private readonly exactChecks: Histogram;

  constructor() {
    const registers = [this.registry];
    this.requests = new Counter({
      name: 'nearmiss_http_requests_total',
      help: 'Requests answered',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    this.stages = new Histogram({
      name: 'nearmiss_stage_seconds',
      help: 'Time of the stages of requests',
      labelNames: ['stage'],
      buckets: SECONDS,
      registers,
    });
    this.shedding = new Counter({
      name: 'nearmiss_shed_requests_total',
      help: 'Requests refused to protect the others',
      labelNames: ['reason'],
      registers,
    });
    this.searchBatch = new Histogram({
      name: 'nearmiss_search_batch_queries',
      help: 'Queries that were searched together',
      buckets: [1, 2, 4, 8, 16, 32, 64],
      registers,
    });
    this.embedBatch = new Histogram({
      name: 'nearmiss_embed_batch_pictures',
      help: 'Pictures that were embedded together',
      buckets: [1, 2, 4, 8, 16, 32, 64],
      registers,
    });
    this.restarts = new Counter({
      name: 'nearmiss_thread_restarts_total',
      help: 'Threads that ended by themselves and were replaced',
      labelNames: ['thread'],
      registers,
    });
    this.exactChecks = new Histogram({
      name: 'nearmiss_search_exact_checks',
      help: 'Float32 vectors read to prove the answer to a query exact',
      buckets: [10, 30, 100, 300, 1000, 3000, 10_000, 30_000],
      registers,
    });
    this.loop.enable();
    this.gauge('nearmiss_event_loop_delay_p99_seconds', 'Delay of the event loop since the last look', () => {
      const delay = this.loop.count === 0 ? 0 : this.loop.percentile(99) / 1e9;
      this.loop.reset();
      return delay;
    });
    for (const kind of ['rss', 'heapUsed', 'external', 'arrayBuffers'] as const) {
      const name = kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      this.gauge(`nearmiss_memory_${name}_bytes`, `process.memoryUsage().${kind}`, () => process.memoryUsage()[kind]);
    }
  }

  /** Adds what others know. */
  read(readings: Readings): void {
    this.gauge('nearmiss_requests_in_flight', 'Requests in work', readings.inFlight);
    this.gauge('nearmiss_pending_body_bytes', 'Bytes of the bodies of requests in work', readings.pendingBytes);
    this.gauge('nearmiss_search_queue_length', 'Queries that wait for the store', readings.waitingSearches);
    this.gauge('nearmiss_embed_shed_requests', 'Requests refused by a full encoder', readings.shedByEncoder);
    this.gauge('nearmiss_embed_queue_length', 'Pictures that wait for the encoder', readings.waitingPictures);
  }

  /** Notes a request that was answered, under the pattern of its route. */
  answered(method: string, route: string, status: number, seconds: number): void {
    this.requests.inc({ method, route, status });
    this.stages.observe({ stage: 'total' }, seconds);
  }

  /** Measures a stage of a request; a failed one counts too. */
  async time<Result>(
    stage: RequestStage,
    work: () => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly ms: number }> {
    const start = performance.now();
    try {
      const result = await work();
      return { result, ms: Math.round((performance.now() - start) * 1000) / 1000 };
    } finally {
      this.stages.observe({ stage }, (performance.now() - start) / 1000);
    }
  }

  received(seconds: number): void {
    this.stages.observe({ stage: 'receive' }, seconds);
  }

  /** Notes the time of a part of embedding, ms; `embed` there is a batch's run of the model. */
  embedding(stage: EmbeddingStage, ms: number): void {
    this.stages.observe({ stage: stage === 'embed' ? 'embed-batch' : stage }, ms / 1000);
  }

  /** Notes how many pictures a batch had. */
  embedded(pictures: number): void {
    this.embedBatch.observe(pictures);
  }

  restarted(thread: 'embedding' | 'decoding'): void {
    this.restarts.inc({ thread });
  }

  shed(reason: 'concurrency' | 'memory' | 'rate' | 'shutdown'): void {
    this.shedding.inc({ reason });
  }

  searched(queries: number): void {
    this.searchBatch.observe(queries);
  }

  checked(exactChecks: number): void {
    this.exactChecks.observe(exactChecks);
  }

  /** The text that Prometheus reads, and its type. */
  async text(): Promise<{ readonly type: string; readonly body: string }> {
    return { type: this.registry.contentType, body: await this.registry.metrics() };
  }

  close(): void {
    this.loop.disable();
  }

  private gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(value());
      },
    });
  }
}
