import { InvalidArgumentError } from 'commander';
import { NearmissError } from '../errors.js';
import { resolveSetting, type ScheduleSpec, type Setting } from '../negatives/index.js';

/** Whether a value is a probability that a loss can be debiased by. */
export const share: (value: number) => boolean = (value) => value >= 0 && value < 1;

/** A number, or `kind:from:to[:until][:key=value]…`. */
export function parseSetting(text: string): Setting {
  if (!text.includes(':')) {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) throw new Error('a number, or kind:from:to[:until]');
    return value;
  }
  const [kind = '', from = '', to = '', ...rest] = text.split(':');
  const named = rest.map((part, index) => {
    const [key = '', value] = part.split('=');
    if (value === undefined) return index === 0 ? ['until', Number(key)] : [key, Number.NaN];
    const number = Number(value);
    return [key, Number.isFinite(number) ? number : value];
  });
  if (from.trim() === '' || to.trim() === '') throw new Error('a schedule as kind:from:to[:until]');
  const spec = { schedule: kind, from: Number(from), to: Number(to), ...Object.fromEntries(named) } as ScheduleSpec;
  resolveSetting(spec, 'schedule');
  return spec;
}

/** A parser of settings for commander; both ends of a schedule must be inside. */
export function setting(inside: (value: number) => boolean, allowed: string): (text: string) => Setting {
  return (text) => {
    const refuse = (why: string): never => {
      throw new InvalidArgumentError(`Found '${text}', allowed: ${why}.`);
    };
    let value: Setting;
    try {
      value = parseSetting(text);
    } catch (error) {
      const why = error instanceof NearmissError ? ` (${error.message})` : '';
      return refuse(`a number ${allowed}, or a schedule as linear:from:to:until${why}`);
    }
    const ends = typeof value === 'number' ? [value] : [value.from, value.to];
    return ends.every(inside) ? value : refuse(`a number ${allowed}`);
  };
}

/** Settings between commas. */
function parseList(text: string): Setting[] | undefined {
  try {
    return text.split(',').map(parseSetting);
  } catch {
    return undefined;
  }
}

function ends(value: Setting): readonly [low: number, high: number] {
  return typeof value === 'number' ? [value, value] : [Math.min(value.from, value.to), Math.max(value.from, value.to)];
}

export function parseRing(text: string): readonly [Setting, Setting] {
  const [inner, outer, more] = parseList(text) ?? [];
  const fits =
    inner !== undefined &&
    outer !== undefined &&
    more === undefined &&
    ends(inner)[0] >= 0 &&
    ends(inner)[1] < 1 &&
    ends(outer)[0] > 0 &&
    ends(outer)[1] <= 1 &&
    (typeof inner !== 'number' || typeof outer !== 'number' || inner < outer);
  if (fits) return [inner, outer];
  throw new InvalidArgumentError(`Found '${text}', allowed: inner,outer with 0 <= inner < outer <= 1, as 0.1,0.5.`);
}

export function parseMix(text: string): readonly [Setting, Setting, Setting] {
  const [hardest, pairs, queries, more] = parseList(text) ?? [];
  const whole = (value: Setting | undefined, least: number): value is Setting =>
    value !== undefined && (typeof value !== 'number' || (Number.isInteger(value) && value >= least));
  if (whole(hardest, 1) && whole(pairs, 0) && whole(queries, 0) && more === undefined) return [hardest, pairs, queries];
  throw new InvalidArgumentError(`Found '${text}', allowed: three whole numbers n,s,s2 with n above 0, as 256,128,64.`);
}
