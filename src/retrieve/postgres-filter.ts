import { BOUNDS, type Filter, pathOf } from './filter.js';
import { escapeText } from './postgres-rows.js';

/**
 * A filter as SQL over a jsonb column `metadata`, with the meaning of `matches` (filter.ts): never unknown.
 *
 * @param values parameters of the statement; the filter's own are appended
 */
export function filterSql(filter: Filter, values: unknown[]): string {
  const parameter = (value: unknown, type: string): string => `$${values.push(value)}::${type}`;
  const json = (value: unknown): string => parameter(JSON.stringify(escaped(value)), 'jsonb');
  switch (filter.op) {
    case 'and':
    case 'or': {
      if (filter.filters.length === 0) return filter.op === 'and' ? 'true' : 'false';
      return `(${filter.filters.map((each) => filterSql(each, values)).join(filter.op === 'and' ? ' AND ' : ' OR ')})`;
    }
    case 'not':
      return `NOT ${filterSql(filter.filter, values)}`;
    default: {
      if (filter.op === 'in' && filter.values.length === 0) return 'false';
      const path = pathOf(filter.field).map(escapeText);
      const field = pathSql(path, values);
      if (filter.op === 'exists') return `(${field} IS NOT NULL)`;
      if (filter.op === 'ne') return `coalesce(${field} <> ${json(filter.value)}, true)`;
      if (filter.op === 'eq') {
        // Containment is what the index on metadata answers; it alone would also find the value inside a list.
        return `(metadata @> ${json(nested(path, escaped(filter.value)))} AND ${field} = ${json(filter.value)})`;
      }
      if (filter.op === 'in') {
        const list = parameter(
          filter.values.map((value) => JSON.stringify(escaped(value))),
          'jsonb[]',
        );
        return `coalesce(${field} = ANY (${list}), false)`;
      }
      const bounds = BOUNDS.filter((name) => filter[name] !== undefined);
      const text = typeof filter[bounds[0]!] === 'string';
      const value = `(${field} #>> '{}')${text ? ' COLLATE "C"' : '::float8'}`;
      const operators = { gt: '>', gte: '>=', lt: '<', lte: '<=' };
      const tests = bounds.map((name) => {
        const bound = filter[name]!;
        return `${value} ${operators[name]} ${parameter(escaped(bound), text ? 'text' : 'float8')}`;
      });
      // CASE, so that nothing else is ever cast to a number.
      return `(CASE WHEN jsonb_typeof(${field}) = '${text ? 'string' : 'number'}' THEN ${tests.join(' AND ')} ELSE false END)`;
    }
  }
}

/** Steps by key only (text, which is no place in a list); null where a step is missing. */
function pathSql(path: readonly string[], values: unknown[]): string {
  return `(metadata${path.map((key) => ` -> $${values.push(key)}::text`).join('')})`;
}

function escaped(value: unknown): unknown {
  return typeof value === 'string' ? escapeText(value) : value;
}

function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner, key) => ({ [key]: inner }), value);
}
