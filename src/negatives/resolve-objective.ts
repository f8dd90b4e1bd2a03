import type { Objective, ResolvedObjective } from './objective.js';
import { parseObjective } from './parse-objective.js';
import { resolveSetting, type Setting } from './schedules.js';

/** Finds an adaptive setting's value; `field` is its path in the objective, as in messages. */
export type AdaptiveValue = (field: string) => number | undefined;

/**
 * The objective's numbers at `step` of a run of `steps` steps. Settings with an adaptive schedule are where `adaptive`
 * has them (`AdaptiveSettings.value`), and at their start without it. Throws as `parseObjective`.
 */
export function resolveObjective(
  objective: Objective,
  step: number,
  steps: number,
  adaptive?: AdaptiveValue,
): ResolvedObjective {
  parseObjective(objective);
  const at = (setting: Setting, field: string): number => adaptive?.(field) ?? resolveSetting(setting)(step, steps);
  const { select, candidates, loss } = objective;
  const synthesise = resolveSynthesis(objective.synthesise, step, steps, at);
  return {
    temperature: at(objective.temperature, 'temperature'),
    select:
      select?.kind === 'ring'
        ? {
            kind: 'ring',
            inner: at(select.inner, 'select.inner'),
            outer: at(select.outer, 'select.outer'),
            innerOfOuter: select.innerOfOuter ?? true,
            neighbourViews: select.neighbourViews ?? false,
          }
        : { kind: 'all' },
    ...(synthesise ? { synthesise } : {}),
    beta: at(objective.weight?.beta ?? 0, 'weight.beta'),
    tauPlus: at(objective.weight?.tauPlus ?? 0, 'weight.tauPlus'),
    positiveInPartition: objective.positiveInPartition ?? true,
    ...(candidates?.kind === 'bank' ? { draws: candidates.draws } : {}),
    ...(objective.positives === 'labels' ? { positives: 'labels' as const } : {}),
    ...(loss?.kind === 'nce' ? { loss: 'nce' as const } : {}),
  };
}

function resolveSynthesis(
  synthesise: Objective['synthesise'],
  step: number,
  steps: number,
  at: (setting: Setting, field: string) => number,
): ResolvedObjective['synthesise'] {
  if (!synthesise || step < Math.round((synthesise.warmup ?? 0) * steps)) return undefined;
  if (synthesise.kind === 'generate') {
    return {
      kind: 'generate',
      perAnchor: synthesise.perAnchor,
      share: at(synthesise.share ?? 1, 'synthesise.share'),
    };
  }
  const whole = (setting: Setting, field: string): number => Math.round(at(setting, field));
  const pairs = whole(synthesise.pairs, 'synthesise.pairs');
  const queries = whole(synthesise.queries, 'synthesise.queries');
  if (pairs + queries === 0) return undefined;
  return { kind: 'mix', hardest: whole(synthesise.hardest, 'synthesise.hardest'), pairs, queries };
}
