import type { Filter } from '../retrieve/filter.js';
import type { JsonObject } from '../retrieve/items.js';
import type { Metric } from '../retrieve/vectors.js';

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

/** Settings of a search in the address; `filter` is JSON. `size`: the body is raw pixels of this side. */
export interface SearchParameters extends Omit<SearchSettings, 'filter'> {
  readonly filter?: string;
  readonly size?: number;
}

export interface EmbedParameters {
  readonly size?: number;
}

/** Metadata of an item whose body is a picture file: JSON in the address. */
export interface ItemSettings {
  readonly metadata?: string;
}
