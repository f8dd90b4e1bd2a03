import type { BundleContent } from '../device-config.js';

// Keeps all files of one version of the page. A new version is stored beside the old one, every file checked against its
// SHA-256, and takes over as a whole when no page uses the old one any more or the person asks for it.

/** What of `ServiceWorkerGlobalScope` is used here: TypeScript's library of it does not go with that of pages. */
interface ServiceWorkerScope {
  /** Written above this program by `nearmiss bundle`. */
  readonly nearmissBundle: BundleContent;
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: LastingEvent) => void): void;
  addEventListener(type: 'message', listener: (event: LastingEvent & MessageEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: RequestEvent) => void): void;
}

interface LastingEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface RequestEvent extends LastingEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

declare const self: ServiceWorkerScope;

const { version, files } = self.nearmissBundle;
/** Caches belong to the origin; other pages of it have theirs. */
const prefix = `nearmiss ${self.registration.scope} `;
const cacheName = prefix + version;
const addresses = new Set(files.map(({ path }) => new URL(path, self.registration.scope).href));

async function storeAll(): Promise<void> {
  const cache = await caches.open(cacheName);
  try {
    // All or none. What the browser has already is only asked about.
    await cache.addAll(files.map(({ path, integrity }) => new Request(path, { cache: 'no-cache', integrity })));
  } catch (error) {
    await caches.delete(cacheName);
    throw error;
  }
}

async function forgetOthers(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith(prefix) && name !== cacheName).map((name) => caches.delete(name)),
  );
}

async function answer(request: Request, address: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  // Browsers may clear caches when space runs out.
  return (await cache.match(address)) ?? fetch(request);
}

self.addEventListener('install', (event) => event.waitUntil(storeAll()));
self.addEventListener('activate', (event) => event.waitUntil(forgetOthers()));
self.addEventListener('message', (event) => {
  const message = event.data as { readonly activate?: true; readonly claim?: string };
  if (message.activate) event.waitUntil(self.skipWaiting());
  // Only a page of this very version may go on with its files.
  if (message.claim === version) event.waitUntil(self.clients.claim());
});
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  url.search = '';
  url.hash = '';
  const address = url.href.endsWith('/index.html') ? url.href.slice(0, -'index.html'.length) : url.href;
  if (request.method === 'GET' && addresses.has(address)) event.respondWith(answer(request, address));
});
