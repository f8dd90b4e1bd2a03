import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { NearmissError } from '../errors.js';

export interface StaticServer {
  /** Where the folder is, `http://localhost:PORT/`. */
  readonly url: string;
  /** Ends all connections; a second call waits for the first. */
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/**
 * Serves the files of a folder to this machine only: with their types, by ranges, and asked about by ETag so that nothing
 * old is shown.
 *
 * @param port 0 for any that is free
 * @throws `NM_OPTION_INVALID` for a port that cannot be had
 */
export async function serveFolder(folder: string, port: number): Promise<StaticServer> {
  const root = await realpath(folder);
  const server = createServer((request, response) => {
    answer(root, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else finish(response, 500);
    });
  });
  await listen(server, port);
  let closing: Promise<void> | undefined;
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `port: found ${port}, which cannot be had (${cause.message}), allowed: a free one, 0 for any`;
      reject(new NearmissError('NM_OPTION_INVALID', message, { cause }));
    });
    server.listen(port, 'localhost', resolve);
  });
}

function finish(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-length': '0', ...headers });
  response.end();
}

async function answer(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return finish(response, 405, { allow: 'GET, HEAD' });
  const path = await fileOf(root, request.url ?? '/');
  const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
  if (path === undefined || !found?.isFile()) return finish(response, 404);
  const { size, mtimeMs } = found;
  const etag = `"${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`;
  const headers = {
    'accept-ranges': 'bytes',
    'cache-control': 'no-cache',
    'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    etag,
  };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers);
    response.end();
    return;
  }
  const { range, 'if-range': unless } = request.headers;
  const part = unless === undefined || unless === etag ? rangeOf(range, size) : undefined;
  if (part === 'unsatisfiable') return finish(response, 416, { 'content-range': `bytes */${size}` });
  const { start, end } = part ?? { start: 0, end: size - 1 };
  response.writeHead(part ? 206 : 200, {
    ...headers,
    'content-length': end - start + 1,
    ...(part ? { 'content-range': `bytes ${start}-${end}/${size}` } : {}),
  });
  if (request.method === 'HEAD' || size === 0) response.end();
  // A reader that goes away ends the file, too.
  else pipeline(createReadStream(path, { start, end }), response, () => undefined);
}

/** The file of an address, within the root even through links; undefined where there is none. */
async function fileOf(root: string, address: string): Promise<string | undefined> {
  let name: string;
  try {
    name = decodeURIComponent(new URL(address, 'http://localhost').pathname);
  } catch {
    return undefined;
  }
  if (name.includes('\0')) return undefined;
  const path = await realpath(join(root, name.endsWith('/') ? `${name}index.html` : name)).catch(() => undefined);
  return path?.startsWith(root.endsWith(sep) ? root : root + sep) ? path : undefined;
}

/** One range of bytes; undefined for none, and for several or other units, which may be answered whole. */
function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined {
  const parts = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!parts || (parts[1] === '' && parts[2] === '')) return undefined;
  const [first, last] = [parts[1]!, parts[2]!];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  return start >= size || (first === '' && Number(last) === 0) ? 'unsatisfiable' : { start, end };
}
