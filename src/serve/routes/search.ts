import type { FastifyInstance, FastifyRequest } from 'fastify';
import { NearmissError } from '../../errors.js';
import { checkFilter, type Filter } from '../../retrieve/filter.js';
import type { Hits, SearchOptions, Store } from '../../retrieve/store.js';
import type { Backend } from '../backends.js';
import { type ServiceContext, withDeadline } from '../context.js';
import {
  checkBatch,
  checkEncoder,
  embed,
  encoderOf,
  fromBase64,
  readPictures,
  rowsOf,
  vectorFrom,
} from '../pictures.js';
import {
  type Query,
  type SearchAnswer,
  type SearchAnswers,
  type SearchBody,
  type SearchParameters,
  type SearchResult,
  type SearchSettings,
  type StageTimes,
  searchAnswer,
  searchBody,
  searchParameters,
} from '../schemas.js';
import { answers, bodies } from './describe.js';

/** Hits a query where nothing is asked for. */
const DEFAULT_K = 10;

type SearchRequest = FastifyRequest<{ Querystring: SearchParameters }>;

/** What is searched for, with the time that it took to embed. */
interface Questions {
  readonly vectors: readonly Float32Array[];
  /** Whether the answer is that of one query, without `results`. */
  readonly single: boolean;
  readonly settings: SearchSettings;
  readonly embedMs: number | undefined;
}

/** `POST /v1/search`. */
export function searchRoutes(app: FastifyInstance, context: ServiceContext): void {
  const { backends, metrics, limits } = context;
  app.post(
    '/v1/search',
    {
      config: { nearmiss: { scope: 'read', work: true } },
      schema: {
        summary: 'Finds the stored items nearest to pictures, vectors or other items',
        description:
          'A picture as the body, or JSON without `queries`, is one query; `queries`, a form, and raw pixels are several. ' +
          'Settings of the address hold where the body says nothing.',
        tags: ['search'],
        querystring: searchParameters,
        body: bodies(searchBody),
        response: answers(searchAnswer, 'Hits, best first'),
      },
    },
    (request: SearchRequest, reply) =>
      backends.use((backend) =>
        withDeadline(request, reply, limits.answerTimeout, async (signal) => {
          const questions = await questionsOf(request, backend, context, signal);
          const { vectors, single, settings, embedMs } = questions;
          const options = searchOptions(settings, vectors.length, backend.store, context);
          const { result: lists, ms } = await metrics.time('search', () =>
            backend.searches.search(vectors, options, signal),
          );
          const times: StageTimes = { ...(embedMs === undefined ? {} : { embed: embedMs }), search: ms };
          for (const { exactChecks } of lists) if (exactChecks !== undefined) metrics.checked(exactChecks);
          const results = lists.map(resultOf);
          const body: SearchAnswer | SearchAnswers = single ? { ...results[0]!, ms: times } : { results, ms: times };
          return body;
        }),
      ),
  );
}

function resultOf(hits: Hits): SearchResult {
  const { exactChecks } = hits;
  return exactChecks === undefined ? { hits } : { hits, exactChecks };
}

async function questionsOf(
  request: SearchRequest,
  backend: Backend,
  { metrics, limits }: ServiceContext,
  signal: AbortSignal,
): Promise<Questions> {
  const { size, filter, ...rest } = request.query;
  const given: SearchSettings = { ...rest, ...(filter === undefined ? {} : { filter: parseFilter(filter) }) };
  const { embedding, store } = backend;
  if (request.mediaType !== 'application/json') {
    const pictures = await readPictures(request, size, limits, embedding);
    const encoder = encoderOf(embedding);
    const { result, ms } = await metrics.time('embed', () => embed(encoder, pictures, signal));
    const single = 'files' in pictures && request.mediaType !== 'multipart/form-data';
    return { vectors: rowsOf(result, encoder.dim), single, settings: given, embedMs: ms };
  }
  const { queries, picture, vector, id, ...own } = request.body as SearchBody;
  const single = queries === undefined;
  if (!single && (picture ?? vector ?? id) !== undefined) {
    throw new NearmissError('NM_REQUEST_INVALID', 'body: found queries beside another query, allowed: one of the two');
  }
  const asked: readonly Query[] = queries ?? [
    {
      ...(picture === undefined ? {} : { picture }),
      ...(vector === undefined ? {} : { vector }),
      ...(id === undefined ? {} : { id }),
    },
  ];
  checkBatch(asked.length, limits, 'queries');
  const vectors: (Float32Array | undefined)[] = [];
  const files: Uint8Array[] = [];
  for (const [i, query] of asked.entries()) {
    const place = single ? 'body' : `body.queries.${i}`;
    checkQuery(query, place);
    if (query.picture !== undefined) files.push(fromBase64(query.picture, `${place}.picture`));
    vectors.push(
      query.vector !== undefined
        ? vectorFrom(query.vector, store.info.dimension, `${place}.vector`)
        : query.id !== undefined
          ? await itemVector(store, query.id)
          : undefined,
    );
  }
  let embedMs: number | undefined;
  if (files.length > 0) {
    const encoder = encoderOf(embedding);
    const { result, ms } = await metrics.time('embed', () => encoder.embedPictures(files, signal));
    embedMs = ms;
    const rows = rowsOf(result, encoder.dim).values();
    for (const [i, vector] of vectors.entries()) vectors[i] = vector ?? rows.next().value;
  }
  return { vectors: vectors as Float32Array[], single, settings: { ...given, ...own }, embedMs };
}

function checkQuery(query: Query, place: string): void {
  const given = (['picture', 'vector', 'id'] as const).filter((name) => query[name] !== undefined);
  if (given.length === 1) return;
  const found = given.length === 0 ? 'none' : given.join(' and ');
  throw new NearmissError('NM_REQUEST_INVALID', `${place}: found ${found}, allowed: one of picture, vector, id`);
}

async function itemVector(store: Store, id: string): Promise<Float32Array> {
  const item = await store.get(id);
  if (item) return item.vector;
  throw new NearmissError('NM_ITEM_MISSING', `found no item ${JSON.stringify(id.slice(0, 80))}`);
}

function parseFilter(text: string): Filter {
  let filter: unknown;
  try {
    filter = JSON.parse(text);
  } catch (cause) {
    throw new NearmissError('NM_FILTER_INVALID', 'filter: found text that is no JSON', { cause });
  }
  checkFilter(filter);
  return filter;
}

function searchOptions(
  { k: asked, filter, radius, mode, fingerprint }: SearchSettings,
  queries: number,
  { info }: Store,
  { limits }: ServiceContext,
): SearchOptions {
  const k = asked ?? Math.min(DEFAULT_K, limits.maxK);
  if (k > limits.maxK) {
    throw new NearmissError('NM_REQUEST_INVALID', `k: found ${k}, allowed: at most ${limits.maxK}`);
  }
  if (k * queries > limits.maxHits) {
    throw new NearmissError(
      'NM_REQUEST_TOO_LARGE',
      `k: found ${queries} queries of ${k} hits, allowed: at most ${limits.maxHits} hits in a request`,
    );
  }
  checkEncoder(info.fingerprint, fingerprint, 'fingerprint');
  if (filter !== undefined) checkFilter(filter);
  return {
    k,
    ...(filter === undefined ? {} : { filter }),
    ...(radius === undefined ? {} : { radius }),
    ...(mode === undefined ? {} : { mode }),
  };
}
