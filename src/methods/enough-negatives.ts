import { NearmissError } from '../errors.js';
import { type Objective, type ResolvedObjective, resolveObjective } from '../negatives/index.js';

/** What a run is, as far as it decides how many candidates there are. */
export interface RunSize {
  readonly batch: number;
  readonly items: number;
  /** 0 where a time budget decides. */
  readonly steps: number;
}

/** Candidates of an anchor at a step: of the batch without its own views, of a queue or a bank without its own row. */
function candidatesAt({ candidates }: Objective, { batch, items }: RunSize, step: number): number {
  if (candidates?.kind === 'queue') return Math.min(candidates.capacity, batch * (step + 1)) - 1;
  return candidates?.kind === 'bank' ? items - 1 : 2 * batch - 2;
}

/** Steps at which an objective is looked at: all while a queue fills up, then the ends of all schedules. */
function stepsToLookAt({ candidates }: Objective, { batch, steps }: RunSize): number[] {
  const filling = candidates?.kind === 'queue' ? Math.ceil(candidates.capacity / batch) : 0;
  const last = Math.max(0, steps - 1);
  return [...Array.from({ length: Math.min(filling, last) }, (_, step) => step), last];
}

/**
 * Checks, before anything is trained, that an objective leaves every anchor a negative at every step of its schedules,
 * and has the candidates that it mixes. With a time budget, whose steps are not known yet, the end is checked alone.
 *
 * @throws NM_NO_NEGATIVES for a ring that rounds to nothing, NM_TOO_FEW_CANDIDATES for more hardest than there are
 */
export function requireNegatives(objective: Objective, size: RunSize): void {
  for (const step of stepsToLookAt(objective, size)) {
    // Without steps the end of every schedule is meant, and the queue is full.
    const [at, of] = size.steps > 0 ? [step, size.steps] : [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    const count = candidatesAt(objective, size, at);
    const { select, synthesise } = resolveObjective(objective, at, of);
    const when = count < candidatesAt(objective, size, Number.MAX_SAFE_INTEGER) ? `, at step ${step}` : '';
    if (select.kind === 'ring') requireRing(select, count, when);
    // An anchor whose own row is among N candidates mixes the others.
    const rows = objective.candidates?.kind === 'queue' ? count + 1 : count;
    if (synthesise?.kind === 'mix' && synthesise.hardest > rows) {
      throw new NearmissError(
        'NM_TOO_FEW_CANDIDATES',
        `objective.synthesise.hardest: found ${synthesise.hardest}, allowed: up to the ${rows} candidates that there are${when}`,
      );
    }
  }
}

function requireRing(
  { inner, outer, innerOfOuter }: Extract<ResolvedObjective['select'], { kind: 'ring' }>,
  count: number,
  when: string,
): void {
  const end = Math.floor(outer * count);
  if (Math.floor(inner * (innerOfOuter ? end : count)) < end) return;
  throw new NearmissError(
    'NM_NO_NEGATIVES',
    `objective.select: found the ring [${inner}, ${outer}), which selects none of ${count} candidates${when}, allowed: at least one`,
  );
}
