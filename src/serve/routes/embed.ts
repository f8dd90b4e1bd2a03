import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BYTES_TYPE } from '../bodies.js';
import { type ServiceContext, withDeadline } from '../context.js';
import { checkBatch, embed, encoderOf, fromBase64, type Pictures, readPictures, rowsOf } from '../pictures.js';
import {
  type EmbedAnswer,
  type EmbedBody,
  type EmbedParameters,
  embedAnswer,
  embedBody,
  embedParameters,
} from '../schemas.js';
import { accepts, answers, bodies } from './describe.js';

/** `POST /v1/embed`. */
export function embedRoutes(app: FastifyInstance, { backends, metrics, limits }: ServiceContext): void {
  app.post(
    '/v1/embed',
    {
      config: { nearmiss: { scope: 'read', work: true } },
      schema: {
        summary: 'Embeds pictures',
        description: `Answers JSON or, with \`Accept: ${BYTES_TYPE}\`, float32 little-endian [pictures, dimension].`,
        tags: ['search'],
        querystring: embedParameters,
        body: bodies(embedBody),
        response: answers(embedAnswer, 'Vectors', [BYTES_TYPE]),
      },
    },
    (request: FastifyRequest<{ Querystring: EmbedParameters }>, reply) =>
      backends.use(({ embedding: present }) =>
        withDeadline(request, reply, limits.answerTimeout, async (signal) => {
          const embedding = encoderOf(present);
          const pictures = await picturesOf(request);
          const { result, ms } = await metrics.time('embed', () => embed(embedding, pictures, signal));
          return answer(request, reply, result, ms, embedding);
        }),
      ),
  );

  async function picturesOf(request: FastifyRequest<{ Querystring: EmbedParameters }>): Promise<Pictures> {
    if (request.mediaType !== 'application/json') {
      return readPictures(request, request.query.size, limits, backends.backend.embedding);
    }
    const { pictures } = request.body as EmbedBody;
    checkBatch(pictures.length, limits, 'pictures');
    return { files: pictures.map((text, i) => fromBase64(text, `body.pictures.${i}`)), fields: {} };
  }
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  vectors: Float32Array,
  ms: number,
  { dim, fingerprint }: { readonly dim: number; readonly fingerprint: string },
): FastifyReply {
  if (accepts(request, BYTES_TYPE)) {
    return reply
      .type(BYTES_TYPE)
      .header('x-nearmiss-dimension', String(dim))
      .header('x-nearmiss-fingerprint', fingerprint)
      .send(Buffer.from(vectors.buffer, vectors.byteOffset, vectors.byteLength));
  }
  const rows = rowsOf(vectors, dim).map((row) => Array.from(row));
  const body: EmbedAnswer = { fingerprint, dimension: dim, vectors: rows, ms: { embed: ms } };
  return reply.send(body);
}
