import { NearmissError } from '../errors.js';
import type { SearchOptions } from './store.js';

/** Throws `NM_OPTION_INVALID` for a radius or mode that no search has. */
export function checkSearch(radius: number | undefined, mode: SearchOptions['mode']): void {
  if (radius !== undefined && !Number.isFinite(radius)) {
    throw new NearmissError('NM_OPTION_INVALID', `radius: found ${String(radius)}, allowed: a finite number`);
  }
  if (mode !== 'exact' && mode !== 'approximate' && mode !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', `mode: found ${JSON.stringify(mode)}, allowed: exact, approximate`);
  }
}
