import { describe, expect, it } from 'vitest';
import type { StudyResult } from '../../src/cli/study-run.js';
import { comparedMeasure, type StudyRow, studyMeasures, summarise } from '../../src/cli/study-summary.js';
import { baselineLines, verdictLines } from '../../src/cli/study-text.js';

const measure = { readOut: 'run', question: 'heldOut', measure: 'recallAt1' };

/** A result of 10 queries of which the first `right` are answered. */
function result(method: string, seed: number, right: number): StudyResult {
  return {
    id: `${method}-${seed}`,
    method,
    seed,
    steps: 5,
    seconds: 1,
    imagesPerSecond: 1,
    loss: 1,
    answers: { run: { heldOut: { recallAt1: right / 10, mrr: 0.5 } } },
    hits: { 'run.heldOut.recallAt1': '1'.repeat(right).padEnd(10, '0') },
  };
}

const rows = (seeds: number[], results: StudyResult[]): StudyRow[] =>
  summarise(measure, { seeds, methods: [{ name: 'a' }, { name: 'b' }], reference: 'a' }, results, [
    { name: 'pixels', note: '16x16', answers: [{ heldOut: { recallAt1: 0.35 } }] },
  ]);

describe('summarise', () => {
  it('calls a difference larger than the spread when seeds agree on it, however much the seeds themselves differ', () => {
    const found = rows(
      [0, 1, 2],
      [0, 1, 2].flatMap((seed) => [result('a', seed, 2 + seed), result('b', seed, 5 + seed)]),
    );
    expect(found.map(({ name }) => name)).toEqual(['pixels', 'a', 'b']);
    expect(found[1]).toMatchObject({ mean: 0.3, reference: true, values: [0.2, 0.3, 0.4] });
    expect(found[1]!.deviation).toBeCloseTo(0.1, 12);
    const { difference } = found[2]!;
    expect(difference!.mean).toBeCloseTo(0.3, 12);
    expect(difference!.verdict).toBe('larger');
    // Every query differs by 0 or more; their bootstrap interval holds the mean.
    expect(difference!.overQueries!.low).toBeGreaterThanOrEqual(0);
    expect(difference!.overQueries!.mean).toBeCloseTo(0.3, 12);
    expect(verdictLines('recallAt1', found)).toEqual([
      expect.stringMatching(/^b: \+30\.0 points .* larger than the spread/),
    ]);
    expect(baselineLines('recallAt1', found)).toEqual(['a does not beat the pixels (35.0).']);
  });

  it('calls it within the spread when seeds disagree', () => {
    const found = rows([0, 1], [result('a', 0, 3), result('b', 0, 5), result('a', 1, 5), result('b', 1, 4)]);
    expect(found[2]!.difference).toMatchObject({ verdict: 'within' });
    expect(found[2]!.difference!.low).toBeLessThan(0);
    expect(found[2]!.difference!.high).toBeGreaterThan(0);
  });

  it('says nothing about the spread of one seed', () => {
    const found = rows([0], [result('a', 0, 3), result('b', 0, 9)]);
    expect(found[2]!.difference).toMatchObject({ verdict: 'unknown' });
    expect(found[2]!.deviation).toBeNaN();
    expect(verdictLines('recallAt1', found)[0]).toContain('with one seed: the spread is not known');
  });

  it('pairs only seeds that both have, and leaves out methods without a result', () => {
    const found = rows([0, 1, 2], [result('a', 0, 3), result('a', 1, 3), result('b', 1, 4)]);
    expect(found[2]!.values).toEqual([Number.NaN, 0.4, Number.NaN]);
    expect(found[2]!.difference).toMatchObject({ verdict: 'unknown' });
    expect(rows([0], [result('a', 0, 3)]).map(({ name }) => name)).toEqual(['pixels', 'a']);
  });
});

describe('comparedMeasure', () => {
  it('is the one asked for, or the first of the first read-out', () => {
    const measures = studyMeasures([result('a', 0, 3)]);
    expect(comparedMeasure(measures, 'run', undefined)).toEqual(measure);
    expect(comparedMeasure(measures, 'run', 'heldOut.mrr')).toEqual({ ...measure, measure: 'mrr' });
    expect(comparedMeasure(measures, 'run', 'heldOut.nothing')).toBeUndefined();
  });
});
