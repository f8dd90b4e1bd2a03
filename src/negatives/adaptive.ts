import { NearmissError } from '../errors.js';
import type { Objective } from './objective.js';
import type { ScheduleSpec, Setting } from './schedules.js';

/** How a step went: its mean loss, and the share of anchors whose positive was closer than every candidate. */
export interface StepRecord {
  readonly loss: number;
  readonly accuracy: number;
}

/** A setting with an adaptive schedule: where it is, and the last records that it compares with. */
interface Moving {
  readonly field: string;
  readonly metric: keyof StepRecord;
  readonly delta: number;
  readonly window: number;
  readonly from: number;
  readonly to: number;
  value: number;
  records: number[];
}

/**
 * The settings of an objective that have adaptive schedules (Wu et al. 2021, official code, src/utils/policy.py). After
 * each step one moves by `delta`: towards `to`, the harder end, where the step's metric was better than the mean of the
 * last `window` ones, back towards `from` where it was worse. A first step moves nothing.
 *
 * Its state is part of a run's: `state()` goes into the checkpoint.
 *
 * @example
 * const adaptive = new AdaptiveSettings(ring({ outer: { schedule: 'adaptive', from: 1, to: 0.1 } }));
 * resolveObjective(objective, step, steps, adaptive.value);
 * adaptive.record({ loss, accuracy });
 */
export class AdaptiveSettings {
  private readonly moving: readonly Moving[];

  constructor(objective: Objective) {
    this.moving = settingsOf(objective).flatMap(([field, setting]) =>
      typeof setting === 'object' && setting.schedule === 'adaptive' ? [movingFrom(field, setting)] : [],
    );
  }

  /** Value of the setting at `field` (`select.outer`); undefined where it has no adaptive schedule. */
  readonly value = (field: string): number | undefined => this.moving.find((m) => m.field === field)?.value;

  /** Moves the settings by how a step went. Metrics that are not finite move nothing and are forgotten. */
  record(step: StepRecord): void {
    for (const m of this.moving) {
      const found = step[m.metric];
      if (!Number.isFinite(found)) continue;
      const { length } = m.records;
      const mean = length === 0 ? found : m.records.reduce((sum, value) => sum + value, 0) / length;
      const better = m.metric === 'loss' ? Math.sign(mean - found) : Math.sign(found - mean);
      const moved = m.value + better * Math.sign(m.to - m.from) * m.delta;
      m.value = Math.min(Math.max(m.from, m.to), Math.max(Math.min(m.from, m.to), moved));
      m.records = [...m.records, found].slice(-m.window);
    }
  }

  /** JSON of where all of them are. */
  state(): string {
    return JSON.stringify(this.moving.map(({ field, value, records }) => ({ field, value, records })));
  }

  /** Takes up a saved state of the same objective; NM_SHAPE_MISMATCH otherwise. */
  restore(state: string): void {
    const saved = JSON.parse(state) as { field: string; value: number; records: number[] }[];
    const names = (list: readonly { readonly field: string }[]): string =>
      list.map((m) => m.field).join(', ') || 'none';
    if (names(saved) !== names(this.moving)) {
      throw new NearmissError(
        'NM_SHAPE_MISMATCH',
        `adaptive settings: found ${names(saved)}, allowed: ${names(this.moving)}`,
      );
    }
    this.moving.forEach((m, i) => {
      m.value = saved[i]!.value;
      m.records = saved[i]!.records;
    });
  }
}

function movingFrom(field: string, { from, to, metric = 'loss', delta, window }: ScheduleSpec): Moving {
  const [step, last] = metric === 'loss' ? [0.01, 10] : [0.05, 5];
  return { field, metric, delta: delta ?? step, window: window ?? last, from, to, value: from, records: [] };
}

/** Every setting of an objective with its path, as `resolveObjective` names them. */
function settingsOf({ temperature, select, weight, synthesise }: Objective): [string, Setting][] {
  const settings: [string, Setting | undefined][] = [
    ['temperature', temperature],
    ['select.inner', select?.kind === 'ring' ? select.inner : undefined],
    ['select.outer', select?.kind === 'ring' ? select.outer : undefined],
    ['weight.beta', weight?.beta],
    ['weight.tauPlus', weight?.tauPlus],
    ['synthesise.hardest', synthesise?.kind === 'mix' ? synthesise.hardest : undefined],
    ['synthesise.pairs', synthesise?.kind === 'mix' ? synthesise.pairs : undefined],
    ['synthesise.queries', synthesise?.kind === 'mix' ? synthesise.queries : undefined],
    ['synthesise.share', synthesise?.kind === 'generate' ? synthesise.share : undefined],
  ];
  return settings.filter((entry): entry is [string, Setting] => entry[1] !== undefined);
}
