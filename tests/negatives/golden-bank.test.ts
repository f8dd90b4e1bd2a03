import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bankCandidates,
  contrastBank,
  type Objective,
  parseObjective,
  resolveObjective,
} from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, read, TIERS, zeros } from './embeddings.js';
import { gradientError, throughNormalisation } from './golden.js';

interface BankCase {
  objective: 'ir' | 'ir-ring' | 'cmc-softmax' | 'cmc-nce';
  batch: number;
  dim: number;
  bankRows: number;
  temperature: number;
  bankMomentum: number;
  outer?: number;
  inner?: number;
  innerOfOuter?: boolean;
  neighbourViews?: boolean;
  positiveInPartition?: boolean;
  draws: number;
  negatives: number;
  own: number[];
  noise: number[];
  drawn: number[];
  ringRanks: number[];
  z: number[];
  zL: number[];
  zAb: number[];
  bank: number[];
  bankL: number[];
  bankAb: number[];
  loss: number;
  dz: number[];
  dzL: number[];
  dzAb: number[];
  newOwnRows?: number[];
  newOwnL: number[];
  newOwnAb: number[];
  normaliserL: number | null;
  normaliserAb: number | null;
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/methods.json', import.meta.url), 'utf8')) as {
  cases: BankCase[];
};
const of = (...kinds: string[]): (readonly [string, BankCase])[] =>
  cases
    .filter((c) => kinds.includes(c.objective))
    .map((c) => [
      JSON.stringify(Object.fromEntries(Object.entries(c).filter(([, v]) => typeof v !== 'object'))).replace(
        /["{}]/g,
        '',
      ),
      c,
    ]);

function objectiveOf(c: BankCase): Objective {
  const draws = c.draws ?? c.negatives;
  return parseObjective({
    temperature: c.temperature,
    candidates: { kind: 'bank', draws },
    ...(c.outer === undefined
      ? {}
      : {
          select: {
            kind: 'ring',
            inner: c.inner,
            outer: c.outer,
            innerOfOuter: c.innerOfOuter,
            neighbourViews: c.neighbourViews,
          },
          positiveInPartition: c.positiveInPartition,
        }),
    ...(c.objective === 'cmc-nce' ? { loss: { kind: 'nce' } } : {}),
  });
}

describe.each(TIERS)('golden values over banks, %s SIMD', async (tier) => {
  const kernels = await kernelsOf(tier);
  const { heap } = kernels;

  function bankOf(values: readonly number[], c: BankCase): ReturnType<typeof bankCandidates> {
    const momentum = c.bankMomentum ?? 0;
    const bank = bankCandidates(heap, { items: c.bankRows, dim: c.dim, momentum, random: randomStream(1) });
    bank.restore(Float32Array.from(values));
    return bank;
  }

  const rowsOf = (bank: ReturnType<typeof bankCandidates>, c: BankCase): number[] => {
    const all = read(heap, bank.rows, c.bankRows * c.dim);
    return c.own.flatMap((row) => [...all.subarray(row * c.dim, (row + 1) * c.dim)]);
  };

  it.each(of('ir', 'ir-ring'))('%s', (_, c) => {
    const gradient = zeros(heap, c.batch * c.dim);
    const bank = bankOf(c.bank, c);
    const queries = place(heap, Float32Array.from(c.z));
    const own = Int32Array.from(c.own);
    const { loss } = contrastBank(kernels, {
      queries,
      count: c.batch,
      dim: c.dim,
      bank,
      own,
      objective: resolveObjective(objectiveOf(c), 0, 1),
      draws: c.ringRanks
        ? { kind: 'ranks', ranks: Int32Array.from(c.ringRanks) }
        : { kind: 'rows', rows: Int32Array.from(c.noise) },
      gradient,
    });
    expect(Math.abs(loss / c.batch - c.loss)).toBeLessThan(1e-5 * Math.abs(c.loss));
    const dz = throughNormalisation(read(heap, gradient, c.batch * c.dim), c.z, c.dim);
    expect(gradientError(dz, c.dz)).toBeLessThan(1e-4);
    if (c.newOwnRows) {
      bank.push(queries, own);
      expect(gradientError(rowsOf(bank, c), c.newOwnRows)).toBeLessThan(1e-6);
    }
    bank.release();
  });

  it.each(of('cmc-softmax', 'cmc-nce'))('%s', (_, c) => {
    const [own, drawn] = [Int32Array.from(c.own), Int32Array.from(c.drawn)];
    // The first drawn row of each anchor is its positive.
    const rows = drawn.filter((_, k) => k % (c.negatives + 1) !== 0);
    expect(drawn.filter((_, k) => k % (c.negatives + 1) === 0)).toEqual(own);
    let total = 0;
    // A view's anchors are compared with the other view's bank.
    for (const [z, other, dz, normaliser, newOwn, mine] of [
      [c.zL, c.bankAb, c.dzL, c.normaliserL, c.newOwnL, c.bankL],
      [c.zAb, c.bankL, c.dzAb, c.normaliserAb, c.newOwnAb, c.bankAb],
    ] as const) {
      const gradient = zeros(heap, c.batch * c.dim);
      const bank = bankOf(other, c);
      const queries = place(heap, Float32Array.from(z));
      const objective = resolveObjective(objectiveOf(c), 0, 1);
      const draws = { kind: 'rows', rows } as const;
      const found = contrastBank(kernels, {
        queries,
        count: c.batch,
        dim: c.dim,
        bank,
        own,
        objective,
        draws,
        gradient,
        normaliser: normaliser ?? undefined,
      });
      total += found.loss / c.batch;
      expect(gradientError(read(heap, gradient, c.batch * c.dim), dz)).toBeLessThan(1e-4);
      bank.release();
      const updated = bankOf(mine, c);
      updated.push(queries, own);
      expect(gradientError(rowsOf(updated, c), newOwn)).toBeLessThan(1e-6);
      updated.release();
      if (normaliser === null) continue;
      expect(Math.abs(found.normaliser! / normaliser - 1)).toBeLessThan(1e-5);
    }
    expect(Math.abs(total - c.loss)).toBeLessThan(1e-5 * Math.abs(c.loss));
  });
});
