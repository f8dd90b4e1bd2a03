import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, NearmissError } from '../errors.js';
import type { ErrorAnswer } from './schemas.js';

/** What fastify and its plugins refuse, as errors of ours: code, and what the message says. */
const FRAMEWORK: Readonly<Record<string, readonly [ErrorCode, message: string]>> = {
  FST_ERR_BAD_URL: ['NM_REQUEST_INVALID', 'address: found escapes that are no UTF-8'],
  FST_ERR_MAX_PARAM_LENGTH: ['NM_REQUEST_INVALID', 'address: found an id of more than 1,024 bytes'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['NM_REQUEST_TOO_LARGE', 'body: found more bytes than are allowed'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['NM_REQUEST_INVALID', 'body: found nothing, allowed: JSON'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['NM_REQUEST_INVALID', 'Content-Length: found another length than the body has'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['NM_REQUEST_INVALID', 'body: found text that is no JSON'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'NM_MEDIA_TYPE_UNSUPPORTED',
    'Content-Type: found a type that this route does not read',
  ],
  FST_ERR_CTP_EMPTY_TYPE: ['NM_MEDIA_TYPE_UNSUPPORTED', 'Content-Type: found none'],
  FST_ERR_NOT_FOUND: ['NM_ROUTE_MISSING', 'found no such route'],
  FST_ERR_VALIDATION: ['NM_REQUEST_INVALID', 'found a request that does not fit'],
  FST_REQ_FILE_TOO_LARGE: ['NM_REQUEST_TOO_LARGE', 'multipart: found a file of more bytes than are allowed'],
  FST_FILES_LIMIT: ['NM_REQUEST_TOO_LARGE', 'multipart: found more files than are allowed'],
  FST_FIELDS_LIMIT: ['NM_REQUEST_TOO_LARGE', 'multipart: found more fields than are allowed'],
  FST_PARTS_LIMIT: ['NM_REQUEST_TOO_LARGE', 'multipart: found more parts than are allowed'],
  FST_PROTO_VIOLATION: ['NM_REQUEST_INVALID', 'multipart: found a field of a name that is not allowed'],
  FST_INVALID_MULTIPART_CONTENT_TYPE: ['NM_REQUEST_INVALID', 'Content-Type: found multipart without a boundary'],
  FST_MP_PREMATURE_CLOSE: ['NM_REQUEST_INVALID', 'multipart: found its end missing'],
};

/** Statuses where a request is answered, in place of those in `ERRORS`, which say what a command line or library call did. */
const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  NM_MODEL_CARD_INVALID: 500,
  NM_MODEL_CARD_MISSING: 500,
  NM_MODEL_CORRUPT: 500,
  NM_MODEL_MISMATCH: 500,
  NM_MODEL_MISSING: 500,
  NM_SOURCE_MISSING: 500,
  NM_STORE_CLOSED: 503,
  NM_STORE_INVALID: 500,
  NM_STORE_MISSING: 500,
  NM_STORE_VERSION: 500,
  NM_TOKENS_INVALID: 500,
  NM_WORKER_FAILED: 503,
};

/** Messages of these name files and addresses of the server, which are for its log. */
const INSIDE = /^NM_(STORE|MODEL(?!_ABSENT)|SOURCE|FILE|TOKENS)_/;

/** Seconds after which a refused request may come again. */
const RETRY_AFTER = 1;

/** What a failed request is answered with. */
export interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** Where text is no JSON; of Node's parser and of secure-json-parse. */
function isSyntax(error: Error): boolean {
  return error instanceof SyntaxError || error.name === 'SyntaxError';
}

/** What a request that ended with an error is answered with; the same for the same error, whatever fastify makes of it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof NearmissError) return ownFailure(error);
  if (error instanceof Error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    const known = FRAMEWORK[code];
    if (known) return ownFailure(new NearmissError(...known));
    if (isSyntax(error))
      return ownFailure(new NearmissError('NM_REQUEST_INVALID', `body: ${error.message.slice(0, 200)}`));
    // The client went away, or sent what is no HTTP: nobody reads the answer, and it is no failure of ours.
    if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNABORTED') {
      return ownFailure(new NearmissError('NM_REQUEST_INVALID', 'body: found its end missing'));
    }
    const { statusCode } = error as { statusCode?: unknown };
    if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
      return {
        ...ownFailure(new NearmissError('NM_REQUEST_INVALID', error.message.slice(0, 200))),
        status: statusCode,
      };
    }
  }
  return {
    status: 500,
    code: 'NM_UNEXPECTED',
    message: 'the service failed; its log has the reason under this request id',
    hint: 'Report it with the request id.',
  };
}

function ownFailure({ code, message, hint, status }: NearmissError): Failure {
  const known = STATUS[code] ?? status;
  if (!INSIDE.test(code)) return { status: known, code, message, hint };
  const what = code.startsWith('NM_STORE_') ? 'the store' : code.startsWith('NM_MODEL_') ? 'the model' : 'a file';
  return {
    status: known,
    code,
    message: `${what} of the service cannot be used for this; its log has the reason under this request id`,
    hint: 'Tell who runs the service.',
  };
}

/** Answers a failed request, and logs what is the service's own fault. */
export function answerFailure(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, message, hint } = failureOf(error);
  if (status >= 500 && status !== 503) request.log.error({ err: error, code }, 'request failed');
  else if (status === 503 && code !== 'NM_OVERLOADED')
    request.log.warn({ code, reason: (error as Error).message }, 'request refused');
  if (status === 503 || status === 429) {
    if (!reply.hasHeader('retry-after')) reply.header('retry-after', String(RETRY_AFTER));
  }
  if (status === 401) reply.header('www-authenticate', ['Bearer', 'Basic realm="nearmiss", charset="UTF-8"']);
  const answer: ErrorAnswer = {
    error: { code, message, ...(hint === undefined ? {} : { hint }), requestId: String(request.id) },
  };
  return reply.code(status).type('application/json; charset=utf-8').send(answer);
}
