import { NearmissError } from '../errors.js';
import type { JsonObject, JsonValue } from './items.js';

/** A value that a filter compares with. */
export type Scalar = string | number | boolean | null;
/** A key of the metadata (dots are part of it), or the keys that lead to a nested value. */
export type Field = string | readonly string[];

/**
 * A condition on the metadata of an item: true or false for every item, never unknown. Lists and objects equal nothing.
 *
 * - `eq`, `in`: the field is there and equals the value, or one of the values, in type too (1 is not "1").
 * - `ne`: not `eq`, so also where the field is missing.
 * - `range`: a number within numeric bounds, or a string within string bounds in the order of its UTF-8 bytes.
 * - `exists`: the field is there, if only with null.
 * - `and` of nothing is true, `or` of nothing false.
 *
 * @example
 * { op: 'and', filters: [{ op: 'eq', field: 'album', value: 'Rome' }, { op: 'range', field: 'year', gte: 2020 }] }
 */
export type Filter =
  | { readonly op: 'eq'; readonly field: Field; readonly value: Scalar }
  | { readonly op: 'ne'; readonly field: Field; readonly value: Scalar }
  | { readonly op: 'in'; readonly field: Field; readonly values: readonly Scalar[] }
  | ({ readonly op: 'range'; readonly field: Field } & Bounds)
  | { readonly op: 'exists'; readonly field: Field }
  | { readonly op: 'and'; readonly filters: readonly Filter[] }
  | { readonly op: 'or'; readonly filters: readonly Filter[] }
  | { readonly op: 'not'; readonly filter: Filter };

/** At least one bound, all numbers or all strings. */
export interface Bounds {
  readonly gt?: number | string;
  readonly gte?: number | string;
  readonly lt?: number | string;
  readonly lte?: number | string;
}

/** Most conditions of one filter. */
export const MAX_CONDITIONS = 256;
/** Most values of one `in`. */
export const MAX_VALUES = 10_000;
const MAX_PATH = 32;
export const BOUNDS = ['gt', 'gte', 'lt', 'lte'] as const;

const KEYS: Readonly<Record<Filter['op'], readonly string[]>> = {
  eq: ['op', 'field', 'value'],
  ne: ['op', 'field', 'value'],
  in: ['op', 'field', 'values'],
  range: ['op', 'field', ...BOUNDS],
  exists: ['op', 'field'],
  and: ['op', 'filters'],
  or: ['op', 'filters'],
  not: ['op', 'filter'],
};

/** The keys that lead to a field. */
export function pathOf(field: Field): readonly string[] {
  return typeof field === 'string' ? [field] : field;
}

/**
 * Checks an expression from outside, whatever its type claims.
 *
 * @throws `NM_FILTER_INVALID`, naming the place in the expression
 */
export function checkFilter(filter: unknown): asserts filter is Filter {
  const budget = { conditions: MAX_CONDITIONS };
  checkNode(filter, 'filter', budget);
}

function invalid(place: string, found: unknown, allowed: string): NearmissError {
  const shown = typeof found === 'number' || found === undefined ? String(found) : JSON.stringify(found);
  return new NearmissError('NM_FILTER_INVALID', `${place}: found ${shown.slice(0, 200)}, allowed: ${allowed}`);
}

function checkNode(node: unknown, place: string, budget: { conditions: number }): void {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) throw invalid(place, node, 'an object');
  const { op, field, value, values, filter, filters } = node as Record<string, unknown>;
  const allowed = typeof op === 'string' && Object.hasOwn(KEYS, op) ? KEYS[op as Filter['op']] : undefined;
  if (!allowed) throw invalid(`${place}.op`, op, Object.keys(KEYS).join(', '));
  for (const key of Object.keys(node)) {
    if (!allowed.includes(key)) throw invalid(place, key, `the keys ${allowed.join(', ')}`);
  }
  budget.conditions -= 1;
  if (budget.conditions < 0) {
    throw new NearmissError('NM_FILTER_INVALID', `filter: found more than ${MAX_CONDITIONS} conditions`);
  }
  if (allowed.includes('field')) checkField(field, `${place}.field`);
  if (op === 'eq' || op === 'ne') checkScalar(value, `${place}.value`);
  else if (op === 'in') {
    if (!Array.isArray(values) || values.length > MAX_VALUES) {
      throw invalid(`${place}.values`, values, `a list of at most ${MAX_VALUES} values`);
    }
    for (const [i, each] of values.entries()) checkScalar(each, `${place}.values[${i}]`);
  } else if (op === 'range') checkBounds(node as Bounds, place);
  else if (op === 'not') checkNode(filter, `${place}.filter`, budget);
  else if (op === 'and' || op === 'or') {
    if (!Array.isArray(filters)) throw invalid(`${place}.filters`, filters, 'a list of filters');
    for (const [i, each] of filters.entries()) checkNode(each, `${place}.filters[${i}]`, budget);
  }
}

function checkField(field: unknown, place: string): void {
  const path = typeof field === 'string' ? [field] : field;
  const valid = Array.isArray(path) && path.length >= 1 && path.length <= MAX_PATH;
  if (valid && path.every((key) => typeof key === 'string')) return;
  throw invalid(place, field, `a key, or 1 to ${MAX_PATH} keys`);
}

function checkScalar(value: unknown, place: string): asserts value is Scalar {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return;
  throw invalid(place, value, 'a string, a finite number, true, false or null');
}

function checkBounds(bounds: Bounds, place: string): void {
  const given = BOUNDS.filter((name) => bounds[name] !== undefined);
  if (given.length === 0) throw invalid(place, 'no bound', `at least one of ${BOUNDS.join(', ')}`);
  const kind = typeof bounds[given[0]!];
  for (const name of given) {
    const bound = bounds[name];
    const finite = typeof bound === 'string' || Number.isFinite(bound);
    if (finite && typeof bound === kind) continue;
    throw invalid(`${place}.${name}`, bound, 'finite numbers, or strings, in all bounds of a range');
  }
}

/** The value of a field; undefined where it is missing. */
export function fieldValue(metadata: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = metadata;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, key) ? (value as JsonObject)[key] : undefined;
  }
  return value;
}

/** Compares two strings in the order of their UTF-8 bytes, which is that of their code points. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates (d800 … dfff) stand for code points above all others.
    const high = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? 0x10000 : 0) + unit;
    return high(x) - high(y);
  }
  return a.length - b.length;
}

/** A test whether a value lies within bounds, and is of their kind. */
export function boundsTest({ gt, gte, lt, lte }: Bounds): (value: JsonValue | undefined) => boolean {
  if (typeof (gt ?? gte ?? lt ?? lte) === 'string') {
    const order = (value: string, limit: number | string): number => compareText(value, limit as string);
    return (value) =>
      typeof value === 'string' &&
      (gt === undefined || order(value, gt) > 0) &&
      (gte === undefined || order(value, gte) >= 0) &&
      (lt === undefined || order(value, lt) < 0) &&
      (lte === undefined || order(value, lte) <= 0);
  }
  const above = (gt ?? Number.NEGATIVE_INFINITY) as number;
  const from = (gte ?? Number.NEGATIVE_INFINITY) as number;
  const below = (lt ?? Number.POSITIVE_INFINITY) as number;
  const to = (lte ?? Number.POSITIVE_INFINITY) as number;
  return (value) => typeof value === 'number' && value > above && value >= from && value < below && value <= to;
}

/** True if an item's metadata meets a condition that has been checked; the meaning that every store's search has. */
export function matches(filter: Filter, metadata: JsonObject): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((each) => matches(each, metadata));
    case 'or':
      return filter.filters.some((each) => matches(each, metadata));
    case 'not':
      return !matches(filter.filter, metadata);
    default: {
      const value = fieldValue(metadata, pathOf(filter.field));
      if (filter.op === 'eq') return value === filter.value;
      if (filter.op === 'ne') return value !== filter.value;
      if (filter.op === 'in') return filter.values.some((each) => each === value);
      if (filter.op === 'exists') return value !== undefined;
      return boundsTest(filter)(value);
    }
  }
}
