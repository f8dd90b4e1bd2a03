import { NearmissError } from '../errors.js';
import type { JsonObject } from '../retrieve/items.js';
import type { BulkSummary, ItemAnswer, ItemBody, ItemStored, LineError } from '../serve/messages.js';
import { readObject } from './answer.js';
import { type LineBatch, lineBatches } from './item-lines.js';
import { asBase64, asBlob, type Picture } from './pictures.js';
import { ServiceError } from './service-error.js';
import type { Call, CallOptions, Transport } from './transport.js';

/** What is put under an id: a picture that the service embeds, or a vector [dimension], and metadata. */
export type ItemContent = (
  | { readonly picture: Picture }
  | {
      readonly vector: ArrayLike<number>;
      /** The encoder that made it; another than the store's is `NM_ENCODER_MISMATCH`. */
      readonly fingerprint?: string;
    }
) & { readonly metadata?: JsonObject };

export type ClientItem = { readonly id: string } & ItemContent;

export interface ReceivedItem {
  readonly id: string;
  readonly vector: Float32Array<ArrayBuffer>;
  readonly metadata: JsonObject;
}

export interface BulkOptions extends CallOptions {
  /** Most items in one request, 1 … 10,000. Default 500. `timeout` is that of one request. */
  readonly batch?: number;
  /** Called when the service has stored, or refused, all items up to a point. */
  readonly onProgress?: (progress: BulkResult) => void;
}

export interface BulkResult {
  /** Items that were read and answered for; those that are not among the failed are durable. */
  readonly items: number;
  readonly added: number;
  readonly updated: number;
  readonly failed: number;
  /** The first 1,000 items that were not stored, each by its position among all, from 0. */
  readonly errors: readonly BulkError[];
}

export interface BulkError {
  readonly position: number;
  readonly code: string;
  readonly message: string;
}

/** Bytes of one request; a quarter of what the service takes by default. */
const BATCH_BYTES = 4 * 1024 * 1024;
const MOST_ERRORS = 1000;

/** The items of a service's store. */
export class Items {
  constructor(private readonly transport: Transport) {}

  /**
   * Stores an item in place of what its id named before; durable once the promise resolves.
   *
   * @throws `NM_ITEM_INVALID` for an id that no address can hold (`bulk` can), and what the service says
   */
  async put(id: string, content: ItemContent, options?: CallOptions): Promise<ItemStored> {
    const raw = 'picture' in content && content.metadata === undefined;
    const call: Call = {
      method: 'PUT',
      path: pathOf(id),
      headers: { 'content-type': raw ? 'application/octet-stream' : 'application/json' },
      body: raw ? asBlob(content.picture) : JSON.stringify(await wireItem(content)),
      repeatable: true,
    };
    return readObject<ItemStored>(await this.transport.send(call, options));
  }

  /** The item of an id; undefined if there is none. */
  async get(id: string, options?: CallOptions): Promise<ReceivedItem | undefined> {
    const answer = await orMissing(this.transport.send({ method: 'GET', path: pathOf(id), repeatable: true }, options));
    if (answer === undefined) return undefined;
    const { vector, ...rest } = readObject<ItemAnswer>(answer);
    return { ...rest, vector: Float32Array.from(vector) };
  }

  /**
   * Removes an item, and gives whether there was one. Not repeated after a lost connection, when nobody can say whether it
   * was there.
   */
  async delete(id: string, options?: CallOptions): Promise<boolean> {
    const call = { method: 'DELETE', path: pathOf(id), repeatable: false } as const;
    return (await orMissing(this.transport.send(call, options))) !== undefined;
  }

  /**
   * Stores many items, taken from the source as the service answers: one request is under way while the next is gathered,
   * and memory holds no more than these two. Each request is repeated by itself where that is safe. Items that the
   * service refuses are told in the result and stop nothing; what else goes wrong rejects, and `onProgress` has told up to
   * which item all is answered for.
   *
   * @example
   * await client.items.bulk(rows(), { onProgress: ({ items }) => console.log(items) });
   */
  async bulk(items: Iterable<ClientItem> | AsyncIterable<ClientItem>, options: BulkOptions = {}): Promise<BulkResult> {
    const { batch = 500, onProgress, ...call } = options;
    if (!Number.isInteger(batch) || batch < 1 || batch > 10_000) {
      throw new NearmissError('NM_OPTION_INVALID', `batch: found ${batch}, allowed: a whole number from 1 to 10000`);
    }
    let result: BulkResult = { items: 0, added: 0, updated: 0, failed: 0, errors: [] };
    const batches = lineBatches(wireItems(items), { lines: batch, bytes: BATCH_BYTES });
    let next = batches.next();
    try {
      for (let now = await unlessAborted(next, call.signal); !now.done; now = await unlessAborted(next, call.signal)) {
        next = batches.next();
        // It may fail while this request is under way; it is awaited after it.
        next.catch(() => undefined);
        result = added(result, now.value, await this.sendLines(now.value, call));
        onProgress?.(result);
      }
    } finally {
      // Ends the source where it was not read to its end; one that gives nothing now must not keep an error waiting.
      batches.return().catch(() => undefined);
    }
    return result;
  }

  private async sendLines({ body }: LineBatch, options: CallOptions): Promise<BulkSummary> {
    const headers = { 'content-type': 'application/x-ndjson', accept: 'application/json' };
    const call = { method: 'POST', path: 'v1/items', headers, body, repeatable: true } as const;
    return readObject<BulkSummary>(await this.transport.send(call, options));
  }
}

function added(result: BulkResult, batch: LineBatch, summary: BulkSummary): BulkResult {
  const errors = summary.errors.map(({ line, code, message }: LineError) => ({
    position: batch.first + line - 1,
    code,
    message,
  }));
  return {
    items: result.items + batch.count,
    added: result.added + summary.added,
    updated: result.updated + summary.updated,
    failed: result.failed + summary.failed,
    errors: [...result.errors, ...errors].slice(0, MOST_ERRORS),
  };
}

/** A promise's value, or the signal's reason if that comes first. */
function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** An answer, or undefined where the service says that there is no such item. */
async function orMissing<Answer>(sent: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'NM_ITEM_MISSING') return undefined;
    throw error;
  }
}

function pathOf(id: string): string {
  const refuse = (problem: string): NearmissError => new NearmissError('NM_ITEM_INVALID', `id: found ${problem}`);
  // Addresses resolve dots before they are sent, escaped or not: they would name another route.
  if (id === '.' || id === '..') throw refuse(`"${id}", which no address can end in; allowed with \`bulk\``);
  if (id === '') throw refuse('an empty string, allowed: at least one character');
  try {
    return `v1/items/${encodeURIComponent(id)}`;
  } catch {
    throw refuse('a lone surrogate, allowed: well-formed Unicode');
  }
}

async function wireItem(content: ItemContent): Promise<ItemBody> {
  if ('picture' in content) {
    const { picture, ...rest } = content;
    return { ...rest, picture: await asBase64(picture) };
  }
  return { ...content, vector: Array.from(content.vector) };
}

async function* wireItems(items: Iterable<ClientItem> | AsyncIterable<ClientItem>): AsyncGenerator<unknown> {
  for await (const item of items) yield await wireItem(item);
}
