import type { FastifyInstance } from 'fastify';
import { NearmissError } from '../errors.js';
import type { ServiceLimits } from './options.js';

/** Bodies that are a picture file. */
export const PICTURE_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/avif', 'image/gif'] as const;
/** Raw pixels, or a picture file of unknown type. */
export const BYTES_TYPE = 'application/octet-stream';
export const LINES_TYPE = 'application/x-ndjson';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Bytes as text; `NM_REQUEST_INVALID` where they are no UTF-8, which would otherwise be stored changed. */
export function textOf(bytes: Uint8Array, place: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new NearmissError('NM_REQUEST_INVALID', `${place}: found bytes that are no UTF-8`, { cause });
  }
}

/** Reads the bodies that our routes take, in place of whatever the app around them reads; all others are refused. */
export function addBodyParsers(app: FastifyInstance, { maxBodyBytes: bodyLimit }: ServiceLimits): void {
  app.removeAllContentTypeParsers();
  // Names of the prototype are refused, not dropped: nothing that comes in is silently changed.
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer', bodyLimit }, (request, body, done) => {
    let text: string;
    try {
      text = textOf(body as Buffer, 'body');
    } catch (error) {
      done(error as Error);
      return;
    }
    void parse(request, text, done);
  });
  app.addContentTypeParser([...PICTURE_TYPES, BYTES_TYPE], { parseAs: 'buffer', bodyLimit }, (_, body, done) =>
    done(null, body),
  );
  // Read by its route, line by line.
  app.addContentTypeParser(LINES_TYPE, (_, payload, done) => done(null, payload));
}
