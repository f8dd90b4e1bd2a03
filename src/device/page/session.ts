import { NearmissError } from '../../errors.js';
import { chooseTier } from '../../kernels/load.js';
import { type DeviceIndex, readDeviceIndex } from '../../retrieve/device-index.js';
import type { JsonObject } from '../../retrieve/items.js';
import type { Hit } from '../../retrieve/store.js';
import { type DeviceConfig, STARTING_FILES } from '../device-config.js';
import { type LocalIndex, mergeHits, openLocalIndex } from '../local-index.js';
import { openPicture } from '../picture.js';
import { Thumbnails } from '../thumbnails.js';
import type { Answer, BackendInfo, OwnItems, PageItem, Question } from './backend.js';
import { Download } from './download.js';
import { openPageEncoder, type PageEncoder } from './page-encoder.js';
import { titleOf } from './title.js';

const RETRIEVAL_MODULES = { plain: 'retrieval-plain.wasm', relaxed: 'retrieval-relaxed.wasm' } as const;
/** Longer side of the thumbnails of added pictures. */
const THUMBNAIL_SIDE = 160;

/** The last question, for `add`. */
interface Asked {
  readonly pixels: Uint8Array;
  readonly vector: Float32Array;
  /** How long embedding took. */
  readonly milliseconds: number;
  readonly thumbnail: Blob;
}

/** Encoder, index, thumbnails and the person's own items of a page, in its worker. */
export class DeviceSession {
  readonly #encoder: PageEncoder;
  readonly #index: DeviceIndex;
  readonly #thumbnails: Thumbnails;
  readonly #own: LocalIndex | NearmissError;
  #asked: Asked | undefined;

  private constructor(
    encoder: PageEncoder,
    index: DeviceIndex,
    thumbnails: Thumbnails,
    own: LocalIndex | NearmissError,
  ) {
    this.#encoder = encoder;
    this.#index = index;
    this.#thumbnails = thumbnails;
    this.#own = own;
  }

  /**
   * Loads everything but the pictures of thumbnails.
   *
   * @throws `NM_SIMD_UNSUPPORTED`, `NM_INDEX_INVALID`, `NM_ENCODER_MISMATCH`; as `openDeviceEncoder`; what could not be loaded
   */
  static async open(
    config: DeviceConfig,
    onProgress: (done: number, total: number | undefined) => void,
  ): Promise<DeviceSession> {
    await chooseTier(); // an old browser is told so before it loads anything
    const { bytes } = config;
    const expected = STARTING_FILES.reduce((sum, name) => sum + bytes[name], 0);
    const download = new Download(expected, onProgress);
    const [model, indexFile, table] = await Promise.all(STARTING_FILES.map((name) => download.file(name)));
    const thumbnails = new Thumbnails(table!, (name) => new Download(undefined, () => undefined).file(name));
    const index = await readDeviceIndex(indexFile!, { modules: RETRIEVAL_MODULES });
    if (thumbnails.count !== index.count) {
      throw new NearmissError(
        'NM_INDEX_INVALID',
        `thumbnails: found ${thumbnails.count}, allowed: ${index.count}, one an item of the index`,
      );
    }
    const encoder = await openPageEncoder(config.engine, model!);
    index.checkEncoder(encoder.fingerprint);
    const { metric } = index.info;
    const name = `nearmiss ${new URL('.', location.href).pathname}`;
    const own = await openLocalIndex({ name, encoder, metric, modules: RETRIEVAL_MODULES }).catch((error: unknown) => {
      // Search goes on without; the page says why nothing can be added.
      if (error instanceof NearmissError && error.code === 'NM_STORE_INVALID') return error;
      throw error;
    });
    return new DeviceSession(encoder, index, thumbnails, own);
  }

  get info(): BackendInfo {
    const { count, info } = this.#index;
    const own = this.#own;
    return {
      items: count,
      model: this.#encoder.words,
      metric: info.metric,
      ...(own instanceof NearmissError ? { ownFault: `${own.message} ${own.hint}` } : { own: itemsOf(own) }),
    };
  }

  async search(question: Question, k: number): Promise<Omit<Answer, 'total'>> {
    const vector = 'picture' in question ? await this.#embed(question.picture) : this.#vectorOf(question.id);
    const embed = 'picture' in question ? { embed: this.#asked!.milliseconds } : {};
    const start = performance.now();
    // An item finds itself, which is not shown.
    const own = 'id' in question ? question.id : undefined;
    const most = own === undefined ? k : k + 1;
    const local = this.#own instanceof NearmissError ? [] : this.#own.search(vector, most);
    const shipped = this.#index.search(vector, { k: most });
    const best = mergeHits<Hit>([shipped, local], this.#index.info.metric, most);
    const search = performance.now() - start;
    const shown = best.filter(({ id }) => id !== own).slice(0, k);
    const hits = shown.map(async ({ id, score, metadata }) => ({ ...(await this.#shown(id, metadata)), score }));
    return { hits: await Promise.all(hits), ...embed, search };
  }

  /** Adds the picture of the last question. */
  async add(title: string): Promise<OwnItems> {
    const own = this.#ownIndex();
    if (!this.#asked) throw new NearmissError('NM_SOURCE_EMPTY', 'found no picture to add: search for one first');
    const { pixels, vector, thumbnail } = this.#asked;
    await own.add({ title, pixels, vector, thumbnail });
    return itemsOf(own);
  }

  async remove(id: string): Promise<OwnItems> {
    const own = this.#ownIndex();
    await own.remove(id);
    return itemsOf(own);
  }

  /** The person's own items, the newest first. */
  list(): Promise<PageItem[]> {
    const items = [...this.#ownIndex().items()].reverse();
    return Promise.all(items.map(({ id, title }) => this.#shown(id, { title })));
  }

  #ownIndex(): LocalIndex {
    if (this.#own instanceof NearmissError) throw this.#own;
    return this.#own;
  }

  async #embed(file: Blob): Promise<Float32Array> {
    this.#asked = undefined;
    const picture = await openPicture(file);
    try {
      const pixels = picture.pixels(this.#encoder.size, this.#encoder.fit);
      const start = performance.now();
      const vector = await this.#encoder.embed(pixels);
      const milliseconds = performance.now() - start;
      this.#asked = { pixels, vector, milliseconds, thumbnail: await picture.thumbnail(THUMBNAIL_SIDE) };
      return vector;
    } finally {
      picture.close();
    }
  }

  #vectorOf(id: string): Float32Array {
    const own = this.#own instanceof NearmissError ? undefined : this.#own.get(id);
    const vector = own?.vector ?? this.#index.get(id)?.vector;
    if (vector) return vector;
    throw new NearmissError('NM_ITEM_MISSING', `found no item ${JSON.stringify(id)}`);
  }

  async #shown(id: string, metadata: JsonObject): Promise<PageItem> {
    const own = this.#own instanceof NearmissError ? undefined : this.#own.get(id);
    const picture = own ? own.thumbnail && (await dataUrl(own.thumbnail)) : await this.#thumbnail(id);
    const item = { id, title: titleOf(id, metadata), own: own !== undefined };
    return picture === undefined ? item : { ...item, picture };
  }

  async #thumbnail(id: string): Promise<string | undefined> {
    const bytes = await this.#thumbnails.get(this.#index.row(id)!);
    return bytes && dataUrl(new Blob([bytes.slice()], { type: 'image/webp' }));
  }
}

function itemsOf({ count, unusable }: LocalIndex): OwnItems {
  return { count, unusable };
}

/** Needs no giving back, unlike an object URL. */
async function dataUrl(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return `data:${file.type};base64,${btoa(binary)}`;
}
