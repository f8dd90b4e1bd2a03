import { setTimeout as wait } from 'node:timers/promises';
import { NearmissError } from '../errors.js';
import type { Item } from '../retrieve/items.js';
import type { Backend } from './backends.js';
import { textOf } from './bodies.js';
import type { ServiceContext } from './context.js';
import { failureOf } from './http-errors.js';
import { type ItemInput, itemInput, storable } from './item-input.js';
import type { Line } from './lines.js';
import { encoderOf } from './pictures.js';
import { type BulkProgress, type BulkSummary, type ItemLine, itemLine, type LineError } from './schemas.js';
import { checkerOf } from './validate.js';

/** Items of one transaction. */
const BATCH_ITEMS = 128;
/** Bytes of lines of one transaction, so that many large pictures do not gather. */
const BATCH_BYTES = 8 * 1024 * 1024;
/** Pictures of one stream that are with the encoder at once: it also serves others. */
const PICTURES_AT_ONCE = 16;
/** How long a picture waits before it is given to a full encoder again, ms. */
const PAUSE = 20;
/** Failed lines that an answer tells of. */
const MOST_ERRORS = 1000;

const checkLine = checkerOf<ItemLine>(itemLine);

/** Stores the items of a stream of lines in batches, each durable before it is told of. */
export class BulkWrite {
  private lines = 0;
  private added = 0;
  private updated = 0;
  private failed = 0;
  private readonly errors: LineError[] = [];
  /** Errors that no progress has told of. */
  private told = 0;

  constructor(
    private readonly backend: Backend,
    private readonly context: ServiceContext,
    private readonly signal: AbortSignal,
  ) {}

  /** What was read and stored so far. */
  get summary(): BulkSummary {
    const { lines, added, updated, failed, errors } = this;
    return { done: true, lines, added, updated, failed, errors };
  }

  /**
   * Reads lines to their end and yields after each batch what is stored. Lines that are no items are noted and passed over.
   *
   * @throws what the lines and the store throw; what was yielded stays stored. `NM_SERVICE_CLOSING` between batches
   */
  async *write(lines: AsyncIterable<Line>): AsyncGenerator<BulkProgress> {
    let batch = new Map<string, { readonly line: number; readonly input: ItemInput }>();
    let bytes = 0;
    for await (const line of lines) {
      const input = this.read(line);
      // Of two lines for one id the later one holds, as in two requests.
      if (input && batch.has(input.id)) {
        yield await this.store(batch);
        batch = new Map();
        bytes = 0;
      }
      this.lines = line.number;
      if (input) batch.set(input.id, { line: line.number, input });
      bytes += line.bytes?.length ?? 0;
      if (batch.size < BATCH_ITEMS && bytes < BATCH_BYTES) continue;
      yield await this.store(batch);
      batch = new Map();
      bytes = 0;
    }
    if (batch.size > 0 || this.told < this.errors.length) yield await this.store(batch);
  }

  private read({ number, bytes }: Line): ItemInput | undefined {
    try {
      if (!bytes) {
        const most = this.context.limits.maxBodyBytes;
        throw new NearmissError('NM_REQUEST_TOO_LARGE', `line ${number}: allowed: at most ${most} bytes`);
      }
      const place = `line ${number}`;
      const { id, ...body } = checkLine(parse(textOf(bytes, place), place), place);
      return itemInput(id, body, this.backend.store, place);
    } catch (error) {
      this.note(number, error);
      return undefined;
    }
  }

  private note(line: number, error: unknown): void {
    if (!(error instanceof NearmissError)) throw error;
    this.failed += 1;
    const { code, message } = failureOf(error);
    if (this.errors.length < MOST_ERRORS) this.errors.push({ line, code, message });
  }

  private async store(
    batch: ReadonlyMap<string, { readonly line: number; readonly input: ItemInput }>,
  ): Promise<BulkProgress> {
    this.signal.throwIfAborted();
    this.context.intake.refuseWhileDraining();
    const items = await this.embed([...batch.values()]);
    if (items.length > 0) {
      const { result } = await this.context.metrics.time('write', () => this.backend.store.upsert(items));
      this.added += result.added;
      this.updated += result.updated;
    }
    const errors = this.errors.slice(this.told);
    this.told = this.errors.length;
    const { lines: stored, added, updated, failed } = this;
    return { stored, added, updated, failed, ...(errors.length > 0 ? { errors } : {}) };
  }

  /** The items of a batch, without those whose picture cannot be embedded. */
  private async embed(batch: readonly { readonly line: number; readonly input: ItemInput }[]): Promise<Item[]> {
    const vectors: (Float32Array | undefined)[] = batch.map(({ input }) => input.vector);
    const places = [...batch.keys()].filter((place) => vectors[place] === undefined).values();
    const work = async (): Promise<void> => {
      for (const place of places) {
        const { line, input } = batch[place]!;
        try {
          vectors[place] = await this.embedOne(input.picture!);
        } catch (error) {
          if (!isOfPicture(error)) throw error;
          this.note(line, error);
        }
      }
    };
    await Promise.all(Array.from({ length: PICTURES_AT_ONCE }, work));
    return batch.flatMap(({ input }, place) => {
      const vector = vectors[place];
      return vector ? [storable(input, vector)] : [];
    });
  }

  /** A full encoder holds the stream up; it does not end it. */
  private async embedOne(picture: Uint8Array): Promise<Float32Array> {
    for (;;) {
      this.signal.throwIfAborted();
      try {
        const { result } = await this.context.metrics.time('embed', () =>
          encoderOf(this.backend.embedding).embedPictures([picture], this.signal),
        );
        return result;
      } catch (error) {
        if (!(error instanceof NearmissError) || error.code !== 'NM_OVERLOADED') throw error;
        await wait(PAUSE, undefined, { signal: this.signal });
      }
    }
  }
}

/** Whether a picture is to blame, not the encoder or the store. */
function isOfPicture(error: unknown): boolean {
  return error instanceof NearmissError && failureOf(error).status < 500;
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NearmissError('NM_REQUEST_INVALID', `${place}: found text that is no JSON`, { cause });
  }
}
