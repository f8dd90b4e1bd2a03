import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { JsonObject } from '../../retrieve/items.js';
import { version } from '../../version.js';
import type { ServiceContext } from '../context.js';
import {
  type HealthAnswer,
  healthAnswer,
  type InfoAnswer,
  infoAnswer,
  type ReloadAnswer,
  reloadAnswer,
  type StatsAnswer,
  statsAnswer,
} from '../schemas.js';
import { answers } from './describe.js';

/** How long the store may take to show that it is there, ms. */
const READY_TIMEOUT = 1000;

/** Looking at the service, and reloading it: `/healthz`, `/readyz`, `/metrics`, `/v1/info`, `/v1/stats`, `/v1/admin/reload`. */
export function operationRoutes(app: FastifyInstance, context: ServiceContext): void {
  const { backends, metrics, intake, limits } = context;
  const open = { nearmiss: { scope: 'open' } } as const;
  const read = { nearmiss: { scope: 'read' } } as const;
  const tags = ['operation'];

  app.get(
    '/healthz',
    {
      config: open,
      schema: { summary: 'Whether the process answers', tags, response: answers(healthAnswer, 'It does') },
    },
    (): HealthAnswer => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      config: open,
      schema: {
        summary: 'Whether requests should come here',
        tags,
        response: { ...answers(healthAnswer, 'They should'), ...answers(healthAnswer, 'Not now', [], 503) },
      },
    },
    async (request, reply): Promise<HealthAnswer> => {
      const status = intake.draining ? 'draining' : await readiness();
      if (status !== 'ok') void reply.code(503);
      if (status === 'unavailable') request.log.warn('not ready');
      return { status };
    },
  );

  app.get(
    '/metrics',
    {
      config: read,
      schema: {
        summary: 'Measurements for Prometheus',
        tags,
        response: { 200: { description: 'Text', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (_, reply) => {
      const { type, body } = await metrics.text();
      return reply.type(type).send(body);
    },
  );

  app.get(
    '/v1/info',
    {
      config: read,
      schema: { summary: 'What is searched here', tags, response: answers(infoAnswer, 'About the store') },
    },
    () =>
      backends.use(async ({ store, embedding }): Promise<InfoAnswer> => {
        const { metric, dimension, fingerprint } = store.info;
        return {
          items: await store.count(),
          model: embedding?.card.name ?? '',
          metric,
          dimension,
          fingerprint,
          ...(embedding ? { size: embedding.size } : {}),
          maxK: limits.maxK,
        };
      }),
  );

  app.get(
    '/v1/stats',
    { config: read, schema: { summary: 'Sizes and counts', tags, response: answers(statsAnswer, 'Now') } },
    () =>
      backends.use(async ({ store, embedding }): Promise<StatsAnswer> => {
        const { metric, dimension, fingerprint } = store.info;
        const service = {
          version,
          uptime: process.uptime(),
          inFlight: intake.inFlight,
          rssBytes: process.memoryUsage.rss(),
        };
        const counts = embedding && (JSON.parse(JSON.stringify(embedding.stats())) as JsonObject);
        const { items, bytes, freeBytes } = await store.stats();
        return {
          store: { items, bytes, freeBytes, dimension, metric, fingerprint },
          service,
          ...(counts ? { embedding: counts } : {}),
        };
      }),
  );

  app.post(
    '/v1/admin/reload',
    {
      config: { nearmiss: { scope: 'write' } },
      schema: {
        summary: 'Opens the store, the model and the tokens again',
        description: 'Requests in work end on the old ones. Where anything fails, all stays as it was.',
        tags,
        response: answers(reloadAnswer, 'Done'),
      },
    },
    async (request): Promise<ReloadAnswer> => {
      intake.refuseWhileDraining();
      const { backend, modelChanged } = await backends.reload();
      const answer = { fingerprint: backend.store.info.fingerprint, items: await backend.store.count(), modelChanged };
      request.log.info(answer, 'reloaded');
      return answer;
    },
  );

  async function readiness(): Promise<'ok' | 'unavailable'> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'unavailable'>((resolve) => {
      timer = setTimeout(() => resolve('unavailable'), READY_TIMEOUT);
    });
    const there = backends.use(async ({ store }) => {
      await store.count();
      return 'ok' as const;
    });
    try {
      return await Promise.race([there.catch(() => 'unavailable' as const), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
