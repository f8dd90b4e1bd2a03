import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
};

/** Whether a file is of a type that is served. */
export function isServable(name: string): boolean {
  return Object.hasOwn(TYPES, extname(name));
}

/** A file of the program itself, or a text in its place; read once. */
export class StaticFile {
  private content: Promise<{ readonly bytes: Buffer; readonly etag: string }> | undefined;

  constructor(
    private readonly name: string,
    private readonly source: URL | string,
  ) {}

  /** Answers with the file under a content security policy. */
  async answer(request: FastifyRequest, reply: FastifyReply, policy: string): Promise<FastifyReply> {
    this.content ??= this.read();
    const { bytes, etag } = await this.content;
    void reply.header('content-security-policy', policy).header('etag', etag).header('cache-control', 'no-cache');
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type(TYPES[extname(this.name)]!).send(bytes);
  }

  private async read(): Promise<{ readonly bytes: Buffer; readonly etag: string }> {
    const bytes = typeof this.source === 'string' ? Buffer.from(this.source) : await readFile(this.source);
    return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
  }
}
