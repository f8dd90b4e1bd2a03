import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ball,
  contrastBatch,
  contrastQueue,
  debiased,
  hcl,
  moco,
  ntxent,
  type Objective,
  resolveObjective,
  resolveSetting,
  ring,
  type ScheduleSpec,
} from '../../src/negatives/index.js';
import { kernelsOf, place, read, TIERS, zeros } from './embeddings.js';

interface Case {
  objective: string;
  batch: number;
  dim: number;
  temperature: number;
  tauPlus?: number;
  beta?: number;
  outer?: number;
  inner?: number;
  innerOfOuter?: boolean;
  neighbourViews?: boolean;
  positiveInPartition?: boolean;
  loss: number;
  z1: number[];
  z2: number[];
  queueRows?: number[];
  dz1: number[];
  dz2: number[];
}
interface Schedule {
  args: { total_steps: number; max_anneal_step: number; init_thres: number; min_thres: number; decay?: number };
  values: number[];
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/contrastive.json', import.meta.url), 'utf8')) as {
  cases: Case[];
  ringSchedules: Record<'linear' | 'step' | 'exponential', Schedule>;
};

function objectiveOf(c: Case): Objective {
  const { temperature, tauPlus, beta } = c;
  const ringOptions = {
    temperature,
    capacity: 50,
    outer: c.outer ?? 1,
    ...(c.innerOfOuter === undefined ? {} : { innerOfOuter: c.innerOfOuter }),
    ...(c.neighbourViews === undefined ? {} : { neighbourViews: c.neighbourViews }),
    ...(c.positiveInPartition === undefined ? {} : { positiveInPartition: c.positiveInPartition }),
  };
  switch (c.objective) {
    case 'ntxent':
      return ntxent({ temperature });
    case 'debiased':
      return debiased({ temperature, tauPlus: tauPlus! });
    case 'hcl':
      return hcl({ temperature, tauPlus: tauPlus!, beta: beta! });
    case 'moco':
      return moco({ temperature, capacity: 50 });
    case 'moco-ball':
      return ball({ temperature, capacity: 50, outer: c.outer! });
    case 'moco-ring':
      return ring({ ...ringOptions, inner: c.inner! });
    default:
      throw new Error(`unknown objective of the golden values: ${c.objective}`);
  }
}

const title = ({ z1, z2, dz1, dz2, queueRows, loss, ...rest }: Case): string =>
  JSON.stringify(rest).replace(/["{}]/g, '');

/** Largest difference, relative to the largest entry. */
function gradientError(found: ArrayLike<number>, expected: readonly number[]): number {
  let difference = 0;
  let largest = 0;
  for (let k = 0; k < expected.length; k++) {
    difference = Math.max(difference, Math.abs(found[k]! - expected[k]!));
    largest = Math.max(largest, Math.abs(expected[k]!));
  }
  return difference / largest;
}

/** The gradient through g = z/|z| at a unit z, as the reference, which normalises its inputs again, gives it. */
function throughNormalisation(gradient: Float32Array, z: readonly number[], dim: number): number[] {
  const result: number[] = [];
  for (let start = 0; start < z.length; start += dim) {
    let along = 0;
    for (let k = start; k < start + dim; k++) along += gradient[k]! * z[k]!;
    for (let k = start; k < start + dim; k++) result.push(gradient[k]! - along * z[k]!);
  }
  return result;
}

describe.each(TIERS)('golden values of the published code, %s SIMD', async (tier) => {
  const kernels = await kernelsOf(tier);
  const { heap } = kernels;

  it.each(golden.cases.filter((c) => !c.queueRows).map((c) => [title(c), c] as const))('batch %s', (_, c) => {
    const count = 2 * c.batch;
    const rows = place(heap, Float32Array.from([...c.z1, ...c.z2]));
    const gradient = zeros(heap, count * c.dim);
    const objective = resolveObjective(objectiveOf(c), 0, 1);
    const { loss } = contrastBatch(kernels, { rows, count, dim: c.dim, objective, gradient });
    expect(Math.abs(loss / count - c.loss)).toBeLessThanOrEqual(1e-5 * c.loss);
    expect(gradientError(read(heap, gradient, count * c.dim), [...c.dz1, ...c.dz2])).toBeLessThan(1e-4);
  });

  it.each(golden.cases.filter((c) => c.queueRows).map((c) => [title(c), c] as const))('queue %s', (_, c) => {
    const { batch, dim } = c;
    const [queries, keys] = [place(heap, Float32Array.from(c.z1)), place(heap, Float32Array.from(c.z2))];
    const [gradient, keyGradient] = [zeros(heap, batch * dim), zeros(heap, batch * dim)];
    const filled = c.queueRows!.length / dim;
    const candidates = {
      rows: place(heap, Float32Array.from(c.queueRows!)),
      dim,
      filled,
      instanceIds: new Int32Array(filled).fill(-1),
    };
    const objective = resolveObjective(objectiveOf(c), 0, 1);
    const { loss } = contrastQueue(kernels, {
      queries,
      keys,
      count: batch,
      dim,
      candidates,
      objective,
      gradient,
      keyGradient,
    });
    expect(Math.abs(loss / batch - c.loss)).toBeLessThanOrEqual(1e-5 * Math.abs(c.loss));
    const dz1 = throughNormalisation(read(heap, gradient, batch * dim), c.z1, dim);
    const dz2 = throughNormalisation(read(heap, keyGradient, batch * dim), c.z2, dim);
    expect(gradientError(dz1, c.dz1)).toBeLessThan(1e-4);
    expect(gradientError(dz2, c.dz2)).toBeLessThan(1e-4);
  });
});

describe('annealing of the published code', () => {
  it.each(['linear', 'step', 'exponential'] as const)('%s', (schedule) => {
    const { args, values } = golden.ringSchedules[schedule];
    const spec: ScheduleSpec = {
      schedule,
      from: args.init_thres,
      to: args.min_thres,
      steps: args.max_anneal_step,
      ...(args.decay === undefined ? {} : { decay: args.decay }),
    };
    const at = resolveSetting(spec);
    expect(values.length).toBe(args.total_steps);
    for (const [step, value] of values.entries()) expect(at(step, args.total_steps)).toBeCloseTo(value, 8);
  });
});
