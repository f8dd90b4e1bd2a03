import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema, TUnsafe } from 'typebox';
import { Compile } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { NearmissError } from '../errors.js';

/** Fills what a text means in from the schema's types: parameters of an address are all text. */
function converted(schema: TSchema, value: unknown): unknown {
  const { properties } = schema as { properties?: Readonly<Record<string, { readonly type?: string }>> };
  if (typeof value !== 'object' || value === null || !properties) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, text]) => {
      const type = Object.hasOwn(properties, name) ? properties[name]?.type : undefined;
      const number = type === 'integer' || type === 'number';
      const written = typeof text === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
      return [name, number && written ? Number(text) : text];
    }),
  );
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const key of path.split('/').slice(1)) {
    const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** What is wrong with a value, in the way of our messages: where, what was found, what is allowed. */
export function describeErrors(part: string, value: unknown, errors: readonly TLocalizedValidationError[]): string {
  // An unknown field comes twice: that it is refused, and by whom.
  const error = errors.find(({ keyword }) => keyword !== 'boolean') ?? errors[0];
  if (!error) return `${part}: found something that is not allowed`;
  const place = `${part}${error.instancePath.replaceAll('/', '.')}`.slice(0, 200);
  if (error.keyword === 'additionalProperties') {
    const names = error.params.additionalProperties.map((name) => JSON.stringify(name.slice(0, 40))).slice(0, 5);
    return `${place}: found ${names.join(', ')}, which is not known here`;
  }
  return `${place}: found ${shown(valueAt(value, error.instancePath)).slice(0, 80)}, it ${error.message}`;
}

/**
 * Names that are not known and lists that are too long, the first of them: of these there may be a million, and gathering all
 * errors would then hold up the event loop for seconds.
 */
function excess(schema: TSchema, value: unknown, place: string): string | undefined {
  const { properties, additionalProperties, items, maxItems } = schema as {
    readonly properties?: Readonly<Record<string, TSchema>>;
    readonly additionalProperties?: boolean;
    readonly items?: TSchema;
    readonly maxItems?: number;
  };
  if (Array.isArray(value)) {
    if (maxItems !== undefined && value.length > maxItems) {
      return `${place}: found a list of ${value.length}, allowed: at most ${maxItems}`;
    }
    for (const [i, each] of items ? value.entries() : []) {
      const found = excess(items!, each, `${place}.${i}`);
      if (found) return found;
    }
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !properties) return undefined;
  // Values of JSON inherit no names; their own are not copied.
  for (const name in value) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (!known && additionalProperties === false) {
      return `${place}: found ${JSON.stringify(name.slice(0, 40))}, which is not known here`;
    }
    const found = known && excess(known, (value as Readonly<Record<string, unknown>>)[name], `${place}.${name}`);
    if (found) return found;
  }
  return undefined;
}

/** Checks parts of requests by our schemas; unknown fields are errors, and nothing is changed but numbers in addresses. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  // What is no JSON comes as bytes, or as a stream.
  if ((schema as { format?: string }).format === 'binary') return () => true;
  const validator = Compile(schema);
  const part =
    { body: 'body', querystring: 'address', params: 'address', headers: 'headers' }[httpPart ?? 'body'] ?? 'body';
  return (given: unknown) => {
    const value = httpPart === 'body' ? given : converted(schema, given);
    if (validator.Check(value)) return { value };
    // Errors are gathered only now: finding all of them costs far more than the first look.
    const message = excess(schema, value, part) ?? describeErrors(part, value, validator.Errors(value));
    return { error: new NearmissError('NM_REQUEST_INVALID', message) };
  };
};

/** What gives a value back under its type, once it was checked; `place` is what it is called in messages. */
export function checkerOf<Value>(schema: TUnsafe<Value>): (value: unknown, place: string) => Value {
  const validator = Compile(schema);
  return (value, place) => {
    if (validator.Check(value)) return value as Value;
    const message = excess(schema, value, place) ?? describeErrors(place, value, validator.Errors(value));
    throw new NearmissError('NM_REQUEST_INVALID', message);
  };
}
