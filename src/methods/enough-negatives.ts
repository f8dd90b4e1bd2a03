import { NearmissError } from '../errors.js';
import { type Objective, type Setting, settingRange } from '../negatives/index.js';

/** Negatives that an anchor chooses from: of the batch without its own views, of a whole queue, of a bank without its own row. */
function candidatesOf({ candidates }: Objective, batch: number, items: number): number {
  if (candidates?.kind === 'queue') return candidates.capacity;
  return candidates?.kind === 'bank' ? items - 1 : 2 * batch - 2;
}

const high = (setting: Setting): number => settingRange(setting, 'setting').high;
const low = (setting: Setting): number => settingRange(setting, 'setting').low;

/**
 * Checks, before anything is trained, that an objective leaves every anchor a negative at every step of its schedules,
 * and has the candidates that it mixes.
 *
 * @throws NM_NO_NEGATIVES for a ring that rounds to nothing, NM_TOO_FEW_CANDIDATES for more hardest than there are
 */
export function requireNegatives(
  objective: Objective,
  { batch, items }: { readonly batch: number; readonly items: number },
): void {
  const count = candidatesOf(objective, batch, items);
  const { select, synthesise } = objective;
  if (select?.kind === 'ring') {
    const end = Math.floor(low(select.outer) * count);
    const start = Math.floor(high(select.inner) * (select.innerOfOuter === false ? count : end));
    if (start >= end) {
      const ring = `the ring [${high(select.inner)}, ${low(select.outer)})`;
      throw new NearmissError(
        'NM_NO_NEGATIVES',
        `objective.select: found ${ring}, which selects none of ${count} candidates, allowed: at least one`,
      );
    }
  }
  if (synthesise?.kind === 'mix' && high(synthesise.hardest) > count) {
    throw new NearmissError(
      'NM_TOO_FEW_CANDIDATES',
      `objective.synthesise.hardest: found ${high(synthesise.hardest)}, allowed: up to the ${count} candidates that there are`,
    );
  }
}
