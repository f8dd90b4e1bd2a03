import { NearmissError } from '../errors.js';
import { checkFilter, type Filter, type Scalar } from '../retrieve/index.js';

export { isPostgres, openPlace, placeName } from '../retrieve/place.js';

const OPERATORS = { '!=': 'ne', '>=': 'gte', '<=': 'lte', '=': 'eq', '>': 'gt', '<': 'lt' } as const;

/**
 * Filters as they are typed, all of which must hold: `field=value`, `!=`, `>`, `>=`, `<`, `<=`, `field` (is there), `!field`
 * (is not), or an expression as JSON. A value is read as JSON where it is a number, true, false, null or quoted text.
 *
 * @throws `NM_FILTER_INVALID`
 */
export function parseFilters(texts: readonly string[]): Filter | undefined {
  const filters = texts.map(parseFilter);
  return filters.length < 2 ? filters[0] : { op: 'and', filters };
}

function parseFilter(text: string): Filter {
  if (text.trimStart().startsWith('{')) {
    let filter: unknown;
    try {
      filter = JSON.parse(text);
    } catch (cause) {
      throw new NearmissError('NM_FILTER_INVALID', `--filter: ${(cause as Error).message}`, { cause });
    }
    checkFilter(filter);
    return filter;
  }
  const parts = /^(.+?)\s*(!=|>=|<=|=|>|<)\s*(.*)$/s.exec(text);
  if (!parts) {
    const absent = text.startsWith('!');
    const field = text.slice(absent ? 1 : 0);
    if (field === '') throw new NearmissError('NM_FILTER_INVALID', '--filter: found nothing, allowed: field=value');
    return absent ? { op: 'not', filter: { op: 'exists', field } } : { op: 'exists', field };
  }
  const [, field = '', operator, value = ''] = parts;
  const op = OPERATORS[operator as keyof typeof OPERATORS];
  const filter =
    op === 'eq' || op === 'ne' ? { op, field, value: scalar(value) } : { op: 'range', field, [op]: scalar(value) };
  checkFilter(filter);
  return filter;
}

function scalar(text: string): Scalar {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return value as Scalar;
  } catch {
    // plain text
  }
  return text;
}

/** Collects the values of an option that may be given several times, for commander. */
export function several(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
