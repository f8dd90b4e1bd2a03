import { readdir } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type { ServiceContext } from '../context.js';
import { isServable, StaticFile } from '../static-files.js';

/** What the build made of `src/device/page`; as far from the sources as from the built files. */
const FOLDER = new URL('../../../dist/device/page/', import.meta.url);
/** Parts of a page that is its own engine. */
const OF_DEVICES = new Set(['worker.js', 'sw.js', 'config.json']);
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The search page at `/`: the one that runs on devices, with this service as its engine. */
export async function pageRoutes(app: FastifyInstance, { options }: ServiceContext): Promise<void> {
  const names: readonly string[] = await readdir(FOLDER).catch(() => []);
  if (!names.includes('index.html')) {
    app.log.warn('the search page has not been built (npm run build:page), so / answers 404');
    return;
  }
  const config = { backend: 'http', ...(options.title === undefined ? {} : { title: options.title }) };
  const files = new Map([['config.json', new StaticFile('config.json', JSON.stringify(config))]]);
  for (const name of names) {
    if (isServable(name) && !OF_DEVICES.has(name)) files.set(name, new StaticFile(name, new URL(name, FOLDER)));
  }
  const route = { config: { nearmiss: { scope: 'read' } }, schema: { hide: true } } as const;
  for (const [name, file] of files) {
    const url = name === 'index.html' ? '/' : `/${name}`;
    app.get(url, route, (request, reply) => {
      // The page may ask for the camera of its device.
      void reply.header('permissions-policy', 'camera=(self)');
      return file.answer(request, reply, POLICY);
    });
  }
}
