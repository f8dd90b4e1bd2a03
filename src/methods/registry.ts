import { NearmissError } from '../errors.js';
import type { Objective } from '../negatives/index.js';
import { cmc } from './cmc.js';
import { instance } from './instance.js';
import type { Method } from './method.js';
import { moco } from './moco.js';
import { simclr } from './simclr.js';
import { supervised } from './supervised.js';

/** All methods, in the order that lists show them. A new method is one file and its entry here. */
export const METHODS: readonly Method[] = [simclr, moco, instance, cmc, supervised];

export const METHOD_NAMES: readonly string[] = METHODS.map(({ name }) => name);

/** The method of that name; `NM_OPTION_INVALID` otherwise. */
export function methodByName(name: string): Method {
  const method = METHODS.find((candidate) => candidate.name === name);
  if (method) return method;
  throw new NearmissError('NM_OPTION_INVALID', `method: found '${name}', allowed: ${METHOD_NAMES.join(', ')}`);
}

/**
 * All of a method's options from some of them.
 *
 * @param where names the source in messages
 * @throws `NM_OPTION_UNKNOWN` for an option the method does not have, `NM_OPTION_INVALID` for a value out of its range
 */
export function resolveMethodOptions(
  method: Method,
  given: Readonly<Record<string, number>>,
  where: string,
): Record<string, number> {
  const names = Object.keys(method.options);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const allowed = names.length > 0 ? names.join(', ') : 'none';
    throw new NearmissError(
      'NM_OPTION_UNKNOWN',
      `${where}: methodOptions: found '${unknown}', allowed with ${method.name}: ${allowed}`,
    );
  }
  return Object.fromEntries(
    Object.entries(method.options).map(([name, { default: standard, from, below }]) => {
      const value = given[name] ?? standard;
      if (!(value >= from && value < below)) {
        const allowed = `${from} or more, below ${below}`;
        throw new NearmissError(
          'NM_OPTION_INVALID',
          `${where}: methodOptions.${name}: found ${JSON.stringify(value)}, allowed: ${allowed}`,
        );
      }
      return [name, value];
    }),
  );
}

/** An objective with the method's candidates and positives where it does not say. */
export function completeObjective(method: Method, objective: Objective): Objective {
  const { candidates, positives } = method;
  return {
    ...objective,
    ...(objective.candidates === undefined && candidates.kind !== 'batch' ? { candidates } : {}),
    ...(objective.positives === undefined && positives !== 'views' ? { positives } : {}),
  };
}

/**
 * Checks that a method can train with an objective, a batch and an encoder of so many heads.
 *
 * @param where names the source in messages
 * @throws `NM_OPTION_INVALID`
 */
export function checkMethod(
  method: Method,
  found: { readonly objective: Objective; readonly batch: number; readonly encoder: string; readonly heads: number },
  where: string,
): void {
  const { objective, batch, encoder, heads } = found;
  const refuse = (field: string, value: unknown, allowed: string): never => {
    throw new NearmissError('NM_OPTION_INVALID', `${where}: ${field}: found ${value}, allowed: ${allowed}`);
  };
  const withMethod = (value: string): string => `${value} with method ${method.name}`;
  const candidates = objective.candidates ?? { kind: 'batch' };
  if (candidates.kind !== method.candidates.kind) {
    refuse('objective.candidates.kind', candidates.kind, withMethod(method.candidates.kind));
  }
  if (candidates.kind === 'queue' && candidates.capacity < batch) {
    refuse('objective.candidates.capacity', candidates.capacity, `at least a batch, ${batch}`);
  }
  const positives = objective.positives ?? 'views';
  if (positives !== method.positives) refuse('objective.positives', positives, withMethod(method.positives));
  if (heads !== method.heads) {
    const what = method.heads === 1 ? 'an encoder of one part' : 'an encoder of two parts (tiny-resnet-lab)';
    refuse('encoder', `'${encoder}'`, withMethod(what));
  }
}
