import type { FastifyBaseLogger } from 'fastify';
import { NearmissError } from '../errors.js';
import { readModel } from '../onnx/file.js';
import { fingerprint } from '../onnx/seal.js';
import { isPostgres, openPlace } from '../retrieve/place.js';
import type { Store } from '../retrieve/store.js';
import { type EmbeddingOptions, type EmbeddingService, startEmbedding } from './embedding.js';
import type { Metrics } from './metrics.js';
import type { ServiceOptions } from './options.js';
import { SearchQueue } from './search-queue.js';
import { Thumbnails } from './thumbnails.js';
import { parseTokens, type Token } from './tokens.js';

type EmbeddingSettings = Omit<EmbeddingOptions, 'model'>;

/** Searches in PostgreSQL at once: as many as its pool has connections. */
const POSTGRES_SEARCHES = 4;

/** What requests are answered from: a store and the encoder that filled it, which belong together. */
export interface Backend {
  readonly store: Store;
  readonly searches: SearchQueue;
  /** Undefined where the service has no model. */
  readonly embedding: EmbeddingService | undefined;
  readonly thumbnails: Thumbnails;
  readonly tokens: readonly Token[] | undefined;
}

/** A backend and how many requests use it. */
interface Held {
  readonly backend: Backend;
  users: number;
  /** Replaced by another one: closed once nobody uses it. */
  retired: boolean;
  readonly closed: Promise<void>;
  readonly close: () => void;
}

/** Opens what requests are answered from, and puts a new one in its place without disturbing those that use the old. */
export class Backends {
  private current: Held;
  private reloading: Promise<unknown> = Promise.resolve();
  private readonly held = new Set<Held>();

  private constructor(
    backend: Backend,
    private readonly options: ServiceOptions,
    private readonly metrics: Metrics,
    private readonly log: FastifyBaseLogger,
  ) {
    this.current = this.hold(backend);
  }

  /** @throws what opening the store and the model throws; `NM_ENCODER_MISMATCH` where the two do not belong together */
  static async open(options: ServiceOptions, metrics: Metrics, log: FastifyBaseLogger): Promise<Backends> {
    return new Backends(await openBackend(options, metrics, log, undefined), options, metrics, log);
  }

  /** The present backend, for looks that take no time. */
  get backend(): Backend {
    return this.current.backend;
  }

  /** Runs some work on the present backend, which stays open until the work ends. */
  async use<Result>(work: (backend: Backend) => Promise<Result>): Promise<Result> {
    const held = this.current;
    held.users += 1;
    try {
      return await work(held.backend);
    } finally {
      held.users -= 1;
      if (held.retired && held.users === 0) held.close();
    }
  }

  /**
   * Opens the store, the model, the tokens and the list of pictures again. New requests get them once all are there; running
   * ones end on the old. Where anything fails, all stays as it was.
   */
  reload(): Promise<{ readonly backend: Backend; readonly modelChanged: boolean }> {
    const reload = this.reloading.then(async () => {
      const before = this.current;
      const backend = await openBackend(this.options, this.metrics, this.log, before.backend.embedding);
      this.current = this.hold(backend);
      this.retire(before);
      return { backend, modelChanged: backend.embedding !== before.backend.embedding };
    });
    this.reloading = reload.catch(() => undefined);
    return reload;
  }

  /** Closes everything once it is no longer used. */
  async close(): Promise<void> {
    await this.reloading;
    this.retire(this.current);
    await Promise.all([...this.held].map(({ closed }) => closed));
  }

  private hold(backend: Backend): Held {
    let close = (): void => undefined;
    const free = new Promise<void>((resolve) => {
      close = resolve;
    });
    const held: Held = {
      backend,
      users: 0,
      retired: false,
      close: () => close(),
      closed: free.then(() => this.closeBackend(held)),
    };
    this.held.add(held);
    return held;
  }

  private retire(held: Held): void {
    held.retired = true;
    if (held.users === 0) held.close();
  }

  private async closeBackend(held: Held): Promise<void> {
    this.held.delete(held);
    const { store, embedding } = held.backend;
    // Another backend may go on with the same encoder.
    const shared = [...this.held].some(({ backend }) => backend.embedding === embedding);
    try {
      if (embedding && !shared) await embedding.close();
    } finally {
      await store.close();
    }
  }
}

async function openBackend(
  options: ServiceOptions,
  metrics: Metrics,
  log: FastifyBaseLogger,
  present: EmbeddingService | undefined,
): Promise<Backend> {
  const { store: place, model, readOnly = false } = options;
  const tokens = await readTokens(options);
  const thumbnails = await Thumbnails.open(options.pictures);
  const store = await (typeof place === 'string' ? openPlace(place, { readOnly }) : place());
  try {
    // Its codes come into memory now, not with the first request.
    await store.refresh();
    const settings = measured(options.embedding ?? {}, metrics, log);
    const embedding = model === undefined ? undefined : await openEmbedding(model, settings, store, present);
    const concurrency = typeof place === 'string' && isPostgres(place) ? POSTGRES_SEARCHES : 1;
    const searches = new SearchQueue(store, {
      concurrency,
      onSearch: (queries) => metrics.searched(queries),
    });
    return { store, searches, embedding, thumbnails, tokens };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function readTokens({ tokens }: ServiceOptions): Promise<readonly Token[] | undefined> {
  if (tokens === undefined) return undefined;
  const parsed = parseTokens(typeof tokens === 'function' ? await tokens() : tokens, 'tokens');
  if (parsed.length > 0) return parsed;
  throw new NearmissError('NM_TOKENS_INVALID', 'tokens: found none, allowed: one or more');
}

/** Settings of the encoder's threads that also tell the metrics. */
function measured(settings: EmbeddingSettings, metrics: Metrics, log: FastifyBaseLogger): EmbeddingSettings {
  return {
    ...settings,
    onStage: (stage, ms) => {
      metrics.embedding(stage, ms);
      settings.onStage?.(stage, ms);
    },
    onBatch: (pictures) => {
      metrics.embedded(pictures);
      settings.onBatch?.(pictures);
    },
    onRestart: (thread, reason) => {
      metrics.restarted(thread);
      log.warn({ thread, reason: reason.message }, 'a thread ended and is replaced');
      settings.onRestart?.(thread, reason);
    },
  };
}

/** The encoder of a model file: the present one where it is the same. */
async function openEmbedding(
  model: string,
  settings: EmbeddingSettings,
  store: Store,
  present: EmbeddingService | undefined,
): Promise<EmbeddingService> {
  const bytes = await readModel(model);
  // Before any thread starts.
  store.checkEncoder(fingerprint(bytes));
  return present?.fingerprint === store.info.fingerprint ? present : startEmbedding({ ...settings, model: bytes });
}
