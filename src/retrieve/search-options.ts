import { NearmissError } from '../errors.js';
import type { SearchOptions } from './store.js';
import type { Metric } from './vectors.js';

/** Throws `NM_OPTION_INVALID` for a radius or mode that no search has. */
export function checkSearch(radius: number | undefined, mode: SearchOptions['mode'], metric: Metric): void {
  if (radius !== undefined && !Number.isFinite(radius)) {
    throw new NearmissError('NM_OPTION_INVALID', `radius: found ${String(radius)}, allowed: a finite number`);
  }
  if (radius !== undefined && radius < 0 && metric === 'l2') {
    throw new NearmissError('NM_OPTION_INVALID', `radius: found ${radius}, allowed: a distance from 0`);
  }
  if (mode !== 'exact' && mode !== 'approximate' && mode !== undefined) {
    throw new NearmissError('NM_OPTION_INVALID', `mode: found ${JSON.stringify(mode)}, allowed: exact, approximate`);
  }
}
