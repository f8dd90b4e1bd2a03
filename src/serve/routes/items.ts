import type { FastifyInstance, FastifyRequest } from 'fastify';
import { NearmissError } from '../../errors.js';
import { checkId, type JsonObject } from '../../retrieve/items.js';
import type { Store, StoredItem } from '../../retrieve/store.js';
import type { Backend } from '../backends.js';
import { type ServiceContext, withDeadline } from '../context.js';
import { checkedInput, type ItemInput, itemInput, storable } from '../item-input.js';
import { encoderOf, readPictures } from '../pictures.js';
import {
  type ItemAnswer,
  type ItemBody,
  type ItemSettings,
  type ItemStored,
  itemAnswer,
  itemBody,
  itemParameters,
  itemSettings,
  itemStored,
} from '../schemas.js';
import { answers, bodies } from './describe.js';

type ItemRequest = FastifyRequest<{ Params: { readonly id: string }; Querystring: ItemSettings }>;

/** `PUT`, `GET` and `DELETE /v1/items/{id}`, and its thumbnail. */
export function itemRoutes(app: FastifyInstance, context: ServiceContext): void {
  const { backends, metrics, limits } = context;
  app.put(
    '/v1/items/:id',
    {
      config: { nearmiss: { scope: 'write', work: true } },
      schema: {
        summary: 'Stores an item, in place of one of this id',
        description: 'The answer comes when the item is durable.',
        tags: ['items'],
        params: itemParameters,
        querystring: itemSettings,
        body: bodies(itemBody),
        response: { ...answers(itemStored, 'Replaced'), ...answers(itemStored, 'Added', [], 201) },
      },
    },
    (request: ItemRequest, reply) =>
      backends.use((backend) =>
        withDeadline(request, reply, limits.answerTimeout, async (signal) => {
          const input = await inputOf(request, backend, context);
          const vector = input.vector ?? (await embedOne(input.picture!, backend, signal));
          signal.throwIfAborted();
          const { result } = await metrics.time('write', () => backend.store.upsert([storable(input, vector)]));
          const body: ItemStored = { id: input.id, added: result.added > 0 };
          return reply.code(body.added ? 201 : 200).send(body);
        }),
      ),
  );

  app.get(
    '/v1/items/:id',
    {
      config: { nearmiss: { scope: 'read', work: true } },
      schema: {
        summary: 'Reads an item',
        tags: ['items'],
        params: itemParameters,
        response: answers(itemAnswer, 'The item'),
      },
    },
    (request: ItemRequest) =>
      backends.use(async ({ store }) => {
        const { id, vector, metadata } = await existing(store, request.params.id);
        const body: ItemAnswer = { id, vector: Array.from(vector), metadata };
        return body;
      }),
  );

  app.delete(
    '/v1/items/:id',
    {
      config: { nearmiss: { scope: 'write', work: true } },
      schema: {
        summary: 'Removes an item',
        tags: ['items'],
        params: itemParameters,
        response: answers(undefined, 'Removed', [], 204),
      },
    },
    (request: ItemRequest, reply) =>
      backends.use(async ({ store }) => {
        const { id } = request.params;
        checkId(id, 'item');
        const { result } = await metrics.time('write', () => store.delete([id]));
        if (result === 0) throw missing(id);
        return reply.code(204).send();
      }),
  );

  app.get(
    '/v1/items/:id/thumbnail',
    {
      config: { nearmiss: { scope: 'read', work: true } },
      schema: {
        summary: "An item's picture, small",
        tags: ['items'],
        params: itemParameters,
        response: answers(undefined, 'A picture', ['image/webp', 'image/png', 'image/jpeg', 'image/avif', 'image/gif']),
      },
    },
    (request: ItemRequest, reply) =>
      backends.use(async ({ store, thumbnails }) => {
        const thumbnail = await thumbnails.of(await existing(store, request.params.id));
        if (!thumbnail) throw missing(request.params.id, 'picture of item');
        const { type, bytes, etag } = thumbnail;
        void reply.header('cache-control', 'private, max-age=300').header('etag', etag);
        if (request.headers['if-none-match'] === etag) return reply.code(304).send();
        return reply.type(type).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      }),
  );
}

function missing(id: string, what: string = 'item'): NearmissError {
  return new NearmissError('NM_ITEM_MISSING', `found no ${what} ${JSON.stringify(id.slice(0, 80))}`);
}

async function existing(store: Store, id: string): Promise<StoredItem> {
  checkId(id, 'item');
  const item = await store.get(id);
  if (!item) throw missing(id);
  return item;
}

async function inputOf(
  request: ItemRequest,
  { store, embedding }: Backend,
  { limits }: ServiceContext,
): Promise<ItemInput> {
  const { id } = request.params;
  const { metadata: text } = request.query;
  if (request.mediaType === 'application/json') {
    if (text !== undefined) {
      throw new NearmissError('NM_REQUEST_INVALID', 'address.metadata: found with a JSON body, allowed: in the body');
    }
    return itemInput(id, request.body as ItemBody, store, 'body');
  }
  const pictures = await readPictures(request, undefined, limits, embedding);
  if (!('files' in pictures) || pictures.files.length !== 1) {
    throw new NearmissError('NM_REQUEST_INVALID', 'multipart: found several pictures, allowed: one');
  }
  const { metadata = text, ...others } = pictures.fields;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new NearmissError(
      'NM_REQUEST_INVALID',
      `multipart: found a field ${JSON.stringify(other.slice(0, 40))}, allowed: metadata`,
    );
  }
  const about = metadata === undefined ? {} : { metadata: parseMetadata(metadata) };
  return checkedInput({ id, picture: pictures.files[0]!, ...about }, store.info);
}

function parseMetadata(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch (cause) {
    throw new NearmissError('NM_REQUEST_INVALID', 'metadata: found text that is no JSON', { cause });
  }
}

async function embedOne(picture: Uint8Array, { embedding }: Backend, signal: AbortSignal): Promise<Float32Array> {
  return encoderOf(embedding).embedPictures([picture], signal);
}
