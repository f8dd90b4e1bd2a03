/**
 * What the page asks for answers: an encoder and an index of its own in a worker (`device-backend.ts`), or a server
 * (`http-backend.ts`). Which one, `config.json` beside the page says:
 *
 *     { "backend": "device", "version": "…", "title": "…", "engine": "own" }   written by `nearmiss bundle`
 *     { "backend": "http", "title": "…" }                                      served by `nearmiss serve`
 *
 * The page is the folder dist/device/page (index.html, app.js, style.css, icons, manifest.webmanifest); a server serves
 * its files at `/` and answers there `config.json`. A page of the kind `http` uses neither worker.js nor sw.js. It asks, all
 * relative to the page's own address:
 *
 *     GET  v1/info                   → 200 { "items": 1911, "model": "tiny-resnet 32x32", "metric": "cosine" }
 *     POST v1/search?k=12            content-type: image/png (the file's own type), body: the picture's bytes as they are
 *     POST v1/search?k=12            content-type: application/json, body: { "id": "a/b.png" }: more like this item, which
 *                                    may be among its own hits; the page leaves it out
 *                                    → 200 { "hits": [{ "id", "score", "metadata"? }], "ms"?: { "embed"?: 1.2, "search"?: 0.3 } }
 *     GET  v1/items/ID/thumbnail     ID by encodeURIComponent → 200 image/*; 404 where there is no picture of it
 *
 * Errors are any status from 400 with { "error": { "code", "message", "hint"? } } as JSON; the page shows message and hint.
 */
import type { Metric } from '../../retrieve/vectors.js';

/** `config.json` of a page. */
export interface PageConfig {
  readonly backend: 'device' | 'http';
  readonly title?: string;
  /** Names the bundle's content; of device pages. */
  readonly version?: string;
  /** What embeds on the device: our own engine, or onnxruntime-web. */
  readonly engine?: 'own' | 'ort';
}

export interface BackendInfo {
  /** Items of the shipped index. */
  readonly items: number;
  /** The encoder in words. */
  readonly model: string;
  readonly metric: Metric;
  /** Pictures that the person added on this device; undefined where the backend keeps none. */
  readonly own?: OwnItems;
  /** Why none can be kept, where that is a fault. */
  readonly ownFault?: string;
}

/** How many pictures the person has added, and how many of those this encoder cannot read. */
export interface OwnItems {
  readonly count: number;
  /** Added with an encoder of another picture size, so they cannot be embedded anew. */
  readonly unusable: number;
}

/** An item as the page shows it. */
export interface PageItem {
  readonly id: string;
  /** What the item is called: its metadata's `title`, `label` or `name`, else the name of its file. */
  readonly title: string;
  /** Address of its thumbnail, where there is one. */
  readonly picture?: string;
  /** Added on this device, so it can be removed. */
  readonly own: boolean;
}

export interface PageHit extends PageItem {
  /** Cosine, inner product, or distance under `l2`. */
  readonly score: number;
}

/** Hits, best first, with times in milliseconds where they are known. */
export interface Answer {
  readonly hits: readonly PageHit[];
  /** Embedding; with it decoding and resizing are not counted. */
  readonly embed?: number;
  readonly search?: number;
  /** The whole question, as the page saw it. */
  readonly total: number;
}

/** What a question is about: a picture, or an item by its id. */
export type Question = { readonly picture: Blob } | { readonly id: string };

/** Errors of its methods are rejections with a `code` and `hint` where they are expected ones (`NearmissError`). */
export interface SearchBackend {
  /** Loads what is needed; `onProgress` hears bytes loaded and, where known, bytes in all. */
  open(onProgress: (done: number, total: number | undefined) => void): Promise<BackendInfo>;
  search(question: Question, k: number): Promise<Answer>;
  /** The person's own items, where the backend keeps any. */
  readonly own?: OwnBackend;
}

export interface OwnBackend {
  /** Adds the picture of the last question. */
  add(title: string): Promise<OwnItems>;
  remove(id: string): Promise<OwnItems>;
  /** The newest first. */
  list(): Promise<readonly PageItem[]>;
}
