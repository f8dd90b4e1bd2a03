import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NearmissError } from '../../errors.js';
import { LINES_TYPE } from '../bodies.js';
import { BulkWrite } from '../bulk.js';
import type { ServiceContext } from '../context.js';
import { failureOf } from '../http-errors.js';
import { readLines } from '../lines.js';
import { type BulkProgress, bulkSummary, itemLine } from '../schemas.js';
import { accepts, answers } from './describe.js';

/** `POST /v1/items`. */
export function bulkRoutes(app: FastifyInstance, context: ServiceContext): void {
  const { backends, limits } = context;
  app.post(
    '/v1/items',
    {
      config: { nearmiss: { scope: 'write', work: true, stream: true } },
      schema: {
        summary: 'Stores many items, one a line',
        description:
          'Lines of JSON as in `PUT /v1/items/{id}`, with their id. Batches are stored as they come; lines that are no items are ' +
          `told of and passed over. With \`Accept: ${LINES_TYPE}\` a line comes back for every batch that is durable, and the ` +
          'summary at the end, or `{"error": …}` where it ended early; else the summary only.',
        tags: ['items'],
        body: { content: { [LINES_TYPE]: { schema: { ...itemLine, format: 'binary' } } } },
        response: answers(bulkSummary, 'What was stored', [LINES_TYPE]),
      },
    },
    (request: FastifyRequest, reply) =>
      backends.use(async (backend) => {
        if (request.mediaType !== LINES_TYPE) {
          const found = request.mediaType ?? 'none';
          throw new NearmissError('NM_MEDIA_TYPE_UNSUPPORTED', `Content-Type: found ${found}, allowed: ${LINES_TYPE}`);
        }
        const controller = new AbortController();
        const gone = (): void =>
          controller.abort(new NearmissError('NM_REQUEST_INVALID', 'body: found its end missing'));
        reply.raw.once('close', gone);
        const bulk = new BulkWrite(backend, context, controller.signal);
        const lines = readLines(request.raw, {
          maxBytes: limits.maxBodyBytes,
          timeout: limits.bodyTimeout,
          signal: controller.signal,
        });
        try {
          if (accepts(request, LINES_TYPE)) return await stream(bulk, bulk.write(lines), request, reply);
          for await (const _ of bulk.write(lines));
          return bulk.summary;
        } catch (error) {
          // What is left of the body is not read.
          void reply.header('connection', 'close');
          throw withCounts(error, bulk);
        } finally {
          reply.raw.off('close', gone);
        }
      }),
  );
}

/** Says with an error what was stored before it, so that the sender can go on from there. */
function withCounts(error: unknown, { summary: { added, updated } }: BulkWrite): unknown {
  if (!(error instanceof NearmissError) || failureOf(error).code === 'NM_UNEXPECTED') return error;
  const message = `${error.message} (stored before that: ${added} added, ${updated} updated)`;
  return new NearmissError(error.code, message, { hint: error.hint, cause: error });
}

/**
 * Answers with a line a batch. The status is sent with the first batch: what fails before it fails as in any other request. What
 * is written is little and bounded, so it does not wait for a client that reads only when it has sent everything.
 */
async function stream(
  bulk: BulkWrite,
  batches: AsyncGenerator<BulkProgress>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const first = await batches.next();
  const out = new PassThrough({ highWaterMark: Number.MAX_SAFE_INTEGER });
  const write = (line: object): boolean => out.write(`${JSON.stringify(line)}\n`);
  void reply.type(LINES_TYPE).header('x-accel-buffering', 'no').send(out);
  try {
    for (let batch = first; !batch.done; batch = await batches.next()) write(batch.value);
    write(bulk.summary);
    out.end();
  } catch (error) {
    const { code, message, hint, status } = failureOf(error);
    if (status >= 500) request.log.error({ err: error, code }, 'stream of items failed');
    write({ error: { code, message, ...(hint === undefined ? {} : { hint }), requestId: String(request.id) } });
    out.end();
    // What is left of the body is not read, and the connection is of no further use.
    out.once('close', () => request.raw.socket.destroySoon());
  }
  return reply;
}
