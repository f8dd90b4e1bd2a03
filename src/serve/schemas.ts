import Type, { type Static, type TSchema, type TUnsafe } from 'typebox';
import type { Filter } from '../retrieve/filter.js';
import type { JsonObject } from '../retrieve/items.js';
import { MAX_DIMENSION, METRICS, type Metric } from '../retrieve/vectors.js';

/** What is asked for: exactly one of a picture, a vector and a stored item. */
export interface Query {
  /** A PNG, JPEG, WebP, AVIF or GIF file, base64. */
  readonly picture?: string;
  /** Numbers [dimension]. */
  readonly vector?: readonly number[];
  /** Id of a stored item, which may be among its own hits. */
  readonly id?: string;
}

/** How to search; the same as in the store's `SearchOptions`. */
export interface SearchSettings {
  /** Most hits a query; default 10. */
  readonly k?: number;
  readonly filter?: Filter;
  /** Only hits at least this good (under `l2`: at most this far). */
  readonly radius?: number;
  readonly mode?: 'exact' | 'approximate';
  /** The encoder that made the vectors; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
}

/** Body of `POST /v1/search`: one query, or several in `queries`. */
export interface SearchBody extends Query, SearchSettings {
  readonly queries?: readonly Query[];
}

export interface SearchHit {
  readonly id: string;
  /** Cosine, inner product or, under `l2`, distance. */
  readonly score: number;
  readonly metadata: JsonObject;
}

export interface SearchResult {
  /** Best first. */
  readonly hits: readonly SearchHit[];
  /** How many float32 vectors were read to prove the answer exact; absent where another program searches. */
  readonly exactChecks?: number;
}

/** Times of the service's stages, ms. */
export interface StageTimes {
  /** Decoding, waiting for the encoder, and embedding. */
  readonly embed?: number;
  /** Waiting for the store, and searching. */
  readonly search?: number;
}

/** Answer to one query. */
export interface SearchAnswer extends SearchResult {
  readonly ms: StageTimes;
}

/** Answer to `queries`, a multipart body or raw pixels: a result a query, in order. */
export interface SearchAnswers {
  readonly results: readonly SearchResult[];
  readonly ms: StageTimes;
}

/** Body of `POST /v1/embed`: files, base64. */
export interface EmbedBody {
  readonly pictures: readonly string[];
}

export interface EmbedAnswer {
  /** Of the model that made them. */
  readonly fingerprint: string;
  readonly dimension: number;
  /** Numbers [pictures, dimension], in order. */
  readonly vectors: readonly (readonly number[])[];
  readonly ms: StageTimes;
}

/** Body of `PUT /v1/items/{id}`: exactly one of a picture and a vector. */
export interface ItemBody {
  /** A picture file, base64. */
  readonly picture?: string;
  readonly vector?: readonly number[];
  readonly metadata?: JsonObject;
  /** The encoder that made `vector`; another than the store's is `NM_ENCODER_MISMATCH`. */
  readonly fingerprint?: string;
}

/** A line of `POST /v1/items`. */
export interface ItemLine extends ItemBody {
  readonly id: string;
}

export interface ItemAnswer {
  readonly id: string;
  readonly vector: readonly number[];
  readonly metadata: JsonObject;
}

export interface ItemStored {
  readonly id: string;
  /** Whether there was none of this id before. */
  readonly added: boolean;
}

/** A line of `POST /v1/items` that was not stored. */
export interface LineError {
  /** From 1. */
  readonly line: number;
  readonly code: string;
  readonly message: string;
}

/** Answer to `POST /v1/items`, and the last line where the answer is streamed. */
export interface BulkSummary {
  /** True when every line was read. */
  readonly done: true;
  readonly lines: number;
  readonly added: number;
  readonly updated: number;
  /** Lines that were not stored. */
  readonly failed: number;
  /** The first of them, at most 1,000. */
  readonly errors: readonly LineError[];
}

/** Where the answer to `POST /v1/items` is streamed, a line of it: everything up to `stored` is durable. */
export interface BulkProgress {
  /** Number of the last line whose item is stored, or is among `errors`. */
  readonly stored: number;
  readonly added: number;
  readonly updated: number;
  readonly failed: number;
  /** Lines that failed since the line before. */
  readonly errors?: readonly LineError[];
}

/** Answer to `GET /v1/info`, for the page. */
export interface InfoAnswer {
  readonly items: number;
  /** The encoder in words; empty without one. */
  readonly model: string;
  readonly metric: Metric;
  readonly dimension: number;
  readonly fingerprint: string;
  /** Side of the encoder's pictures, pixels; absent without an encoder. */
  readonly size?: number;
  /** Most hits a query. */
  readonly maxK: number;
}

export interface StatsAnswer {
  readonly store: {
    readonly items: number;
    readonly bytes: number;
    readonly freeBytes: number;
    readonly dimension: number;
    readonly metric: Metric;
    readonly fingerprint: string;
  };
  readonly service: {
    readonly version: string;
    /** Seconds. */
    readonly uptime: number;
    readonly inFlight: number;
    readonly rssBytes: number;
  };
  readonly embedding?: JsonObject;
}

export interface ReloadAnswer {
  readonly fingerprint: string;
  readonly items: number;
  /** Whether another model file was loaded. */
  readonly modelChanged: boolean;
}

export interface HealthAnswer {
  readonly status: 'ok' | 'draining' | 'unavailable';
}

export interface ErrorAnswer {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    /** Finds the request in the service's log. */
    readonly requestId: string;
  };
}

/** A schema under the type that it describes; the compiler refuses one that describes another. */
function describing<Value>() {
  return <Schema extends TSchema>(schema: Schema & (Static<Schema> extends Value ? unknown : never)): TUnsafe<Value> =>
    schema as unknown as TUnsafe<Value>;
}

const closed = { additionalProperties: false } as const;
const picture = Type.String({
  description: 'A PNG, JPEG, WebP, AVIF or GIF file, base64',
  contentEncoding: 'base64',
  minLength: 1,
});
const numbers = Type.Array(Type.Number(), { description: 'A vector', minItems: 1, maxItems: MAX_DIMENSION });
const id = Type.String({ description: 'At most 1,024 bytes of UTF-8', minLength: 1, maxLength: 1024 });
const fingerprint = Type.String({ description: 'The encoder that made the vectors', minLength: 1, maxLength: 256 });
const metadata = Type.Unsafe<JsonObject>(
  Type.Object({}, { description: 'A JSON object, at most 64 KiB', additionalProperties: true }),
);
const filter = Type.Unsafe<Filter>(
  Type.Object({}, { description: 'A condition on the metadata (docs/retrieval.md)', additionalProperties: true }),
);
const mode = Type.Union([Type.Literal('exact'), Type.Literal('approximate')]);
const settings = {
  k: Type.Optional(Type.Integer({ description: 'Most hits a query; default 10', minimum: 1, maximum: 1000 })),
  radius: Type.Optional(Type.Number({ description: 'Only hits at least this good (l2: at most this far)' })),
  mode: Type.Optional(mode),
  fingerprint: Type.Optional(fingerprint),
};
const query = { picture: Type.Optional(picture), vector: Type.Optional(numbers), id: Type.Optional(id) };
const count = Type.Integer({ minimum: 0 });
const metric = Type.Union(METRICS.map((name) => Type.Literal(name)));
const times = Type.Object({ embed: Type.Optional(Type.Number()), search: Type.Optional(Type.Number()) });
const lineError = Type.Object({ line: count, code: Type.String(), message: Type.String() });
const result = {
  hits: Type.Array(Type.Object({ id, score: Type.Number(), metadata })),
  exactChecks: Type.Optional(count),
};
const item = {
  picture: Type.Optional(picture),
  vector: Type.Optional(numbers),
  metadata: Type.Optional(metadata),
  fingerprint: Type.Optional(fingerprint),
};

export const searchBody: TUnsafe<SearchBody> = describing<SearchBody>()(
  Type.Object(
    {
      ...query,
      queries: Type.Optional(Type.Array(Type.Object(query, closed), { minItems: 1, maxItems: 1000 })),
      ...settings,
      filter: Type.Optional(filter),
    },
    closed,
  ),
);

/** Settings of a search in the address; `filter` is JSON. `size`: the body is raw pixels of this side. */
export interface SearchParameters extends Omit<SearchSettings, 'filter'> {
  readonly filter?: string;
  readonly size?: number;
}

const size = Type.Optional(
  Type.Integer({
    description: 'Of an application/octet-stream body: it is RGB pixels uint8 [pictures, size, size, 3], not a file',
    minimum: 1,
    maximum: 1024,
  }),
);

export const searchParameters: TUnsafe<SearchParameters> = describing<SearchParameters>()(
  Type.Object(
    { ...settings, filter: Type.Optional(Type.String({ description: 'JSON', maxLength: 8192 })), size },
    closed,
  ),
);

export const searchAnswer: TUnsafe<SearchAnswer | SearchAnswers> = describing<SearchAnswer | SearchAnswers>()(
  Type.Union([
    Type.Object({ ...result, ms: times }),
    Type.Object({ results: Type.Array(Type.Object(result)), ms: times }),
  ]),
);

export const embedBody: TUnsafe<EmbedBody> = describing<EmbedBody>()(
  Type.Object({ pictures: Type.Array(picture, { minItems: 1, maxItems: 1000 }) }, closed),
);

export interface EmbedParameters {
  readonly size?: number;
}

export const embedParameters: TUnsafe<EmbedParameters> = describing<EmbedParameters>()(Type.Object({ size }, closed));

export const embedAnswer: TUnsafe<EmbedAnswer> = describing<EmbedAnswer>()(
  Type.Object({ fingerprint: Type.String(), dimension: count, vectors: Type.Array(numbers), ms: times }),
);

export const itemParameters: TUnsafe<{ readonly id: string }> = describing<{ readonly id: string }>()(
  Type.Object({ id }),
);

export const itemBody: TUnsafe<ItemBody> = describing<ItemBody>()(Type.Object(item, closed));

/** Metadata of an item whose body is a picture file: JSON in the address. */
export interface ItemSettings {
  readonly metadata?: string;
}

export const itemSettings: TUnsafe<ItemSettings> = describing<ItemSettings>()(
  Type.Object({ metadata: Type.Optional(Type.String({ description: 'JSON', maxLength: 16_384 })) }, closed),
);

export const itemLine: TUnsafe<ItemLine> = describing<ItemLine>()(Type.Object({ id, ...item }, closed));

export const itemAnswer: TUnsafe<ItemAnswer> = describing<ItemAnswer>()(Type.Object({ id, vector: numbers, metadata }));

export const itemStored: TUnsafe<ItemStored> = describing<ItemStored>()(Type.Object({ id, added: Type.Boolean() }));

export const bulkSummary: TUnsafe<BulkSummary> = describing<BulkSummary>()(
  Type.Object({
    done: Type.Literal(true),
    lines: count,
    added: count,
    updated: count,
    failed: count,
    errors: Type.Array(lineError),
  }),
);

export const bulkProgress: TUnsafe<BulkProgress> = describing<BulkProgress>()(
  Type.Object({
    stored: count,
    added: count,
    updated: count,
    failed: count,
    errors: Type.Optional(Type.Array(lineError)),
  }),
);

export const infoAnswer: TUnsafe<InfoAnswer> = describing<InfoAnswer>()(
  Type.Object({
    items: count,
    model: Type.String(),
    metric,
    dimension: count,
    fingerprint: Type.String(),
    size: Type.Optional(count),
    maxK: count,
  }),
);

export const statsAnswer: TUnsafe<StatsAnswer> = describing<StatsAnswer>()(
  Type.Object({
    store: Type.Object({
      items: count,
      bytes: count,
      freeBytes: count,
      dimension: count,
      metric,
      fingerprint: Type.String(),
    }),
    service: Type.Object({ version: Type.String(), uptime: Type.Number(), inFlight: count, rssBytes: count }),
    embedding: Type.Optional(metadata),
  }),
);

export const reloadAnswer: TUnsafe<ReloadAnswer> = describing<ReloadAnswer>()(
  Type.Object({ fingerprint: Type.String(), items: count, modelChanged: Type.Boolean() }),
);

export const healthAnswer: TUnsafe<HealthAnswer> = describing<HealthAnswer>()(
  Type.Object({ status: Type.Union([Type.Literal('ok'), Type.Literal('draining'), Type.Literal('unavailable')]) }),
);

export const errorAnswer: TUnsafe<ErrorAnswer> = describing<ErrorAnswer>()(
  Type.Object({
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      hint: Type.Optional(Type.String()),
      requestId: Type.String(),
    }),
  }),
);
