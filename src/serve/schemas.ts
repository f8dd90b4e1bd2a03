import Type, { type Static, type TSchema, type TUnsafe } from 'typebox';
import type { Filter } from '../retrieve/filter.js';
import type { JsonObject } from '../retrieve/items.js';
import { MAX_DIMENSION, METRICS } from '../retrieve/vectors.js';
import type {
  BulkProgress,
  BulkSummary,
  EmbedAnswer,
  EmbedBody,
  EmbedParameters,
  ErrorAnswer,
  HealthAnswer,
  InfoAnswer,
  ItemAnswer,
  ItemBody,
  ItemLine,
  ItemSettings,
  ItemStored,
  ReloadAnswer,
  SearchAnswer,
  SearchAnswers,
  SearchBody,
  SearchParameters,
  StatsAnswer,
} from './messages.js';

export type * from './messages.js';

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

export const embedParameters: TUnsafe<EmbedParameters> = describing<EmbedParameters>()(Type.Object({ size }, closed));

export const embedAnswer: TUnsafe<EmbedAnswer> = describing<EmbedAnswer>()(
  Type.Object({ fingerprint: Type.String(), dimension: count, vectors: Type.Array(numbers), ms: times }),
);

export const itemParameters: TUnsafe<{ readonly id: string }> = describing<{ readonly id: string }>()(
  Type.Object({ id }),
);

export const itemBody: TUnsafe<ItemBody> = describing<ItemBody>()(Type.Object(item, closed));

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
