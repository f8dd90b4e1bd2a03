import { describe, expect, it } from 'vitest';
import { standaloneHeap } from '../../src/kernels/index.js';
import {
  bankCandidates,
  contrastBank,
  contrastBatch,
  contrastQueue,
  diversity,
  generated,
  instance,
  mochi,
  ntxent,
  type Objective,
  parseObjective,
  queueCandidates,
  resolveObjective,
  ring,
  supcon,
} from '../../src/negatives/index.js';
import { randomStream } from '../../src/random.js';
import { kernelsOf, place, read, unitRows, zeros } from './embeddings.js';

const kernels = await kernelsOf('relaxed');
const { heap } = kernels;
const code = (wanted: string, message: RegExp): unknown =>
  expect.objectContaining({ code: wanted, message: expect.stringMatching(message) });

function onQueue(objective: Objective, filled: number, more: object = {}, step = 50): Float32Array {
  const [count, dim] = [6, 9];
  const gradient = zeros(heap, count * dim);
  contrastQueue(kernels, {
    queries: place(heap, unitRows(randomStream(1), count, dim)),
    keys: place(heap, unitRows(randomStream(2), count, dim)),
    count,
    dim,
    candidates: {
      rows: place(heap, unitRows(randomStream(3), filled, dim)),
      dim,
      filled,
      instanceIds: Int32Array.from({ length: filled }, (_, j) => j),
    },
    objective: resolveObjective(objective, step, 100),
    gradient,
    ...more,
  });
  return read(heap, gradient, count * dim);
}

const random = { mixing: { kind: 'random', random: (anchor: number) => randomStream(7, anchor) } };
const mix = mochi({ capacity: 64, hardest: 16, pairs: 9, queries: 5, warmup: 0.2 });

describe('synthetic negatives', () => {
  it('draw the same mixes from the same streams, others from others', () => {
    const other = { mixing: { kind: 'random', random: (anchor: number) => randomStream(8, anchor) } };
    expect(onQueue(mix, 40, random)).toEqual(onQueue(mix, 40, random));
    expect(onQueue(mix, 40, random)).not.toEqual(onQueue(mix, 40, other));
  });

  it('stay away during the warm-up', () => {
    const plain = onQueue({ ...mix, synthesise: undefined } as unknown as Objective, 40);
    expect(onQueue(mix, 40, {}, 19)).toEqual(plain);
    expect(onQueue(mix, 40, random, 20)).not.toEqual(plain);
  });

  it('mix what an anchor has where masks leave it fewer than N, and nothing where they leave none', () => {
    const few = { ...random, instanceIds: Int32Array.from([0, 0, 0, 0, 0, 0]) };
    const same = { rows: place(heap, unitRows(randomStream(3), 16, 9)), dim: 9, filled: 16 };
    const ids = (others: number): Int32Array => new Int32Array(16).fill(0).fill(1, 0, others);
    for (const others of [3, 1]) {
      const found = onQueue(mix, 16, { ...few, candidates: { ...same, instanceIds: ids(others) } });
      expect(found.every(Number.isFinite)).toBe(true);
      expect(found.some((v) => v !== 0)).toBe(true);
    }
    expect(onQueue(mix, 16, { ...few, candidates: { ...same, instanceIds: ids(0) } })).toEqual(new Float32Array(54));
  });

  it('refuse more of the hardest than there are candidates', () => {
    const small = code('NM_TOO_FEW_CANDIDATES', /synthesise\.hardest: found 16, allowed: up to the 12 candidates/);
    expect(() => onQueue(mix, 12, random)).toThrow(small);
    const rows = place(heap, unitRows(randomStream(4), 8, 5));
    const objective = resolveObjective({ ...ntxent(), synthesise: mix.synthesise! }, 50, 100);
    const input = { rows, count: 8, dim: 5, objective, gradient: zeros(heap, 40), ...random } as const;
    expect(() => contrastBatch(kernels, input as Parameters<typeof contrastBatch>[1])).toThrow(
      code('NM_TOO_FEW_CANDIDATES', /up to the 6 candidates/),
    );
  });

  it('refuse inputs that do not fit, and free what they took', () => {
    const before = (heap as ReturnType<typeof standaloneHeap>).used;
    const taken = (): number => (heap as ReturnType<typeof standaloneHeap>).used - before;
    const negatives = place(heap, unitRows(randomStream(5), 12, 9));
    const long = place(heap, new Float32Array(12 * 9).fill(1));
    const fake = generated({ perAnchor: 2, warmup: 0, capacity: 64 });
    const ranks = { kind: 'given', first: new Int32Array(54), second: new Int32Array(54).fill(16) };
    const given = { ...ranks, alpha: new Float32Array(54), partner: new Int32Array(30), beta: new Float32Array(30) };
    const cases: readonly [Objective, object, string, RegExp][] = [
      [mix, {}, 'NM_OPTION_INVALID', /mixing: found none/],
      [fake, {}, 'NM_OPTION_INVALID', /generated: found none/],
      [fake, { generated: { rows: negatives, items: 4 } }, 'NM_SHAPE_MISMATCH', /generated\.items: found 4/],
      [fake, { generated: { rows: long, items: 6 } }, 'NM_NOT_UNIT_LENGTH', /generated\.rows 0/],
      [mix, { mixing: given }, 'NM_SHAPE_MISMATCH', /found rank 16 for anchor 0, allowed: 0 to 15/],
      [mix, { mixing: { ...given, beta: new Float32Array(2) } }, 'NM_SHAPE_MISMATCH', /mixing\.beta: found 2/],
    ];
    const used = taken();
    for (const [objective, more, wanted, message] of cases) {
      const start = taken();
      expect(() => onQueue(objective, 40, more)).toThrow(code(wanted, message));
      // The inputs of `onQueue` stay; what the loss took is free again.
      expect(taken() - start).toBe(cost(objective));
    }
    expect(taken()).toBeGreaterThan(used);
    expect(() => diversity(kernels, { rows: negatives, items: 4, perAnchor: 3, dim: 9, gradient: long })).toThrow(
      code('NM_SHAPE_MISMATCH', /perAnchor: found 3, allowed: an even number/),
    );
  });

  /** Bytes that `onQueue` places, as a run without synthetic negatives leaves them. */
  function cost(objective: Objective): number {
    const start = (heap as ReturnType<typeof standaloneHeap>).used;
    onQueue({ temperature: 0.2, candidates: objective.candidates! }, 40);
    const placed = (heap as ReturnType<typeof standaloneHeap>).used - start;
    return placed;
  }
});

describe('supervised contrastive loss', () => {
  it('asks for labels, one an item', () => {
    const rows = place(heap, unitRows(randomStream(6), 8, 5));
    const input = { rows, count: 8, dim: 5, gradient: zeros(heap, 40), objective: resolveObjective(supcon(), 0, 1) };
    expect(() => contrastBatch(kernels, input)).toThrow(code('NM_OPTION_INVALID', /labels: found none/));
    expect(() => contrastBatch(kernels, { ...input, labels: new Int32Array(3) })).toThrow(
      code('NM_SHAPE_MISMATCH', /labels: found 3 ids, allowed: 4/),
    );
  });

  it('is NT-Xent where all labels differ, whole and split into ranges of anchors', () => {
    const z = unitRows(randomStream(9), 26, 7);
    const labels = Int32Array.from({ length: 13 }, (_, i) => i);
    const run = (objective: Objective, more: object): { gradient: Float32Array; loss: number } => {
      const gradient = zeros(heap, z.length);
      const base = { rows: place(heap, z), count: 26, dim: 7, objective: resolveObjective(objective, 0, 1), gradient };
      const { loss } = contrastBatch(kernels, { ...base, ...more });
      return { gradient: read(heap, gradient, z.length), loss };
    };
    const [a, b] = [run(ntxent({ temperature: 0.1 }), {}), run(supcon(), { labels })];
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-5 * a.loss);
    a.gradient.forEach((v, k) => {
      expect(Math.abs(v - b.gradient[k]!)).toBeLessThan(1e-6);
    });
    const groups = labels.map((label) => label % 4);
    const whole = run(supcon(), { labels: groups });
    const parts = [[0, 5] as const, [5, 20] as const, [20, 26] as const].map((anchors) =>
      run(supcon(), { labels: groups, anchors }),
    );
    expect(Math.abs(parts.reduce((sum, part) => sum + part.loss, 0) - whole.loss)).toBeLessThan(1e-6 * whole.loss);
    whole.gradient.forEach((v, k) => {
      expect(Math.abs(v - parts.reduce((sum, part) => sum + part.gradient[k]!, 0))).toBeLessThan(1e-6);
    });
  });
});

describe('banks', () => {
  const [count, dim, items] = [4, 6, 20];
  const bank = bankCandidates(heap, { items, dim, momentum: 0.5, random: randomStream(10) });
  const own = Int32Array.from([3, 0, 19, 7]);
  const run = (objective: Objective, more: object = {}): ReturnType<typeof contrastBank> =>
    contrastBank(kernels, {
      queries: place(heap, unitRows(randomStream(11), count, dim)),
      count,
      dim,
      bank,
      own,
      instanceIds: own,
      objective: resolveObjective(objective, 0, 1),
      draws: { kind: 'random', random: (anchor) => randomStream(12, anchor) },
      gradient: zeros(heap, count * dim),
      ...more,
    });

  it('never draw the anchor’s own item, from the bank or from a ring', () => {
    // Two rows only: the own one and one other, so every draw is that.
    const pair = { rows: place(heap, unitRows(randomStream(13), 2, dim)), dim, filled: 2 };
    const two = { ...pair, instanceIds: Int32Array.from([3, 8]) };
    const more = { bank: two, own: new Int32Array(4), instanceIds: new Int32Array(4).fill(3) };
    const losses = (objective: Objective): number[] => {
      const found = new Float64Array(count);
      run(objective, { ...more, losses: found });
      return [...found];
    };
    const [drawn, fromRing] = [losses(instance({ draws: 5 })), losses(ring({ draws: 5, inner: 0, outer: 1 }))];
    const known = new Float64Array(count);
    run(instance({ draws: 5 }), { ...more, draws: { kind: 'rows', rows: new Int32Array(20).fill(1) }, losses: known });
    expect(drawn).toEqual([...known]);
    for (let i = 0; i < count; i++) expect(fromRing[i]).toBeCloseTo(known[i]!, 5);
  });

  it('move rows towards their items’ features, and keep unit length', () => {
    const start = read(heap, bank.rows, items * dim);
    const features = place(heap, unitRows(randomStream(14), 3, dim));
    bank.push(features, Int32Array.from([5, 6, 5]));
    const after = read(heap, bank.rows, items * dim);
    const changed = [...Array(items).keys()].filter((i) => start[i * dim] !== after[i * dim]);
    expect(changed).toEqual([5, 6]);
    expect(Math.hypot(...after.subarray(5 * dim, 6 * dim))).toBeCloseTo(1, 6);
    bank.restore(start);
    expect(read(heap, bank.rows, items * dim)).toEqual(start);
  });

  const zero = { kind: 'rows', rows: new Int32Array(8) } as const;
  it.each([
    ['a ring that rounds to nothing', ring({ draws: 4, inner: 0, outer: 0.04 }), {}, 'NM_NO_NEGATIVES'],
    ['a bank of one item', instance({ draws: 4 }), { instanceIds: new Int32Array(4), bank: null }, 'NM_NO_NEGATIVES'],
    [
      'an own row that is not there',
      instance({ draws: 4 }),
      { own: Int32Array.from([0, 1, 2, 20]) },
      'NM_SHAPE_MISMATCH',
    ],
    ['draws that do not divide', instance(), { draws: { kind: 'rows', rows: new Int32Array(6) } }, 'NM_SHAPE_MISMATCH'],
    ['rows with a ring', ring({ draws: 2, inner: 0, outer: 1 }), { draws: zero }, 'NM_OPTION_INVALID'],
    ['ranks without a ring', instance(), { draws: { kind: 'ranks', ranks: new Int32Array(8) } }, 'NM_OPTION_INVALID'],
    ['random draws of no number', ntxent(), {}, 'NM_OPTION_INVALID'],
    ['a normaliser of 0', instance({ loss: { kind: 'nce' } }), { normaliser: 0 }, 'NM_OPTION_INVALID'],
    ['another dimension', instance(), { bank: { ...bank, dim: 5 } }, 'NM_SHAPE_MISMATCH'],
    ['losses without room', instance(), { losses: new Float64Array(3) }, 'NM_SHAPE_MISMATCH'],
  ] as const)('refuse %s', (_, objective, more, wanted) => {
    const single = { rows: bank.rows, dim, filled: 20, instanceIds: new Int32Array(20) };
    const fixed = 'bank' in more && more.bank === null ? { ...more, bank: single } : more;
    expect(() => run(objective, fixed)).toThrow(expect.objectContaining({ code: wanted }));
  });

  it('refuse sizes, items and a momentum that make no bank', () => {
    const options = { items: 3, dim: 2, momentum: 0, random: randomStream(1) };
    const own = standaloneHeap();
    expect(() => bankCandidates(own, { ...options, items: 0 })).toThrow(code('NM_SHAPE_MISMATCH', /items: found 0/));
    expect(() => bankCandidates(own, { ...options, momentum: 1 })).toThrow(
      code('NM_OPTION_INVALID', /momentum: found 1/),
    );
    const small = bankCandidates(own, options);
    expect(() => small.push(place(own, new Float32Array(2)), Int32Array.of(3))).toThrow(
      code('NM_SHAPE_MISMATCH', /item 3, allowed: 0 to 2/),
    );
    expect(() => small.restore(new Float32Array(4))).toThrow(code('NM_SHAPE_MISMATCH', /found 4 numbers/));
    small.release();
    expect(own.used).toBeGreaterThan(0);
  });

  it('a queue may be a bank’s candidates too', () => {
    const queue = queueCandidates(heap, { capacity: 9, dim, random: randomStream(15) });
    expect(Number.isFinite(run(instance({ draws: 3 }), { bank: queue, own: Int32Array.from([0, 1, 2, 8]) }).loss)).toBe(
      true,
    );
  });
});

describe('objectives of all kinds', () => {
  it.each([mochi(), generated(), generated({ capacity: 64, share: 0.5 }), supcon(), instance(), ring({ draws: 64 })])(
    'go through JSON: %j',
    (objective) => {
      expect(parseObjective(JSON.parse(JSON.stringify(objective)))).toEqual(objective);
    },
  );

  it.each([
    [{ candidates: { kind: 'bank', draws: 0 } }, 'NM_OPTION_INVALID', /candidates\.draws: found 0/],
    [{ candidates: { kind: 'bank', capacity: 4 } }, 'NM_OPTION_UNKNOWN', /candidates\.capacity/],
    [{ synthesise: { kind: 'dream' } }, 'NM_OPTION_INVALID', /synthesise\.kind: found "dream"/],
    [{ synthesise: null }, 'NM_OPTION_INVALID', /synthesise\.kind/],
    [
      { synthesise: { kind: 'mix', hardest: 0, pairs: 1, queries: 1 } },
      'NM_OPTION_INVALID',
      /synthesise\.hardest: found 0/,
    ],
    [
      { synthesise: { kind: 'mix', hardest: 2, pairs: 1.5, queries: 1 } },
      'NM_OPTION_INVALID',
      /synthesise\.pairs: found 1.5/,
    ],
    [
      { synthesise: { kind: 'mix', hardest: 2, pairs: 1, queries: -1 } },
      'NM_OPTION_INVALID',
      /synthesise\.queries: found -1/,
    ],
    [
      { synthesise: { kind: 'mix', hardest: 2, pairs: 1, queries: 1, warmup: 1 } },
      'NM_OPTION_INVALID',
      /warmup: found 1/,
    ],
    [{ synthesise: { kind: 'mix', hardest: 2, pairs: 1, queries: 1, s: 1 } }, 'NM_OPTION_UNKNOWN', /synthesise\.s/],
    [{ synthesise: { kind: 'generate', perAnchor: 3 } }, 'NM_OPTION_INVALID', /perAnchor: found 3, allowed: an even/],
    [
      { synthesise: { kind: 'generate', perAnchor: 2, share: 0 } },
      'NM_OPTION_INVALID',
      /share: found 0, allowed: above 0/,
    ],
    [{ loss: { kind: 'hinge' } }, 'NM_OPTION_INVALID', /loss\.kind: found "hinge"/],
    [{ loss: { kind: 'softmax', zMomentum: 1 } }, 'NM_OPTION_UNKNOWN', /loss\.zMomentum/],
    [{ loss: { kind: 'nce' } }, 'NM_OPTION_INVALID', /loss\.kind: found "nce", allowed: softmax, where candidates/],
    [
      { loss: { kind: 'nce', zMomentum: 2 }, candidates: { kind: 'bank', draws: 4 } },
      'NM_OPTION_INVALID',
      /zMomentum: found 2/,
    ],
    [
      { loss: { kind: 'nce' }, candidates: { kind: 'bank', draws: 4 }, weight: { beta: 1 } },
      'NM_OPTION_INVALID',
      /loss\.kind: found "nce", allowed: softmax, with weight/,
    ],
    [{ positives: 'friends' }, 'NM_OPTION_INVALID', /positives: found "friends"/],
    [
      { positives: 'labels', candidates: { kind: 'queue', capacity: 4 } },
      'NM_OPTION_INVALID',
      /positives: found "labels"/,
    ],
    [
      { positives: 'labels', select: { kind: 'ring', inner: 0, outer: 1, neighbourViews: true } },
      'NM_OPTION_INVALID',
      /positives: found "labels", allowed: views, with select\.neighbourViews/,
    ],
  ])('refuse %j', (part, wanted, message) => {
    expect(() => parseObjective({ temperature: 0.1, ...part })).toThrow(code(wanted, message));
  });

  it('refuse a ring on a queue and a bank at once', () => {
    expect(() => ring({ capacity: 4, draws: 4 })).toThrow(
      code('NM_OPTION_INVALID', /capacity: found one beside draws/),
    );
  });
});
