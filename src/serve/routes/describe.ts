import type { FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { BYTES_TYPE, PICTURE_TYPES } from '../bodies.js';
import { errorAnswer } from '../schemas.js';

/** Content by media type, as OpenAPI and fastify describe bodies. */
export interface Content {
  readonly content: Readonly<Record<string, { readonly schema: TSchema }>>;
}

/** Bytes that are no JSON; not looked at by the validator. */
const bytes: TSchema = Type.String({ format: 'binary' });
const form: TSchema = Type.Object({ picture: Type.Array(bytes) }, { format: 'binary' });

/** A body of JSON, or of pictures. */
export function bodies(json: TSchema): Content {
  const raw = [...PICTURE_TYPES, BYTES_TYPE].map((type) => [type, { schema: bytes }] as const);
  return {
    content: {
      'application/json': { schema: json },
      'multipart/form-data': { schema: form },
      ...Object.fromEntries(raw),
    },
  };
}

/** Answers of a route: JSON or one of other types, and errors. */
export function answers(
  json: TSchema | undefined,
  description: string,
  others: readonly string[] = [],
  status: number = 200,
): Record<string, object> {
  const content = [
    ...(json ? [['application/json', { schema: json }] as const] : []),
    ...others.map((type) => [type, { schema: bytes }] as const),
  ];
  return {
    [status]: { description, ...(content.length > 0 ? { content: Object.fromEntries(content) } : {}) },
    default: { description: 'An error', content: { 'application/json': { schema: errorAnswer } } },
  };
}

/** Whether a request asks for a media type by its name; a general `*` is none. */
export function accepts({ headers }: FastifyRequest, type: string): boolean {
  return (headers.accept ?? '').split(',').some((each) => each.split(';')[0]?.trim().toLowerCase() === type);
}
